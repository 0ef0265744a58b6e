"""Leases: which run may work on what, so that a dead process holds nothing and a lost one publishes nothing.

A live run has one row, whose heartbeat counts up by the database's clock. What it holds is held while that row is
there. Who waits for something stands in a line, in which only the first who is alive may take it. Whoever wants the
same finds out whether the holder is dead: on the same machine from its process at once, elsewhere when its heartbeat is
old and stays so while it is watched (a machine that slept wakes with an old heartbeat, and beats again). Taking away is
one statement that names what was seen, so it fails where the holder moved meanwhile.
What publishes holds the rows of its lease locked until it is done (`fenced`): nobody takes it away then, and what is
lost raises.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from dataflow.errors import DataflowError
from dataflow.process import ALIVE, birth, machine
from dataflow.state.database import StateDatabase, clock
from dataflow.state.lease_tables import cancellations, leases, live, waiting
from dataflow.state.run_records import runs

BEAT = 2.0
"""Seconds between two heartbeats."""

LONGEST_SILENCE = 30.0
"""Seconds without a heartbeat after which a run elsewhere may be dead."""


class LeaseLost(DataflowError):
    """Another run has taken the place of this one: it must not publish."""

    permanent = True


@dataclass(frozen=True)
class Holder:
    """The run that holds what another one wants.

    Attributes:
        run_id: The run.
        root_id: The outermost run that it is part of.
        user: Whose it is.
        host: The machine that it runs on.
        since: When it took it.
        silence: Seconds since its last heartbeat.
        beats: How many heartbeats there were.
    """

    run_id: str
    root_id: str
    user: str
    host: str
    since: dt.datetime
    silence: float
    beats: int

    @property
    def told(self) -> str:
        """Who it is, in words: `run 20260131t… of alice since 10:02`."""
        at = self.since.astimezone()
        day = "" if at.date() == dt.datetime.now().astimezone().date() else f"{at:%Y-%m-%d} "
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"run {self.run_id} of {self.user}{where} since {day}{at:%H:%M}"


@dataclass(frozen=True)
class Heartbeat:
    """What a run hears when its heart beats.

    Attributes:
        is_alive: Whether it still counts as alive; False once another run has taken it for dead.
        held: What it holds still.
        cancelled: The runs in it that were asked to stop, with the reason.
    """

    is_alive: bool
    held: frozenset[tuple[str, str]]
    cancelled: Mapping[str, str]


@dataclass
class Watch:
    """Watches a holder, to tell one that is dead from one whose machine slept.

    Attributes:
        patience: Seconds for which it is watched.
    """

    patience: float = field(default_factory=lambda: 3 * BEAT)
    _seen: tuple[str, int] | None = None
    _at: float = 0.0

    def is_over(self, holder: Holder) -> bool:
        """Say whether a holder has been silent for so long that it is dead."""
        if (seen := (holder.root_id, holder.beats)) != self._seen:
            self._seen, self._at = seen, time.monotonic()
        return holder.silence > LONGEST_SILENCE and time.monotonic() - self._at > self.patience


class Leases:
    """The live runs in a state database, and what they hold."""

    def __init__(self, database: StateDatabase) -> None:
        self._database = database

    def enter(self, root_id: str, user: str) -> None:
        """Count a run as alive from now on, and clear away what dead ones of this machine left."""
        self._tidy()
        with self._database.begin() as connection:
            here = {
                "host": socket.gethostname(),
                "machine": machine(),
                "process": os.getpid(),
                "birth": birth(os.getpid()),
            }
            row = {"run_id": root_id, "user": user, **here, "beat": clock(connection), "beats": 0}
            connection.execute(live.insert(), row)

    def leave(self, root_id: str) -> None:
        """Count a run as ended: it holds nothing any more."""
        with self._database.begin() as connection:
            connection.execute(live.delete().where(live.c.run_id == root_id))
            connection.execute(leases.delete().where(leases.c.root_id == root_id))
            connection.execute(waiting.delete().where(waiting.c.root_id == root_id))
            connection.execute(cancellations.delete().where(_of(cancellations.c.run_id, root_id)))

    def beat(self, root_id: str) -> Heartbeat:
        """Say that a run is alive, and hear what became of it."""
        with self._database.begin() as connection:
            alive = _beat(connection, root_id)
            mine = sa.select(leases.c.environment, leases.c.work).where(leases.c.root_id == root_id)
            held = frozenset((row.environment, row.work) for row in connection.execute(mine))
            asked = sa.select(cancellations).where(_of(cancellations.c.run_id, root_id))
            reasons = {row.run_id: row.reason for row in connection.execute(asked)}
        return Heartbeat(alive, held if alive else frozenset(), reasons)

    def take(
        self, key: tuple[str, str], root_id: str, run_id: str, *, queue: str | None = None, waits: bool = False
    ) -> Holder | None:
        """Take what nobody holds who is alive, and nobody waits for who came before.

        Args:
            key: Environment and work.
            root_id: The live run that takes it.
            run_id: The run in it that works on it.
            queue: Where who wants it waits, where several works have one queue; the work when omitted.
            waits: Whether it waits from now on, if it is not taken: whoever comes later gets it later.

        Returns:
            None when it is taken; else who holds it, or is before.
        """
        line = Line((key[0], queue or key[1]), root_id, run_id)
        while True:
            try:
                with self._database.begin() as connection:
                    if waits:
                        line.join(connection)
                    found = self._holder(connection, key)
                    holder, is_dead = found if found is not None else (None, False)
                    if holder is not None and not is_dead:
                        return holder
                    if (before := line.before(connection)) is not None:
                        return before
                    if holder is None:
                        row = {"environment": key[0], "work": key[1], "root_id": root_id, "run_id": run_id}
                        connection.execute(leases.insert(), {**row, "since": clock(connection)})
                        line.leave(connection)
                        return None
            except DataflowError as error:
                if not isinstance(error.__cause__, sa.exc.IntegrityError):  # another was faster
                    raise
                continue
            self.bury(holder)
            if self.take_over(key, holder, root_id, run_id):
                self.stop_waiting(*line.queue, run_id)
                return None

    def stop_waiting(self, environment: str, queue: str, run_id: str) -> None:
        """Let whoever came later go on without a run that waits no more."""
        with self._database.begin() as connection:
            Line((environment, queue), "", run_id).leave(connection)

    def take_over(self, key: tuple[str, str], holder: Holder, root_id: str, run_id: str) -> bool:
        """Take away what a run was seen to hold; False where it does not hold it any more."""
        environment, work = key
        with self._database.begin() as connection:
            same = (leases.c.environment == environment, leases.c.work == work, leases.c.root_id == holder.root_id)
            seen = leases.c.run_id == holder.run_id
            values = {"root_id": root_id, "run_id": run_id, "since": clock(connection)}
            return connection.execute(leases.update().where(*same, seen).values(**values)).rowcount == 1

    def bury(self, holder: Holder) -> bool:
        """Count a silent run as dead, with all that it holds; False where its heart beat meanwhile."""
        with self._database.begin() as connection:
            seen = (live.c.run_id == holder.root_id, live.c.beats == holder.beats)
            if connection.execute(live.delete().where(*seen)).rowcount == 0:
                return False
            inside = (_of(runs.c.run_id, holder.root_id), runs.c.status.in_(("running", "waiting")))
            connection.execute(runs.update().where(*inside).values(status="killed", ended=clock(connection)))
            return True

    def release(self, key: tuple[str, str], root_id: str) -> None:
        """Give back what a run holds; what was taken from it stays with whoever took it."""
        with self._database.begin() as connection:
            mine = (leases.c.environment == key[0], leases.c.work == key[1], leases.c.root_id == root_id)
            connection.execute(leases.delete().where(*mine))

    @contextlib.contextmanager
    def fenced(self, root_id: str, keys: Sequence[tuple[str, str]]) -> Iterator[None]:
        """Hold what a run holds, so that nobody can take it away, for as long as a block publishes.

        Raises:
            LeaseLost: Another run has taken it, so the block must not run.
        """
        with self._database.begin() as connection:
            held = _beat(connection, root_id)
            for environment, work in sorted(keys):
                mine = (leases.c.environment == environment, leases.c.work == work, leases.c.root_id == root_id)
                held &= connection.execute(leases.update().where(*mine).values(root_id=root_id)).rowcount == 1
            if not held:
                raise LeaseLost("another run has taken the place of this one: nothing more is published")
            yield

    def is_there(self, root_id: str) -> bool:
        """Say whether a run has a heartbeat, so that it hears what it is asked."""
        return bool(self._database.rows(sa.select(live.c.run_id).where(live.c.run_id == root_id)))

    def live_run(self, root_id: str) -> Holder | None:
        """Return what counts as alive; None where it does not, or where its process on this machine is gone."""
        with self._database.begin() as connection:
            row = connection.execute(sa.select(live).where(live.c.run_id == root_id)).mappings().one_or_none()
            if row is None or is_gone(dict(row)):
                return None
            silence = (clock(connection) - row["beat"]).total_seconds()
        return Holder(root_id, root_id, row["user"] or "somebody", row["host"], row["beat"], silence, row["beats"])

    def ask_to_stop(self, run_id: str, reason: str) -> None:
        """Ask a run, or one that is part of it, to stop; its next heartbeat hears it."""
        try:
            with self._database.begin() as connection:
                connection.execute(
                    cancellations.insert(), {"run_id": run_id, "reason": reason, "asked": clock(connection)}
                )
        except DataflowError as error:
            if not isinstance(error.__cause__, sa.exc.IntegrityError):  # it was asked before
                raise

    def _tidy(self) -> None:
        for row in self._database.rows(sa.select(live)):
            if is_gone(row):
                self.bury(Holder(row["run_id"], row["run_id"], "", row["host"], row["beat"], 0.0, row["beats"]))
        with self._database.begin() as connection:
            alive = sa.select(live.c.run_id)
            for table in (leases, waiting):
                connection.execute(table.delete().where(table.c.root_id.not_in(alive)))

    def _holder(self, connection: sa.Connection, key: tuple[str, str]) -> tuple[Holder, bool] | None:
        """Return who holds something, and whether that run is known to be dead."""
        mine = (leases.c.environment == key[0], leases.c.work == key[1])
        row = connection.execute(_with_life(leases).where(*mine)).mappings().one_or_none()
        if row is None:
            return None
        if row["host"] is None:  # it has ended without giving it back
            return Holder(row["run_id"], row["root_id"], "", "", row["since"], 0.0, 0), True
        return _as_holder(row, clock(connection)), is_gone(dict(row))


@dataclass(frozen=True)
class Line:
    """Who waits for something, in the order in which they came; and the place of one run in it."""

    queue: tuple[str, str]
    root_id: str
    run_id: str

    def before(self, connection: sa.Connection) -> Holder | None:
        """Return the first who came before and is alive; parts of the same run do not wait for each other."""
        here = (waiting.c.environment == self.queue[0], waiting.c.queue == self.queue[1])
        rows = connection.execute(_with_life(waiting).where(*here).order_by(waiting.c.number)).mappings().all()
        for row in rows:
            if row["run_id"] == self.run_id:
                return None
            if row["root_id"] != self.root_id and row["host"] is not None and not is_gone(dict(row)):
                return _as_holder(row, clock(connection))
        return None

    def join(self, connection: sa.Connection) -> None:
        """Wait from now on, behind those who do already."""
        if connection.execute(waiting.update().where(*self._mine).values(root_id=self.root_id)).rowcount == 0:
            place = {"environment": self.queue[0], "queue": self.queue[1]}
            own = {"root_id": self.root_id, "run_id": self.run_id, "since": clock(connection)}
            connection.execute(waiting.insert(), {**place, **own})

    def leave(self, connection: sa.Connection) -> None:
        """Wait no more."""
        connection.execute(waiting.delete().where(*self._mine))

    @property
    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        here = (waiting.c.environment == self.queue[0], waiting.c.queue == self.queue[1])
        return (*here, waiting.c.run_id == self.run_id)


def _with_life(table: sa.Table) -> sa.Select[Any]:
    """Return the query of what runs hold, or wait for, each with its live run."""
    columns = [table.c[it] for it in ("root_id", "run_id", "since")]
    columns += [live.c[it] for it in ("user", "host", "machine", "process", "birth", "beat", "beats")]
    return sa.select(*columns).select_from(table.outerjoin(live, live.c.run_id == table.c.root_id))


def _as_holder(row: Mapping[Any, Any], moment: dt.datetime) -> Holder:
    silence = (moment - row["beat"]).total_seconds()
    user = row["user"] or "somebody"
    return Holder(row["run_id"], row["root_id"], user, row["host"], row["since"], silence, row["beats"])


def is_gone(row: Mapping[str, Any]) -> bool:
    """Say whether the process of a live run on this machine is not there any more; one elsewhere is not known."""
    return row["machine"] == machine() and birth(row["process"]) not in {row["birth"], ALIVE}


def _of(column: sa.Column[Any], root_id: str) -> sa.ColumnElement[bool]:
    """Return the condition for a run and all that it contains."""
    return (column == root_id) | column.startswith(f"{root_id}_", autoescape=True)


def _beat(connection: sa.Connection, root_id: str) -> bool:
    values = {"beat": clock(connection), "beats": live.c.beats + 1}
    return connection.execute(live.update().where(live.c.run_id == root_id).values(**values)).rowcount == 1
