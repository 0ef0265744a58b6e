"""Which days of a range a backfill runs, or hours, weeks, months, by what is recorded of them, and for how long."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dataflow.errors import UsageError
from dataflow.wording import plural
from dataflow.workflow.dates import MAX_DATES
from dataflow.workflow.definitions import definitions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflow.state.run_records import DayRun, RunRecords
    from dataflow.workflow.periods import Period
    from dataflow.workflow.resolved import Workflow

Only = Literal["missing", "failed", "all"]
"""`missing`: days that never succeeded; `failed`: days whose last run did not; `all`: every day."""

_LATEST = 20


@dataclass(frozen=True)
class DayChoice:
    """The days that a backfill runs; or the hours, weeks or months.

    Attributes:
        days: Those that it runs, in order.
        unit: What one of them is.
        total: How many there are in the range.
        only: What was asked for; None for what has not succeeded as it is now.
        seconds: How long a day took lately, or None where none has run.
    """

    days: tuple[Period, ...]
    unit: str
    total: int
    only: Only | None
    seconds: float | None = None

    def estimate(self, parallel: int) -> float | None:
        """Return about how many seconds the days take, so many at a time."""
        if self.seconds is None:
            return None
        return self.seconds * -(-len(self.days) // min(parallel, max(len(self.days), 1)))

    @property
    def told(self) -> str:
        """Which they are, in words: `353 of 365 days: 12 have succeeded with these definitions`."""
        left = self.total - len(self.days)
        why = {
            None: f"{left:,} succeeded with these definitions",
            "missing": f"{left:,} succeeded before",
            "failed": f"{left:,} did not fail",
            "all": "",
        }[self.only]
        whole = f"{len(self.days):,} of {plural(self.total, self.unit)}" if left else plural(self.total, self.unit)
        return f"{whole}: {why}" if left else whole


def periods_between(first: Period, last: Period) -> list[Period]:
    """Return a range of periods, both ends included.

    Raises:
        UsageError: It runs backwards, or is too long.
    """
    if last < first:
        raise UsageError(f"--to {last.label} lies before --from {first.label}")
    if first.count_to(last) > MAX_DATES:
        raise UsageError(f"these are more than {MAX_DATES:,} {first.cadence.unit}s", "name a shorter range")
    return first.upto(last)


def choose_days(
    records: RunRecords, workflow: Workflow, days: Sequence[Period], only: Only | None, *, newest_first: bool
) -> DayChoice:
    """Choose what of a range a backfill runs.

    Args:
        records: The runs of the past.
        workflow: The definition, for any day.
        days: The range.
        only: Which of them; None for those that have not succeeded with these definitions.
        newest_first: Whether the last day comes first.
    """
    runs = records.days_of(workflow.id, workflow.environment.name)
    by_day: dict[str, list[DayRun]] = {}
    for run in runs:
        by_day.setdefault(run.day, []).append(run)
    now = definitions_of(workflow)
    chosen = tuple(day for day in days if _is_wanted(by_day.get(str(day), ()), only, now))
    lately = [run.seconds for run in runs if run.status == "succeeded" and run.seconds is not None][-_LATEST:]
    ordered = tuple(reversed(chosen)) if newest_first else chosen
    return DayChoice(ordered, workflow.cadence.unit, len(days), only, statistics.median(lately) if lately else None)


def _is_wanted(runs: Sequence[DayRun], only: Only | None, now: str) -> bool:
    match only:
        case "all":
            return True
        case "missing":
            return not any(run.status == "succeeded" for run in runs)
        case "failed":
            return bool(runs) and runs[-1].status != "succeeded"
        case None:
            return not any(run.status == "succeeded" and run.definitions == now for run in runs)
