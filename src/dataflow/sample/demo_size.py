"""How large a demo source is to be, and whether there is room for it."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import UsageError
from dataflow.home import subfolder
from dataflow.sample.demo_source import BYTES_PER_ROW, ROWS_PER_DAY
from dataflow.tables.catalog import is_embedded
from dataflow.workflow.dates import MAX_DATES

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

_SMALL_ROWS = 5_000_000
"""Up to so many rows a JVM that starts fast is the better one."""


@dataclass(frozen=True)
class DemoSize:
    """The size of a demo source.

    Attributes:
        days: Its days, in order; at least one.
        rows_per_day: The rows of each.
    """

    days: tuple[dt.date, ...]
    rows_per_day: int

    @property
    def rows(self) -> int:
        """All its rows."""
        return self.rows_per_day * len(self.days)

    @property
    def is_small(self) -> bool:
        """Whether a JVM that starts fast makes it sooner than one that runs long."""
        return self.rows <= _SMALL_ROWS

    def require_room(self, environment: Environment) -> None:
        """Refuse what the disk of the embedded warehouse has no room for.

        Raises:
            UsageError: It does not fit.
        """
        if not is_embedded(environment):
            return
        needed, free = self.rows * BYTES_PER_ROW, shutil.disk_usage(subfolder()).free
        if needed > free:
            raise UsageError(
                f"{self.rows:,} rows take about {needed / 1e9:,.0f} GB; {free / 1e9:,.0f} GB are free",
                "make fewer rows, or point DATAFLOW_HOME to a larger disk",
            )


def demo_size(rows: int | None, first: dt.date | None, last: dt.date | None) -> DemoSize:
    """Return the size that is asked for.

    Args:
        rows: Rows in all, spread evenly over the days; so many a day as runs make by themselves when None.
        first: The first day; yesterday when None.
        last: The last day, included; yesterday when None.

    Raises:
        UsageError: The days are none, too many, or more than the rows.
    """
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    end = last or yesterday
    start = first or min(yesterday, end)
    count = (end - start).days + 1
    if count < 1:
        raise UsageError(
            f"--until {end} lies before --from {start}", "the range ends yesterday unless --until says otherwise"
        )
    if count > MAX_DATES:
        raise UsageError(f"{start} to {end} is {count:,} days; the maximum is {MAX_DATES:,}")
    days = tuple(start + dt.timedelta(days=i) for i in range(count))
    if rows is None:
        return DemoSize(days, ROWS_PER_DAY)
    if rows < len(days):
        raise UsageError(f"--rows {rows} is less than one row for each of {len(days)} days")
    return DemoSize(days, round(rows / len(days)))
