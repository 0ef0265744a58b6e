"""Claims: of all that look, one runs what is due; another takes it over when that one is dead.

Who claims counts as alive as a run does, by a heartbeat (`dataflow.state.leases`): on this machine a dead process loses
its claims at once, elsewhere when it was silent for too long, and stayed so while it was watched. All claims of a
workflow wait for each other, so that no more of them are at work than its definition allows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from dataflow.deploy.backends.looks import looks, newest_look
from dataflow.errors import DataflowError
from dataflow.process import is_alive
from dataflow.state.database import UtcDateTime, metadata
from dataflow.state.lease_tables import live
from dataflow.state.leases import LONGEST_SILENCE, Leases, Watch, is_gone
from dataflow.state.utc import now

if TYPE_CHECKING:
    from dataflow.deploy.backends.looks import Publication
    from dataflow.state.database import StateDatabase

moments = sa.Table(
    "dataflow_schedule",
    metadata,
    sa.Column("environment", sa.String(200), primary_key=True),
    sa.Column("workflow_id", sa.String(300), primary_key=True),
    sa.Column("moment", sa.String(30), primary_key=True),
    sa.Column("claimed", UtcDateTime, nullable=False),
    sa.Column("host", sa.String(200), nullable=False),
    sa.Column("process", sa.Integer, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("live", sa.String(100)),
)
"""What was claimed: a moment in UTC, or behind a `+` what tables published; `waiting` comes after what it came with."""

_turns = sa.Table(
    "dataflow_schedule_turns",
    metadata,
    sa.Column("environment", sa.String(200), primary_key=True),
    sa.Column("workflow_id", sa.String(300), primary_key=True),
    sa.Column("claims", sa.BigInteger, nullable=False),
)
"""A row for each workflow, which a transaction that claims something of it locks."""

_POLL = 0.5
_LONGEST_UNKNOWN = dt.timedelta(days=1)
_OPEN = ("running", "waiting")

Claimed = Literal["claimed", "taken", "full"]
"""Whether a claim succeeded; `taken` where another has it, `full` where as many are at work as may be."""


@dataclass(frozen=True)
class ClaimRequest:
    """What is to be claimed.

    Attributes:
        key: The moment, or the publication.
        at_once: How many runs of the workflow may be at work.
        publication: What tables published, where that is served by it.
    """

    key: str
    at_once: int
    publication: Publication | None = None


@dataclass(frozen=True)
class ClaimsAtOnce:
    """What is claimed in an environment, of all its workflows by two looks: with a thousand of them each look counts.

    Attributes:
        at_work: The workflows that something may be at work on.
        over: The newest moment of each workflow that is over.
    """

    at_work: frozenset[str]
    over: Mapping[str, str]

    @classmethod
    def of(cls, database: StateDatabase, environment: str) -> ClaimsAtOnce:
        """Look."""
        own, workflow = moments.c.environment == environment, moments.c.workflow_id
        running = sa.select(workflow).where(own, moments.c.status == "running").distinct()
        scheduled = sa.not_(moments.c.moment.startswith("+"))
        newest = sa.select(workflow, sa.func.max(moments.c.moment).label("moment"))
        newest = newest.where(own, moments.c.status != "running", scheduled).group_by(workflow)
        rows = database.rows(newest)
        at_work = frozenset(row["workflow_id"] for row in database.rows(running))
        return cls(at_work, {row["workflow_id"]: row["moment"] for row in rows})


def new_live_id() -> str:
    """Return what a process is called while it works on a claim."""
    return f"due_{now():%Y%m%dt%H%M%S}_{secrets.token_hex(4)}"


class Claims:
    """The claims of one workflow in an environment."""

    def __init__(self, database: StateDatabase, environment: str, workflow: str) -> None:
        self._database = database
        self._leases = Leases(database)
        self._own = {"environment": environment, "workflow_id": workflow}
        self._mine = _matching(moments, self._own)

    def rows(self, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest claims of moments, then those of publications."""
        query = sa.select(moments).where(*self._mine).order_by(moments.c.moment.desc()).limit(limit)
        return self._database.rows(query)

    def statuses(self, since: str) -> dict[str, str]:
        """Return the status of the claims of moments that are not before one."""
        query = sa.select(moments.c.moment, moments.c.status).where(*self._mine, moments.c.moment >= since)
        return {row["moment"]: row["status"] for row in self._database.rows(query)}

    def at_work(self) -> list[str]:
        """Return what is worked on; who was silent for too long is watched, and buried."""
        return [row["moment"] for row in self._of_status("running") if self._is_held(row)]

    def left(self) -> list[str]:
        """Return what was claimed and nobody works on: what was killed, and what waits for its turn."""
        held = set(self.at_work())
        return [row["moment"] for row in self._of_status(*_OPEN) if row["moment"] not in held]

    def claim(self, request: ClaimRequest, live_id: str) -> Claimed:
        """Claim what nobody holds who is alive; of all that want the same only one gets it."""
        self._make_turn()
        with self._database.begin() as connection:
            turn = _turns.update().where(*_matching(_turns, self._own))
            connection.execute(turn.values(claims=_turns.c.claims + 1))  # whoever else claims waits from here on
            rows = (
                connection.execute(sa.select(moments).where(*self._mine, self._matters(request.key))).mappings().all()
            )
            held = {row["moment"] for row in rows if row["status"] == "running" and _is_live(connection, dict(row))}
            mine = next((row for row in rows if row["moment"] == request.key), None)
            if request.key in held or (mine is not None and mine["status"] not in _OPEN):
                return "taken"
            if mine is None and request.publication is not None and not self._is_news(connection, request.publication):
                if request.key.startswith("+"):
                    return "taken"
                request = dataclasses.replace(request, publication=None)
            if len(held) >= request.at_once:
                return "full"
            self._write(connection, request, live_id, is_new=mine is None)
            return "claimed"

    def finish(self, key: str, live_id: str, status: str) -> None:
        """Record what became of a claim; what another has taken over stays with that one."""
        with self._database.begin() as connection:
            mine = (*self._mine, moments.c.moment == key, moments.c.live == live_id)
            connection.execute(moments.update().where(*mine).values(status=status))

    def _matters(self, key: str) -> sa.ColumnElement[bool]:
        return sa.or_(moments.c.status.in_(_OPEN), moments.c.moment == key)

    def _of_status(self, *statuses: str) -> list[dict[str, Any]]:
        query = sa.select(moments).where(*self._mine, moments.c.status.in_(statuses)).order_by(moments.c.moment)
        return self._database.rows(query)

    def _is_held(self, row: Mapping[str, Any]) -> bool:
        if row["live"] is None:
            return _is_held_without_heart(row)
        watch = Watch()
        while (holder := self._leases.live_run(row["live"])) is not None and holder.silence > LONGEST_SILENCE:
            if watch.is_over(holder):
                self._leases.bury(holder)
            else:
                time.sleep(_POLL)
        return holder is not None

    def _make_turn(self) -> None:
        if not self._database.rows(sa.select(_turns.c.claims).where(*_matching(_turns, self._own))):
            try:
                self._database.insert(_turns, {**self._own, "claims": 0})
            except DataflowError as error:
                if not isinstance(error.__cause__, sa.exc.IntegrityError):  # another has just made it
                    raise

    def _is_news(self, connection: sa.Connection, publication: Publication) -> bool:
        """Say whether nobody has claimed anything by the same tables since they were looked at."""
        return all(
            newest_look(connection, self._own, tables) == before for tables, before in publication.before.items()
        )

    def _write(self, connection: sa.Connection, request: ClaimRequest, live_id: str, *, is_new: bool) -> None:
        values = {"claimed": now(), "host": socket.gethostname(), "process": os.getpid(), "live": live_id}
        if not is_new:
            mine = (*self._mine, moments.c.moment == request.key)
            connection.execute(moments.update().where(*mine).values(**values, status="running"))
            return
        connection.execute(moments.insert(), {**self._own, **values, "moment": request.key, "status": "running"})
        if (seen := request.publication) is not None:
            keys = {request.key: seen.day} | {key: day for key, day in seen.keys.items() if day != seen.day}
            waiting = [
                {**self._own, **values, "moment": key, "status": "waiting"} for key in keys if key != request.key
            ]
            if waiting:
                connection.execute(moments.insert(), waiting)
            looked = {"claimed": values["claimed"], "seen": dict(seen.seen), "joins": [list(it) for it in seen.before]}
            rows = [{**self._own, **looked, "moment": key, "day": day.isoformat()} for key, day in keys.items()]
            connection.execute(looks.insert(), rows)


def _matching(table: sa.Table, own: Mapping[str, str]) -> Sequence[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in own.items()]


def _is_live(connection: sa.Connection, row: Mapping[str, Any]) -> bool:
    if row["live"] is None:
        return _is_held_without_heart(row)
    found = connection.execute(sa.select(live).where(live.c.run_id == row["live"])).mappings().one_or_none()
    return found is not None and not is_gone(dict(found))


def _is_held_without_heart(row: Mapping[str, Any]) -> bool:
    """Say whether the process of a claim of an earlier version may still run; one elsewhere does for a day."""
    if row["host"] != socket.gethostname():
        return bool(now() - row["claimed"] < _LONGEST_UNKNOWN)
    with contextlib.suppress(OverflowError):
        return is_alive(row["process"], row["claimed"])
    return False
