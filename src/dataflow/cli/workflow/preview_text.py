"""A preview for people: its rows, its audits, and what readers would see change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import out
from dataflow.errors import display_path
from dataflow.foreign import for_markdown
from dataflow.wording import plural, seconds_text

if TYPE_CHECKING:
    from dataflow.preview.model import Difference, Preview

_ENGINES = {"sail": "Sail", "spark": "Spark"}


def print_preview(found: Preview, seconds: float) -> None:
    """Print a preview."""
    from dataflow.cli.query import QueryRows
    from dataflow.cli.workflow.audit_lines import AuditLine, print_audits

    out().print(f"{head(found)}  (by {_ENGINES[found.engine]} in {seconds_text(seconds)})", style="bold")
    if found.rows:
        QueryRows(found.columns, found.rows).text()
    if found.total > len(found.rows):
        out().print(f"  {len(found.rows)} of {plural(found.total, 'row')} shown", style="dim")
    if found.outside:
        out().print(f"  ✗ {outside(found)}", style="red")
    print_audits([AuditLine(vars(it)) for it in found.audits])
    if found.step is None:
        for line in difference_lines(found.difference):
            out().print(line)


def head(found: Preview) -> str:
    """Say what is shown, in a line."""
    if found.step is not None:
        return f"{found.step} of {display_path(found.script)}: {plural(found.total, 'row')}"
    return f"{found.table} {found.partition}: {plural(found.total, 'row')} would come"


def outside(found: Preview) -> str:
    """Say that rows lie outside of the partition."""
    return f"{plural(found.outside, 'row')} outside of {found.partition}: a run refuses them"


def difference_lines(found: Difference | None) -> Iterator[str]:
    """Yield what readers would see change, a line each."""
    if found is None:
        yield "nothing is published yet: the table is not there"
        return
    yield summary(found)
    for name in found.columns_added:
        yield f"  {name}  a new column"
    for sign, samples in (("+", found.samples_new), ("-", found.samples_gone)):
        yield from (f"  {sign} {_spelled(it)}" for it in samples)
    for column in found.columns:
        yield f"  ~ {column.name} in {plural(column.rows, 'row')}"
        yield from (
            f"      {_spelled(it['key'])}: {_value(it['published'])} → {_value(it['preview'])}" for it in column.samples
        )


def summary(found: Difference) -> str:
    """Return the difference in a line."""
    if not found.published:
        return "nothing is published for it yet"
    if found.same:
        return f"as the {plural(found.published, 'row')} that are published"
    by = f" by {', '.join(found.key)}" if found.key else ", whole rows compared: there is no key"
    counts = {"new": found.new, "gone": found.gone, "changed": found.changed}
    said = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "the same rows"
    return f"beside the {plural(found.published, 'row')} that are published: {said}{by}"


def as_markdown(found: Preview) -> str:
    """Return a preview as Markdown."""
    from dataflow.cli.query import QueryRows

    lines = [f"**{for_markdown(head(found))}**"]
    if found.outside:
        lines.append(f"\n- ✗ {for_markdown(outside(found))}")
    if found.rows:
        names, *rows = QueryRows(found.columns, found.rows).rows()
        lines += ["", _row(names), f"|{'---|' * len(names)}", *map(_row, rows)]
    if found.audits:
        marks = {True: "✓", False: "✗"}
        lines += ["", *(f"- {marks[it.passed]} {for_markdown(f'{it.name}: {it.message}')}" for it in found.audits)]
    if found.step is None:
        lines += ["", *(f"- {for_markdown(it.strip())}" for it in difference_lines(found.difference))]
    return "\n".join(lines)


def _row(cells: Any) -> str:
    return f"| {' | '.join('NULL' if it is None else for_markdown(str(it)) for it in cells)} |"


def _spelled(key: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in key.items())


def _value(value: object) -> str:
    return "NULL" if value is None else str(value)


def preview_data(found: Preview) -> dict[str, Any]:
    """Return a preview as plain data."""
    import dataclasses

    from dataflow.cli.query import QueryRows

    audits = [{key: value for key, value in vars(it).items() if key != "offending"} for it in found.audits]
    return {
        "job": found.job,
        "script": display_path(found.script),
        "engine": found.engine,
        "step": found.step,
        "table": found.table,
        "partition": found.partition or None,
        "rows": QueryRows(found.columns, found.rows).data(),
        "total": found.total,
        "outside": found.outside,
        "audits": audits,
        "difference": None if found.difference is None else dataclasses.asdict(found.difference),
        "would_fail": found.would_fail,
    }
