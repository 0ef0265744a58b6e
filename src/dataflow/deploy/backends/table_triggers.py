"""Workflows that publications make due: `trigger: tables:` of a deployed definition.

A day makes a workflow due once a table of its trigger changed on it and all of them have it. What was looked at is
recorded with the claim, in one transaction: the same snapshots make nobody due twice, however many call. Until a day is
there in all tables, nothing is recorded, and the next call looks again from where the last run began.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zoneinfo
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from dataflow.errors import DataflowError
from dataflow.state.database import UtcDateTime, metadata
from dataflow.workflow.periods import Cadence

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from dataflow.deploy.bundle.manifest import Schedule
    from dataflow.state.database import StateDatabase

looks = sa.Table(
    "dataflow_table_trigger",
    metadata,
    sa.Column("environment", sa.String(200), primary_key=True),
    sa.Column("workflow_id", sa.String(300), primary_key=True),
    sa.Column("moment", sa.String(30), primary_key=True),
    sa.Column("claimed", UtcDateTime, nullable=False),
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("seen", sa.JSON, nullable=False),
)


@dataclass(frozen=True)
class Publication:
    """New days of tables that make a workflow due.

    Attributes:
        day: The newest of the days.
        at: When the newest snapshot was committed.
        seen: The current snapshot of each table.
    """

    day: dt.date
    at: dt.datetime
    seen: Mapping[str, int]

    @property
    def key(self) -> str:
        """What is claimed: the same snapshots once. It sorts before all moments of schedules."""
        return f"+{hashlib.sha256(json.dumps(dict(self.seen), sort_keys=True).encode()).hexdigest()[:28]}"


@dataclass(frozen=True)
class _Looked:
    """A table of a trigger.

    Attributes:
        table: The table.
        head: Its current snapshot.
        at: When that was committed, in milliseconds since 1970.
        changed: The days that changed; None where nobody can tell.
        mark: Up to where it is complete; None where it does not say.
        ahead: Days beyond the mark that are finished.
    """

    table: Table
    head: int
    at: int
    changed: Collection[dt.date] | None
    mark: dt.date | None
    ahead: Collection[dt.date]

    def has(self, day: dt.date) -> bool:
        """Say whether the table has a day: by its mark, where it has one; else by its files."""
        from dataflow.tables.changed_days.find import holds_period

        if self.mark is not None:
            return day <= self.mark or day in self.ahead
        return self.changed is None or day in self.changed or holds_period(self.table, Cadence.DAILY.at(day))


def publication(
    catalog: Catalog, schedule: Schedule, since: dt.datetime, before: Mapping[str, int] | None, at: dt.datetime
) -> Publication | None:
    """Return what makes a workflow due; None where nothing does.

    Args:
        catalog: Where the tables are.
        schedule: The workflow's trigger.
        since: When it was deployed first: what is older makes it due no more.
        before: The snapshots that its last run by tables began with; None where there was none.
        at: This moment.

    Raises:
        DataflowError: A table is missing, or the catalog can't be reached.
    """
    yesterday = at.astimezone(zoneinfo.ZoneInfo(schedule.timezone)).date() - dt.timedelta(days=1)
    found: dict[str, _Looked] = {}
    for name in schedule.tables:
        looked = _look(catalog, name, since, None if before is None else before.get(name))
        if looked is None:  # it has no rows yet
            return None
        found[name] = looked
    days = {day for it in found.values() for day in ([yesterday] if it.changed is None else it.changed)}
    ready = [day for day in days if day <= at.date() and all(it.has(day) for it in found.values())]
    if not ready:
        return None
    moment = dt.datetime.fromtimestamp(max(it.at for it in found.values()) / 1000, dt.UTC)
    return Publication(max(ready), moment, {name: it.head for name, it in found.items()})


def last_look(database: StateDatabase, environment: str, workflow: str) -> tuple[str, dt.date, dict[str, int]] | None:
    """Return the last look that made a workflow due: what was claimed, the day, and the snapshots; None without any."""
    mine = (looks.c.environment == environment) & (looks.c.workflow_id == workflow)
    with database.begin() as connection:
        row = connection.execute(sa.select(looks).where(mine).order_by(looks.c.claimed.desc())).mappings().first()
    return None if row is None else (row["moment"], dt.date.fromisoformat(row["day"]), dict(row["seen"]))


def _look(catalog: Catalog, name: str, since: dt.datetime, before: int | None) -> _Looked | None:
    from dataflow.tables.changed_days.find import changed_days
    from dataflow.tables.high_water_mark import from_properties
    from dataflow.tables.pyiceberg_catalog import load_table

    table = load_table(catalog, name)
    current = table.current_snapshot()
    if current is None:
        return None
    start = _snapshot_at(table, since) if before is None else before
    water = from_properties(table.properties)
    try:
        found = changed_days(table, start)
        changed = None if found.lost is not None else {day.date for day in found.days}
    except DataflowError:  # nobody can tell which column is the day: any new snapshot is a new day
        changed = set() if start == current.snapshot_id else None
    ahead = {it.date for it in water.ahead if it.cadence is Cadence.DAILY}
    return _Looked(table, current.snapshot_id, current.timestamp_ms, changed, water.day, ahead)


def _snapshot_at(table: Table, moment: dt.datetime) -> int | None:
    """Return the snapshot that was current at a moment; None before the first."""
    found = table.snapshot_as_of_timestamp(int(moment.timestamp() * 1000))
    return None if found is None else found.snapshot_id
