"""Workflows that publications make due: `trigger: tables:` of a deployed definition.

A day makes a workflow due once a table of its trigger changed on it and all of them have it. What was looked at is
recorded with the claim, in one transaction: the same snapshots make nobody due twice, however many call. Until a day is
there in all tables, nothing is recorded, and the next call looks again from where the last run began. Of several
triggers each has its own beginning, and what is ready by more than one is run once.
"""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy.backends.looks import Join, Look, Publication
from dataflow.errors import DataflowError
from dataflow.workflow.periods import Cadence, Period

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from dataflow.deploy.bundle.manifest import Schedule, ScheduledTrigger
    from dataflow.tables.reader.catalog_tables import TableReader


@dataclass(frozen=True)
class _Looked:
    """A table of a trigger.

    Attributes:
        table: The table.
        head: Its current snapshot.
        at: When that was committed, in milliseconds since 1970.
        changed: The days that changed, or hours, weeks, months, as the workflow's are; None where nobody can tell.
        mark: Up to where it is complete, in the same; None where it does not say.
        ahead: Those beyond the mark that are finished.
        zone: Where days of instants are cut.
    """

    table: Table
    head: int
    at: int
    changed: Collection[Period] | None
    mark: Period | None
    ahead: Collection[Period]
    zone: dt.tzinfo

    def has(self, day: Period) -> bool:
        """Say whether the table has a day: by its mark, where it has one; else by its files."""
        from dataflow.tables.changed_days.find import holds_period

        if self.mark is not None:
            return day <= self.mark or day in self.ahead
        return self.changed is None or day in self.changed or holds_period(self.table, day, zone=self.zone)


def publication(
    tables: TableReader, schedule: Schedule, since: dt.datetime, before: Mapping[Join, Look | None], at: dt.datetime
) -> Publication | None:
    """Return what makes a workflow due; None where nothing does.

    Args:
        tables: Where the tables are.
        schedule: The workflow's triggers.
        since: When it was deployed first: what is older makes it due no more.
        before: For the tables of each trigger what they led to last; None where that was nothing.
        at: This moment.

    Raises:
        DataflowError: A table is missing, or the catalog can't be reached.
    """
    load = functools.cache(lambda name: tables.get(name).opened)  # once, however many triggers name it
    days: set[dt.date] = set()
    seen: dict[str, _Looked] = {}
    served: dict[Join, str | None] = {}
    for join in schedule.joins:
        last = before[join.tables]
        found = _looked(load, join, since, last, schedule.cadence)
        if found is not None and (ready := _ready(found, join, at, schedule.cadence)):
            days |= ready
            seen |= found
            served[join.tables] = last.key if last is not None and last.serves(join.tables) else None
    if not days:
        return None
    moment = dt.datetime.fromtimestamp(max(it.at for it in seen.values()) / 1000, dt.UTC)
    chosen = [max(days)] if schedule.strategy == "latest only" else sorted(days)
    return Publication(chosen[0], moment, {name: it.head for name, it in seen.items()}, served, chosen)


def _looked(
    load: Callable[[str], Table], join: ScheduledTrigger, since: dt.datetime, last: Look | None, cadence: Cadence
) -> dict[str, _Looked] | None:
    """Return the tables of a trigger; None where one has no rows yet."""
    found: dict[str, _Looked] = {}
    for name in join.tables:
        before = None if last is None else last.seen.get(name)
        looked = _look(load(name), join.timezone, since, before, cadence)
        if looked is None:
            return None
        found[name] = looked
    return found


def _ready(found: Mapping[str, _Looked], join: ScheduledTrigger, at: dt.datetime, cadence: Cadence) -> set[dt.date]:
    """Return the days that changed in one of the tables, and that all of them have; of a week or month its first."""
    local = at.astimezone(dt.UTC if cadence is Cadence.HOURLY else zoneinfo.ZoneInfo(join.timezone))
    last = cadence.last_before(local.replace(tzinfo=None))
    days = {day for it in found.values() for day in ([last] if it.changed is None else it.changed)}
    return {day.date for day in days if day.date <= at.date() and all(it.has(day) for it in found.values())}


def _look(table: Table, timezone: str, since: dt.datetime, before: int | None, cadence: Cadence) -> _Looked | None:
    from dataflow.tables.changed_days.day_values import Grain, zone_of
    from dataflow.tables.changed_days.find import changed_days
    from dataflow.tables.changed_days.history import BEGINNING
    from dataflow.tables.high_water_mark import from_properties

    current = table.current_snapshot()
    if current is None:
        return None
    start = (_snapshot_at(table, since) or BEGINNING) if before is None else before
    zone = zone_of(timezone)
    water = from_properties(table.properties)
    try:
        found = changed_days(table, start, grain=Grain(cadence, zone=zone))
        changed: Collection[Period] | None = None if found.lost is not None else found.days.keys()
    except DataflowError:  # nobody can tell which column is the day: any new snapshot is a new day
        changed = set() if start == current.snapshot_id else None
    ahead = {it for it in water.ahead if it.cadence is cadence}
    return _Looked(table, current.snapshot_id, current.timestamp_ms, changed, water.complete(cadence), ahead, zone)


def _snapshot_at(table: Table, moment: dt.datetime) -> int | None:
    """Return the snapshot that was current at a moment; None before the first."""
    found = table.snapshot_as_of_timestamp(int(moment.timestamp() * 1000))
    return None if found is None else found.snapshot_id
