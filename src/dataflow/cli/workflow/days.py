"""The days of a foreach: how far they are while it runs, and how each went, as a strip."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dataflow.runner.results import RunResult, Status
from dataflow.wording import plural
from dataflow.workflow.periods import Cadence, Period, runs_of
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
    """Print how each day of a run's foreach steps went: strips of the days, then those that did not succeed."""
    from dataflow.cli.console import out

    for run in result.walk():
        for step in (it for it in run.steps if it.items):
            turns = {it.id.partition("/")[2]: it.status for it in step.items}
            periods = _periods(run.workflow.cadence, turns)
            for line in strip(periods):
                out().print(f"  {line}", markup=True)
            out().print(f"  {summary(periods) if periods else summary_of_items(turns)}")


def _periods(cadence: Cadence, turns: Mapping[str, Status]) -> dict[Period, Status]:
    """Return the periods of turns; nothing where they are items."""
    known = {cadence.read(text): status for text, status in turns.items()}
    return {period: status for period, status in known.items() if period is not None} if None not in known else {}


def strip(days: Mapping[Period, Status]) -> Iterator[str]:
    """Yield a line of markup for each month of days, day of hours, year of weeks or months.

    It has the first one there, a mark for each, and the last one.
    """
    for around, found in itertools.groupby(sorted(days), lambda day: _label(day)[0]):
        listed = list(found)
        marks = "".join(MARKS[days[day]] for day in listed)
        first, last = (_label(day)[1] for day in (listed[0], listed[-1]))
        yield f"[dim]{around}  {first}[/] {marks} [dim]{last}[/]"


def _label(day: Period) -> tuple[str, str]:
    """Return what a line of a strip is about, and what a period is called in it: `2026-01` and `31`."""
    if day.cadence is Cadence.HOURLY:
        return str(day.date), f"{day.start:%H:%M}"
    around, _, own = day.label.rpartition("-")
    return around, own


def summary(days: Mapping[Period, Status]) -> str:
    """Return how many days succeeded, and which ones did not."""
    named = {status: [day for day, it in sorted(days.items()) if it == status] for status in MARKS}
    unit = next(iter(days)).cadence.unit
    return _summary({it: (len(those), named_periods(those)) for it, those in named.items()}, unit)


def summary_of_items(items: Mapping[str, Status]) -> str:
    """Return how many items succeeded, and which ones did not."""
    named = {status: [item for item, it in sorted(items.items()) if it == status] for status in MARKS}
    return _summary({it: (len(those), _some(those)) for it, those in named.items()}, "item")


def _summary(named: Mapping[Status, tuple[int, str]], unit: str) -> str:
    total = sum(count for count, _ in named.values())
    parts = [f"{named['succeeded'][0]:,} of {plural(total, unit)} succeeded"]
    for status, (count, those) in named.items():
        if status != "succeeded" and count:
            parts.append(f"{_OUTCOMES.get(status, status)}: {those}")
    return " · ".join(parts)


def named_periods(days: Sequence[Period]) -> str:
    """Return days in words, with what lies without a gap between two of them as a range."""
    ends = [(run[0].label, run[-1].label) for run in runs_of(days)]
    return _some([f"{first} to {last}" if first != last else first for first, last in ends])


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def rough(seconds: float) -> str:
    """Return about how long something takes, in words."""
    if seconds < 90:
        return f"{max(5, round(seconds / 5) * 5)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{round(minutes / 60)} h"
