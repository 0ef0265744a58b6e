"""The days of a foreach: how far they are while it runs, and how each went, as a strip."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dataflow.runner.results import RunResult, Status
from dataflow.wording import plural
from dataflow.workflow.checks import is_date
from dataflow.workflow.resolved import ForeachStep, SubworkflowStep, Workflow

MARKS: Mapping[Status, str] = {
    "succeeded": "[green]✓[/]",
    "failed": "[red]✗[/]",
    "warned": "[yellow]![/]",
    "cancelled": "[yellow]■[/]",
    "skipped": "[dim]-[/]",
}
_OUTCOMES: Mapping[Status, str] = {
    "warned": "failed, which is ignored",
    "cancelled": "stopped",
    "skipped": "not started",
}
_NAMED = 10


def _clock() -> float:
    return time.monotonic()


@dataclass
class Days:
    """How far a foreach is.

    Attributes:
        total: How many days it has.
        unit: What they are: days, or items.
        running: Those that run.
        done: How many have ended.
        failed: How many of them failed.
    """

    total: int
    unit: str = "day"
    running: set[str] = field(default_factory=set)
    done: int = 0
    failed: int = 0
    _began: float = field(default_factory=_clock)

    def start(self, day: str) -> None:
        """Count a day as running."""
        self.running.add(day)

    def end(self, day: str, status: Status) -> None:
        """Count a day as ended."""
        self.running.discard(day)
        self.done += 1
        self.failed += status in {"failed", "warned"}

    @property
    def text(self) -> str:
        """How far it is, in words: `6 of 10 days · 2 running · about 20 s left`."""
        parts = [f"{self.done:,} of {plural(self.total, self.unit)}"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        parts.append(f"{len(self.running)} running")
        if self.done:
            each = (_clock() - self._began) / self.done
            parts.append(f"about {rough(each * (self.total - self.done))} left")
        return " · ".join(parts)


def foreach_of(workflow: Workflow) -> dict[str, str]:
    """Return the ids of the runs that foreach steps of a workflow contain, at whatever depth, each with its day."""
    found: dict[str, str] = {}
    for step in workflow.steps:
        if isinstance(step, SubworkflowStep):
            found |= foreach_of(step.workflow)
        elif isinstance(step, ForeachStep):
            inner = ((it.value, it.step) for it in step.items)
            found |= {it.workflow.run_id: day for day, it in inner if isinstance(it, SubworkflowStep)}
    return found


def print_days(result: RunResult) -> None:
    """Print how each day of a run's foreach steps went: a strip for each month, then those that did not succeed."""
    from dataflow.cli.console import out

    for step in result.days:
        days = {it.id.partition("/")[2]: it.status for it in step.items}
        over_dates = all(map(is_date, days))
        for line in strip(days) if over_dates else ():
            out().print(f"  {line}", markup=True)
        out().print(f"  {summary(days, 'day' if over_dates else 'item')}")


def strip(days: Mapping[str, Status]) -> Iterator[str]:
    """Yield a line of markup for each month: its first day here, a mark for each, its last one."""
    for month, found in itertools.groupby(sorted(days), lambda day: day[:7]):
        listed = list(found)
        marks = "".join(MARKS[days[day]] for day in listed)
        yield f"[dim]{month}  {listed[0][8:]}[/] {marks} [dim]{listed[-1][8:]}[/]"


def summary(days: Mapping[str, Status], unit: str = "day") -> str:
    """Return how many days, or items, succeeded, and which ones did not."""
    parts = [f"{sum(it == 'succeeded' for it in days.values()):,} of {plural(len(days), unit)} succeeded"]
    for status in MARKS:
        if status != "succeeded" and (those := [day for day, it in sorted(days.items()) if it == status]):
            parts.append(f"{_OUTCOMES.get(status, status)}: {named_days(those, dates=unit == 'day')}")
    return " · ".join(parts)


def named_days(days: Sequence[str], *, dates: bool = True) -> str:
    """Return days in words, with what lies without a gap between two of them as a range; items as they are."""
    ranges = [f"{first} to {last}" if first != last else first for first, last in _ranges(days)] if dates else days
    more = len(ranges) - _NAMED
    return ", ".join(ranges[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _ranges(days: Iterable[str]) -> Iterator[tuple[str, str]]:
    numbered = enumerate(dt.date.fromisoformat(day) for day in days)
    for _, run in itertools.groupby(numbered, lambda it: it[1].toordinal() - it[0]):
        listed = [str(day) for _, day in run]
        yield listed[0], listed[-1]


def rough(seconds: float) -> str:
    """Return about how long something takes, in words."""
    if seconds < 90:
        return f"{max(5, round(seconds / 5) * 5)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{round(minutes / 60)} h"
