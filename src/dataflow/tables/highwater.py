"""The high-water mark: up to where a table is complete, with no day missing.

It stands in the table's own properties. Days that were finished ahead of a gap wait beside it until the gap is
closed; a crash before the mark is moved only leaves it behind, which is safe.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.tables.iceberg import commit, load, properties

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

MARK = "dataflow.hwm"
ZONE = "dataflow.hwm.timezone"
SOURCES = "dataflow.hwm.sources"
AHEAD = "dataflow.hwm.ahead"
FIRST = "dataflow.hwm.first"

Sources = Mapping[str, tuple[int, int]]
"""For each source table the snapshot that was read: its sequence number, which tells older from newer, and its id."""


@dataclass(frozen=True)
class HighWater:
    """A mark and what waits beyond it.

    Attributes:
        mark: The last complete day, or None before the first.
        sources: The source snapshots that the mark's day was computed from.
        ahead: Finished days beyond a gap, each with its source snapshots.
        first: Before any mark: the day that has to come first, where a range began later than with it.
    """

    mark: dt.date | None = None
    sources: Sources = field(default_factory=dict)
    ahead: Mapping[dt.date, Sources] = field(default_factory=dict)
    first: dt.date | None = None

    def finished(self, day: dt.date, sources: Sources, *, first: dt.date | None = None) -> HighWater:
        """Return what holds once a day is finished.

        Args:
            day: The day.
            sources: The source snapshots as they stood before the reads.
            first: The first day of the range that this run belongs to: before any mark is set, a later day
                of the range does not declare the earlier ones complete.
        """
        if self.mark is not None and day <= self.mark:
            return self
        ahead = {**self.ahead, day: sources}
        start = min((known for known in (self.first, first) if known is not None), default=day)
        following = self.mark + dt.timedelta(days=1) if self.mark else start
        mark, absorbed = self.mark, []
        while following in ahead:
            mark = following
            absorbed.append(ahead.pop(following))
            following += dt.timedelta(days=1)
        sources = _oldest(absorbed) if absorbed else self.sources
        beyond = {late: read for late, read in ahead.items() if mark is None or late > mark}
        return HighWater(mark, sources, beyond, None if mark else start)


def _oldest(several: Iterable[Sources]) -> Sources:
    """Keep for each source the oldest snapshot of several days: a newer one would hide late rows from the others."""
    found: dict[str, tuple[int, int]] = {}
    for sources in several:
        for table, snapshot in sources.items():
            found[table] = min(found.get(table, snapshot), snapshot)
    return found


def read(spark: SparkSession, table: str) -> HighWater:
    """Read a table's mark from its properties."""
    return _parsed(properties(load(spark, table)))


def move(
    spark: SparkSession,
    table: str,
    day: dt.date,
    *,
    timezone: str,
    sources: Sources,
    first: dt.date | None = None,
) -> HighWater:
    """Record that a day of a table is finished, and move its mark as far as no day is missing.

    Args:
        spark: The session.
        table: The table.
        day: The finished day.
        timezone: The zone that the day is meant in.
        sources: The source snapshots as they stood before the reads.
        first: The first day of the range that this run belongs to.

    Returns:
        What holds now.
    """

    def change(loaded: JavaObject) -> HighWater:
        before = _parsed(properties(loaded))
        after = before.finished(day, sources, first=first)
        if after != before:
            # `updateProperties` would be replayed on top of another day's commit and lose that day.
            _swap(loaded, _written(after, timezone))
        return after

    return commit(spark, table, change)


def _swap(loaded: JavaObject, values: Mapping[str, str | None]) -> None:
    """Commit properties only if the table is still as it was loaded (compare and swap of its metadata)."""
    operations = loaded.operations()
    base = operations.current()
    current = dict(base.properties())
    for key, value in values.items():
        if value is None:
            current.pop(key, None)
        else:
            current[key] = value
    operations.commit(base, base.replaceProperties(current))


def _parsed(found: Mapping[str, str]) -> HighWater:
    mark = found.get(MARK)
    ahead = json.loads(found.get(AHEAD, "{}"))
    first = found.get(FIRST)
    return HighWater(
        dt.date.fromisoformat(mark) if mark else None,
        _sources(json.loads(found.get(SOURCES, "{}"))),
        {dt.date.fromisoformat(day): _sources(sources) for day, sources in ahead.items()},
        dt.date.fromisoformat(first) if first else None,
    )


def _sources(found: Mapping[str, Sequence[int]]) -> Sources:
    return {table: (sequence, snapshot) for table, (sequence, snapshot) in found.items()}


def _written(water: HighWater, timezone: str) -> dict[str, str | None]:
    ahead = {str(day): dict(water.ahead[day]) for day in sorted(water.ahead)}
    return {
        MARK: str(water.mark) if water.mark else None,
        ZONE: timezone,
        SOURCES: json.dumps(dict(water.sources), sort_keys=True) if water.mark else None,
        AHEAD: json.dumps(ahead, sort_keys=True) if ahead else None,
        FIRST: str(water.first) if water.first else None,
    }
