"""What `due` saw of the tables of a trigger when they made a workflow due."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataflow.state.database import UtcDateTime, metadata

if TYPE_CHECKING:
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
    sa.Column("joins", sa.JSON),
)
"""For each claim that tables led to: a day, the tables' snapshots, and which triggers of the workflow it serves."""

Join = tuple[str, ...]
"""Tables that all must have a day."""


@dataclass(frozen=True)
class Look:
    """What was seen when tables made a workflow due.

    Attributes:
        key: What was claimed.
        day: The day that it is for.
        seen: The snapshot of each table.
        claimed: When.
        joins: The triggers that it serves, each by its tables.
    """

    key: str
    day: dt.date
    seen: Mapping[str, int]
    claimed: dt.datetime
    joins: tuple[Join, ...]

    def serves(self, join: Join) -> bool:
        """Say whether it serves the trigger of some tables."""
        return tuple(sorted(join)) in self.joins


@dataclass(frozen=True)
class Publication:
    """New days of tables that make a workflow due.

    Attributes:
        day: The day that a run is for.
        at: When the newest snapshot was committed.
        seen: The current snapshot of each table.
        before: For each trigger that it serves what was claimed by that before; None where nothing was.
        days: All the days that are to be run; only the newest of those that changed where others are passed over.
        key: What was claimed, where it was claimed before.
    """

    day: dt.date
    at: dt.datetime
    seen: Mapping[str, int]
    before: Mapping[Join, str | None]
    days: Sequence[dt.date]
    key: str | None = None

    @property
    def keys(self) -> dict[str, dt.date]:
        """What is claimed for each of its days: the same snapshots once."""
        return {self.key_of(day): day for day in self.days}

    def key_of(self, day: dt.date) -> str:
        """Return what is claimed for a day: it sorts before all moments of schedules."""
        if self.key is not None:
            return self.key
        return f"+{day}{hashlib.sha256(json.dumps(dict(self.seen), sort_keys=True).encode()).hexdigest()[:19]}"


def newest_look(connection: sa.Connection, own: Mapping[str, str], join: Join) -> str | None:
    """Return what was claimed last by a trigger's tables; None where nothing was."""
    return next((row["moment"] for row in _rows(connection, own) if sorted(join) in _joins(row)), None)


def look_before(connection: sa.Connection, own: Mapping[str, str], join: Join) -> Look | None:
    """Return what a trigger's tables led to last; of other tables than today's, that which shares some."""
    return _before(_rows(connection, own), join)


def last_look(database: StateDatabase, own: Mapping[str, str], join: Join) -> Look | None:
    """Return what `look_before` does, for who only looks."""
    return _before(database.rows(_newest(own)), join)


def _before(rows: Sequence[Mapping[str, Any]], join: Join) -> Look | None:
    found = next((row for row in rows if sorted(join) in _joins(row)), None)
    found = found or next((row for row in rows if row["seen"].keys() & set(join)), None)
    return None if found is None else _look(found)


def looks_at(connection: sa.Connection, own: Mapping[str, str], keys: Sequence[str]) -> list[Look]:
    """Return what was seen for some claims, the days in their order."""
    found = [_look(row) for row in _rows(connection, own) if row["moment"] in keys]
    return sorted(found, key=lambda it: it.day)


def _rows(connection: sa.Connection, own: Mapping[str, str]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(_newest(own)).mappings()]


def _newest(own: Mapping[str, str]) -> sa.Select[Any]:
    mine = [looks.c[name] == value for name, value in own.items()]
    return sa.select(looks).where(*mine).order_by(looks.c.claimed.desc(), looks.c.moment.desc()).limit(1000)


def _joins(row: Mapping[str, Any]) -> list[list[str]]:
    """Return the triggers that a claim serves; earlier versions had one, whose tables it names."""
    return [sorted(it) for it in (row["joins"] or [list(row["seen"])])]


def _look(row: Mapping[str, Any]) -> Look:
    joins = tuple(tuple(it) for it in _joins(row))
    return Look(row["moment"], dt.date.fromisoformat(row["day"]), dict(row["seen"]), row["claimed"], joins)
