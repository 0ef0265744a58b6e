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
from dataflow.tables.properties import HWM, HWM_AHEAD, HWM_FIRST, HWM_SOURCES, HWM_TIMEZONE

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession


Sources = Mapping[str, tuple[int, int]]
"""For each source table the snapshot that was read: its sequence number, which tells older from newer, and its id."""

Moment = dt.date
"""A day; or, as a `datetime`, an hour by its first moment, in UTC."""


@dataclass(frozen=True)
class HighWater:
    """A mark and what waits beyond it: days, or hours once an hour was finished.

    Attributes:
        mark: The last complete day or hour, or None before the first.
        sources: The source snapshots that the mark's day was computed from.
        ahead: Finished days beyond a gap, each with its source snapshots.
        first: Before any mark: the day that has to come first, where a range began later than with it.
    """

    mark: Moment | None = None
    sources: Sources = field(default_factory=dict)
    ahead: Mapping[Moment, Sources] = field(default_factory=dict)
    first: Moment | None = None

    @property
    def shown(self) -> str:
        """The mark, for people."""
        return _text(self.mark) if self.mark else "no mark"

    @property
    def day(self) -> dt.date | None:
        """The last complete day."""
        if not isinstance(self.mark, dt.datetime):
            return self.mark
        return (self.mark - dt.timedelta(hours=23)).date()

    def finished(self, moment: Moment, sources: Sources, *, first: dt.date | None = None) -> HighWater:
        """Return what holds once a day or an hour is finished.

        Args:
            moment: The day, or the hour.
            sources: The source snapshots as they stood before the reads.
            first: The first day of the range that this run belongs to: before any mark is set, a later day
                of the range does not declare the earlier ones complete.
        """
        if any(isinstance(known, dt.datetime) for known in (moment, self.mark, self.first, *self.ahead)):
            return self._in_hours()._with(_hours(moment), sources, _hours(first)[0] if first else None, _HOUR)
        return self._with([moment], sources, first, _DAY)

    def _with(self, done: Sequence[Moment], sources: Sources, first: Moment | None, step: dt.timedelta) -> HighWater:
        new = [moment for moment in done if self.mark is None or moment > self.mark]
        if not new:
            return self
        ahead = {**self.ahead, **dict.fromkeys(new, sources)}
        start = min((known for known in (self.first, first) if known is not None), default=new[0])
        following = self.mark + step if self.mark else start
        mark, absorbed = self.mark, []
        while following in ahead:
            mark = following
            absorbed.append(ahead.pop(following))
            following += step
        sources = oldest(absorbed) if absorbed else self.sources
        beyond = {late: read for late, read in ahead.items() if mark is None or late > mark}
        return HighWater(mark, sources, beyond, None if mark else start)

    def _in_hours(self) -> HighWater:
        """Return the same, in hours."""
        ahead = {hour: sources for moment, sources in self.ahead.items() for hour in _hours(moment)}
        mark = _hours(self.mark)[-1] if self.mark else None
        return HighWater(mark, self.sources, ahead, _hours(self.first)[0] if self.first else None)


_DAY, _HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)


def _hours(moment: Moment) -> list[Moment]:
    """Return the hours of a day; an hour is one."""
    if isinstance(moment, dt.datetime):
        return [moment]
    start = dt.datetime.combine(moment, dt.time())
    return [start + hour * _HOUR for hour in range(24)]


def oldest(several: Iterable[Sources]) -> Sources:
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
    moment: Moment,
    *,
    timezone: str,
    sources: Sources,
    first: dt.date | None = None,
) -> HighWater:
    """Record that a day or an hour of a table is finished, and move its mark as far as no day is missing.

    Args:
        spark: The session.
        table: The table.
        moment: The finished day or hour.
        timezone: The zone that the day is meant in.
        sources: The source snapshots as they stood before the reads.
        first: The first day of the range that this run belongs to.

    Returns:
        What holds now.
    """

    def change(loaded: JavaObject) -> HighWater:
        before = _parsed(properties(loaded))
        after = before.finished(moment, sources, first=first)
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
    mark = found.get(HWM)
    ahead = json.loads(found.get(HWM_AHEAD, "{}"))
    first = found.get(HWM_FIRST)
    return HighWater(
        _moment(mark) if mark else None,
        _sources(json.loads(found.get(HWM_SOURCES, "{}"))),
        {_moment(day): _sources(sources) for day, sources in ahead.items()},
        _moment(first) if first else None,
    )


def _moment(text: str) -> Moment:
    return dt.datetime.fromisoformat(text) if "T" in text else dt.date.fromisoformat(text)


def _text(moment: Moment) -> str:
    return moment.isoformat(timespec="minutes") if isinstance(moment, dt.datetime) else moment.isoformat()


def _sources(found: Mapping[str, Sequence[int]]) -> Sources:
    return {table: (sequence, snapshot) for table, (sequence, snapshot) in found.items()}


def _written(water: HighWater, timezone: str) -> dict[str, str | None]:
    ahead = {_text(moment): dict(water.ahead[moment]) for moment in sorted(water.ahead)}
    return {
        HWM: _text(water.mark) if water.mark else None,
        HWM_TIMEZONE: timezone,
        HWM_SOURCES: json.dumps(dict(water.sources), sort_keys=True) if water.mark else None,
        HWM_AHEAD: json.dumps(ahead, sort_keys=True) if ahead else None,
        HWM_FIRST: _text(water.first) if water.first else None,
    }
