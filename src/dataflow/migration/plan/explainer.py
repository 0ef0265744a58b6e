"""Shows a plan as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dataflow.migration.impact import AffectedWorkflow
from dataflow.migration.plan.definition import MigrationPlan
from dataflow.wording import plural

if TYPE_CHECKING:
    pass

_DOWNSTREAM_SHOWN = 20


def render(found: MigrationPlan) -> Iterator[str]:
    """Yield the lines of a plan."""
    yield f"{found.table} in {found.environment}"
    yield ""
    for change in found.changes:
        yield f"  {'safe    ' if change.safe else 'breaking'}  {change}{f': {change.why}' if change.why else ''}"
    if found.breaking:
        yield ""
        yield from _affected_lines(found.affected)
    if found.select_star_users:
        yield ""
        yield "select all columns by position: fail when a column is added"
        yield from (line for each in found.select_star_users for line in _with_lines(each))
    yield ""
    yield "steps" if found.steps else "steps: none, see the note"
    for step in found.steps:
        yield f"  {step.name:<11} {step.says}"
        yield from (f"  {'':<11} {line}" for line in step.sql.splitlines())
    for note in found.notes:
        yield ""
        yield f"note: {note}"
    if found.breaking and found.steps:
        yield ""
        yield "nothing was changed; `dataflow migration start` with the same options starts a campaign"


def _affected_lines(touched: Sequence[AffectedWorkflow]) -> Iterator[str]:
    if not touched:
        yield "no known workflow reads or writes what changes"
        return
    for role, says in (
        ("reads", "reads what changes"),
        ("may read", "may read what changes (its columns are unknown)"),
        ("writes", "writes the table"),
        ("downstream", "downstream, reads what is derived from it"),
    ):
        mine = [each for each in touched if each.role == role]
        if not mine:
            continue
        yield f"{says}: {plural(len(mine), 'workflow')}"
        shown = mine if role != "downstream" else mine[:_DOWNSTREAM_SHOWN]
        yield from (line for each in shown for line in _with_lines(each))
        if len(mine) > len(shown):
            yield f"  … and {len(mine) - len(shown):,} more: --output json lists all"


def _with_lines(touched: AffectedWorkflow) -> Iterator[str]:
    columns = touched.columns
    uses = f" uses {', '.join(columns[:4])}{', …' if len(columns) > 4 else ''}" if columns else ""
    yield f"  {touched.workflow} ({touched.owner or 'no owner'}){uses} · {touched.known}"
    deployed = ""
    for line in touched.lines:
        if line.deployed != deployed:
            deployed = line.deployed
            yield f"      deployed from {deployed}:"
        yield f"      {line.here}: {line.text}"
