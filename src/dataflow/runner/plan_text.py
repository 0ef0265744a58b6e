"""The plan of a run as text."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from dataflow.workflow.periods import Cadence, runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflow.runner.plan import RunPlan, StepPlan

_NAMED = {"Metadata", "HWM"}  # their text names the table and the change
_NAMED_ITEMS = 5
_EMPTY = {"fail": "no rows: fails", "keep": "no rows: the old ones stay", "publish": "no rows: becomes empty"}


def render_plan(plan: RunPlan) -> str:
    """Return a plan as lines of text."""
    pinned = "" if plan.pinned else " (not pinned: there is no identity.yaml)"
    facts = [
        ("definition", plan.file),
        ("package", f"{plan.package}, owner {plan.owner}{pinned}"),
        ("environment", f"{plan.environment}, catalog {plan.catalog}"),
        ("spark", plan.spark),
        *_schedule(plan),
        ("reads", ", ".join(plan.reads) or "nothing that its text names"),
        ("writes", ", ".join(plan.writes) or "nothing"),
    ]
    if plan.accelerator is not None:
        facts.append(("accelerator", plan.accelerator))
    lines = [f"{plan.workflow}{': ' if plan.description else ''}{plan.description}", ""]
    lines += _columns(facts, indent=2)
    if plan.parameters:
        lines += ["", "parameters", *_columns([(p.name, p.value, p.origin) for p in plan.parameters], indent=2)]
    return "\n".join([*lines, "", "steps", *_steps(plan, "  ")])


def _schedule(plan: RunPlan) -> Iterator[tuple[str, str]]:
    """Yield a fact for each trigger, and what becomes of missed moments where that is not as usual."""
    if not plan.triggers:
        yield "schedule", "none"
    for number, it in enumerate(plan.triggers):
        coming = "" if it.next is None else f", next {it.next:%Y-%m-%d %H:%M %Z}"
        yield "" if number else "schedule", f"{it.text}{coming}"
    if plan.strategy is not None and plan.strategy != "latest only":
        yield "", f"moments that were missed: {plan.strategy}"


def _steps(plan: RunPlan, indent: str) -> Iterator[str]:
    width = max((len(step.id) for step in plan.steps), default=0)
    kinds = max((len(step.type) for step in plan.steps), default=0)
    previous: str | None = None
    for step in plan.steps:
        head = f"{indent}{step.id.ljust(width)}  {step.type.ljust(kinds)}"
        after = "" if list(step.needs) == ([previous] if previous else []) else _after(step)
        first, *rest = [*_facts(step), *([after] if after else [])] or [""]
        yield f"{head}  {first}".rstrip()
        yield from (" " * (len(head) + 2) + line for line in rest)
        if step.contains:
            yield from _steps(step.contains, indent + "    ")
        previous = step.id


def _after(step: StepPlan) -> str:
    return f"after {', '.join(step.needs)}" if step.needs else "starts at once"


def _facts(step: StepPlan) -> Iterator[str]:
    if step.left_out is not None:
        yield f"left out: {step.left_out}"
    if each := step.dates or step.items:
        yield _each(step)
    yield from (f"  {line}" for line in reason_lines(step.reasons, None if step.items else Cadence(step.cadence)))
    yield from step.runs
    yield from (f"note: {note}" for note in step.notes)
    if step.reads or not step.reads_known:
        more = [] if step.reads_known else ["more is known after the first run"]
        yield f"reads  {', '.join([*step.reads, *more])}"
    if step.writes and step.type not in _NAMED:
        partition = ", ".join(f"{column}={value}" for column, value in step.partition.items())
        yield f"writes {', '.join(step.writes)}{f' ({partition})' if partition else ''}"
    yield from step.layout
    for number, name in enumerate(step.audits):
        lead = "       " if number else "audits "
        yield lead + (name[1:] if name.startswith("!") else f"{name} (warns)")
    if step.existing == "keep":
        yield "old rows: stay as far as they are not changed"
    if step.empty:
        yield _EMPTY[step.empty]
    if step.retries or step.timeout is not None:
        limit = f"at most {_seconds(step.timeout)} each" if step.timeout is not None else ""
        tries = f"{step.retries + 1} attempts" if step.retries else "one attempt"
        yield ", ".join(part for part in (tries, limit) if part)
    if each and step.contains:
        yield f"for {each[0]}:"


def reason_lines(reasons: Mapping[str, Sequence[str]], cadence: Cadence | None) -> Iterator[str]:
    """Yield a line for each day with why it is run; days one after the other for the same reasons are one.

    Items, which have no cadence, are named one after the other.
    """
    for whys, named in itertools.groupby(reasons, lambda day: reasons[day]):
        if cadence is None:
            yield f"{', '.join(named)}: {'; '.join(whys)}"
            continue
        for days in runs_of([cadence.parse(day) for day in named]):
            more = f" to {days[-1].label}, {len(days)} {cadence.unit}s" if len(days) > 1 else ""
            yield f"{days[0].label}{more}: {'; '.join(whys)}"


def _each(step: StepPlan) -> str:
    first, *others = step.dates or step.items
    if not others:
        text = first
    elif step.dates:
        unit = "date" if step.cadence == Cadence.DAILY else Cadence(step.cadence).unit
        text = f"{len(step.dates)} {unit}s, {first} to {others[-1]}"
    else:
        more = "" if len(step.items) <= _NAMED_ITEMS else ", …"
        text = f"{len(step.items)} items: {', '.join(step.items[:_NAMED_ITEMS])}{more}"
    return f"{text}, {step.parallel} at a time" if step.parallel > 1 else text


def _seconds(value: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if value >= size and value % size == 0:
            return f"{value / size:.0f}{unit}"
    return f"{value:g}s"


def _columns(rows: Sequence[tuple[str, ...]], *, indent: int) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [" " * indent + line.rstrip() for line in padded]
