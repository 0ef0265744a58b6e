"""The high-water mark: up to where a table is complete, with no day missing.

It stands in the table's own properties. Days that were finished ahead of a gap wait beside it until the gap is
closed; a crash before the mark is moved only leaves it behind, which is safe. Days stand for hours, weeks and months as
well: a mark's text says which (`2026-W05`).

It remembers what the days were computed from: no day up to the mark from older snapshots than its `sources`, and those
in `later` from newer ones. So what changed in a source since can be found, day by day, and nothing twice.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dataflow.tables.iceberg import commit, load, properties
from dataflow.tables.properties import HWM, HWM_AHEAD, HWM_FIRST, HWM_LATER, HWM_SOURCES, HWM_TIMEZONE
from dataflow.workflow.periods import Cadence, Period, finest, period_of

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession


Sources = Mapping[str, tuple[int, int]]
"""For each source table the snapshot that was read: its sequence number, which tells older from newer, and its id."""


@dataclass(frozen=True)
class HighWater:
    """A mark and what waits beyond it: days, hours, weeks or months; all in the finest of these that was finished.

    Attributes:
        mark: The last complete day, or None before the first.
        sources: The source snapshots that no day up to the mark is older than: what came later has to be looked at.
        later: Days up to the mark that were computed from newer snapshots, with those.
        ahead: Finished days beyond a gap, each with its source snapshots.
        first: Before any mark: the day that has to come first, where a range began later than with it.
    """

    mark: Period | None = None
    sources: Sources = field(default_factory=dict)
    ahead: Mapping[Period, Sources] = field(default_factory=dict)
    first: Period | None = None
    later: Mapping[Period, Sources] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The mark, for people."""
        return self.mark.label if self.mark else "no mark"

    @property
    def day(self) -> dt.date | None:
        """The last complete day."""
        last = self.complete(Cadence.DAILY)
        return None if last is None else last.date

    def complete(self, cadence: Cadence) -> Period | None:
        """Return the last complete period of a cadence, whatever the mark's own is."""
        return None if self.mark is None else cadence.last_before(self.mark.end)

    def finished(self, period: Period, sources: Sources, *, first: Period | None = None) -> HighWater:
        """Return what holds once a day, or another period, is finished.

        Args:
            period: The period.
            sources: The source snapshots as they stood before the reads.
            first: The first one of the range that this run belongs to: before any mark is set, a later one
                of the range does not declare the earlier ones complete.
        """
        cadence = finest(it.cadence for it in (period, self.mark, self.first, *self.ahead) if it is not None)
        begin = None if first is None else cadence.at(first.start)
        return self._in(cadence)._with(period.split(cadence), sources, begin)

    def read_for(self, period: Period) -> Sources:
        """Return the snapshots that a period was computed from, where they are newer than `sources`; else nothing."""
        known = {**self.later, **self.ahead}
        for cadence in {it.cadence for it in known if period.cadence.is_multiple_of(it.cadence)}:
            parts = period.split(cadence)
            if all(it in known for it in parts):
                return oldest(known[it] for it in parts)
        return {}

    def looked_at(self, seen: Sources, before: Sources, days: Iterable[Period]) -> HighWater:
        """Return what holds once all that had changed in the sources up to certain snapshots was computed anew.

        Args:
            seen: The newest snapshot of each source, as it was looked at.
            before: What `sources` had when it was looked at: where it has another one now, somebody else was faster.
            days: The days that were computed anew; of one that read an older snapshot than was seen, that one counts.
        """
        read = [{**self.later, **self.ahead}.get(day, {}) for day in days]
        sources = dict(self.sources)
        for table, snapshot in seen.items():
            if self.sources.get(table) == before.get(table):
                sources[table] = oldest([{table: snapshot}, *({table: it[table]} for it in read if table in it)])[table]
        later = {day: it for day, it in self.later.items() if not _is_within(it, sources)}
        ahead = {
            day: {
                table: max(snapshot, sources[table]) if table in seen and table in sources else snapshot
                for table, snapshot in it.items()
            }
            for day, it in self.ahead.items()
        }
        return replace(self, sources=sources, later=later, ahead=ahead)

    def _with(self, done: Sequence[Period], sources: Sources, first: Period | None) -> HighWater:
        again = {period: sources for period in done if self.mark is not None and period <= self.mark}
        new = [period for period in done if period not in again]
        ahead = {**self.ahead, **dict.fromkeys(new, sources)}
        start = min((known for known in (self.first, first) if known is not None), default=done[0])
        following = self.mark.next if self.mark else start
        mark, absorbed = self.mark, dict[Period, Sources]()
        while following in ahead:
            mark = following
            absorbed[following] = ahead.pop(following)
            following = following.next
        base = dict(self.sources if self.mark else oldest(absorbed.values()))
        for read in (*again.values(), *absorbed.values()):  # days are done in any order, and may read older snapshots
            base |= {table: it for table, it in read.items() if table in base and 0 < it[0] < base[table][0]}
        later = {day: it for day, it in {**self.later, **absorbed, **again}.items() if not _is_within(it, base)}
        later = dict(sorted(later.items())[-_LATER_AT_MOST[done[0].cadence] :])
        beyond = {late: read for late, read in ahead.items() if mark is None or late > mark}
        return HighWater(mark, base, beyond, None if mark else start, later)

    def _in(self, cadence: Cadence) -> HighWater:
        """Return the same in periods of a cadence, which those that are known are made of."""
        ahead, later = (
            {part: it for period, it in of.items() for part in period.split(cadence)} for of in (self.ahead, self.later)
        )
        mark = self.mark.split(cadence)[-1] if self.mark else None
        return HighWater(mark, self.sources, ahead, self.first.split(cadence)[0] if self.first else None, later)


_LATER_AT_MOST = {**dict.fromkeys(Cadence, 400), Cadence.HOURLY: 2400}
"""How many days are remembered by themselves: those that are not count as older, and may be computed once more."""


def oldest(several: Iterable[Sources]) -> Sources:
    """Keep for each source the oldest snapshot of several days: a newer one would hide late rows from the others."""
    found: dict[str, tuple[int, int]] = {}
    for sources in several:
        for table, snapshot in sources.items():
            found[table] = min(found.get(table, snapshot), snapshot)
    return found


def remember_without_spark(table: Table, seen: Sources, before: Sources) -> None:
    """Record that nothing changed for a table in its sources, up to certain snapshots; see `HighWater.looked_at`.

    Only `sources` is written: what another run records of its days meanwhile stays.

    Raises:
        pyiceberg.exceptions.CommitFailedException: Somebody else's commit came first.
    """
    water = from_properties(table.properties)
    after = water.looked_at(seen, before, ())
    if water.mark and after.sources != water.sources:
        with table.transaction() as change:
            change.set_properties({HWM_SOURCES: json.dumps(dict(after.sources), sort_keys=True)})


def _is_within(read: Sources, base: Sources) -> bool:
    """Say whether what was read is not newer than a base: of tables of format 1, whose numbers are 0, only the same."""
    return all(
        table in base and (it == base[table] or 0 < it[0] <= base[table][0]) for table, it in read.items()
    )  # fmt: skip


def read(spark: SparkSession, table: str) -> HighWater:
    """Read a table's mark."""
    return from_properties(properties(load(spark, table)))


def remember(spark: SparkSession, table: str, seen: Sources, before: Sources, days: Iterable[Period]) -> None:
    """Record that all that had changed in a table's sources was computed anew; see `HighWater.looked_at`."""
    listed = list(days)

    def change(loaded: JavaObject) -> None:
        found = properties(loaded)
        water = from_properties(found)
        after = water.looked_at(seen, before, listed)
        if water.mark and after != water:
            swap(loaded, _written(after, found.get(HWM_TIMEZONE, "UTC")))

    commit(spark, table, change)


def move(
    spark: SparkSession,
    table: str,
    period: Period,
    *,
    timezone: str,
    sources: Sources,
    first: Period | None = None,
) -> HighWater:
    """Record that a day, or another period, of a table is finished, and move its mark as far as none is missing.

    Args:
        spark: The session.
        table: The table.
        period: What is finished.
        timezone: The zone that the day is meant in.
        sources: The source snapshots as they stood before the reads.
        first: The first one of the range that this run belongs to.

    Returns:
        What holds now.
    """

    def change(loaded: JavaObject) -> HighWater:
        before = from_properties(properties(loaded))
        after = before.finished(period, sources, first=first)
        if after != before:
            # `updateProperties` would be replayed on top of another day's commit and lose that day.
            swap(loaded, _written(after, timezone))
        return after

    return commit(spark, table, change)


def swap(loaded: JavaObject, values: Mapping[str, str | None]) -> None:
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


def from_properties(found: Mapping[str, str]) -> HighWater:
    """Return the mark that a table's properties tell."""
    mark = found.get(HWM)
    ahead = json.loads(found.get(HWM_AHEAD, "{}"))
    first = found.get(HWM_FIRST)
    return HighWater(
        _period(mark) if mark else None,
        _sources(json.loads(found.get(HWM_SOURCES, "{}"))),
        {_period(day): _sources(sources) for day, sources in ahead.items()},
        _period(first) if first else None,
        {_period(day): _sources(sources) for day, sources in json.loads(found.get(HWM_LATER, "{}")).items()},
    )


def _period(label: str) -> Period:
    found = period_of(label)
    if found is None:
        raise ValueError(f"'{label}' is not a day, an hour, a week or a month")
    return found


def _sources(found: Mapping[str, Sequence[int]]) -> Sources:
    return {table: (sequence, snapshot) for table, (sequence, snapshot) in found.items()}


def _written(water: HighWater, timezone: str) -> dict[str, str | None]:
    ahead, later = (
        {period.label: dict(of[period]) for period in sorted(of)} for of in (water.ahead, water.later)
    )  # fmt: skip
    return {
        HWM: water.mark.label if water.mark else None,
        HWM_TIMEZONE: timezone,
        HWM_SOURCES: json.dumps(dict(water.sources), sort_keys=True) if water.mark else None,
        HWM_AHEAD: json.dumps(ahead, sort_keys=True) if ahead else None,
        HWM_LATER: json.dumps(later, sort_keys=True) if later else None,
        HWM_FIRST: water.first.label if water.first else None,
    }
