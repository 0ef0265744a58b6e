"""Lineage at the state address, asked for as much of it as a question needs.

It is read through the database's own driver: importing SQLAlchemy takes longer than answering.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from dataflow.errors import DataflowError
from dataflow.home import home
from dataflow.migration.graph import Taken
from dataflow.workflow.flow import Origin, Producer

_AT_ONCE = 400
"""How many tables one query asks for; beyond it, reading all is quicker than asking for each."""

_FLOW = "f.shape, f.source, f.source_column, f.target_column, f.indirect"
_PRODUCER = "p.shape, p.origin, p.workflow, p.target, p.owner, p.environment, p.bundle, p.run_id, p.file, p.seen"

Found = list[tuple[Producer, Iterable[Taken]]]


class Store:
    """What was recorded, deployed and imported.

    Args:
        address: SQLAlchemy address of the environment's state; None for SQLite in the Dataflow home.

    Raises:
        DataflowError: It can't be opened.
    """

    def __init__(self, address: str | None) -> None:
        self._ask = _Database(address)
        self._all: dict[tuple[bool, bool], dict[str, Found]] = {}

    def flows(self, tables: Collection[str], *, downstream: bool, columns: bool) -> Found:
        """Return what is taken from tables, or goes into them, by whom; see `graph.Source`."""
        key = (downstream, columns)
        if len(tables) > _AT_ONCE and key not in self._all:
            self._all[key] = self._read_all(downstream=downstream, columns=columns)
        if key in self._all:
            known = self._all[key]
            return [found for table in tables for found in known.get(table, ())]
        return self._read_some(sorted(tables), downstream=downstream, columns=columns)

    def producers(self, targets: Sequence[str]) -> list[Producer]:
        """Return who writes these tables."""
        where = f"p.target IN ({_places(targets)})"
        return [_producer(row)[1] for row in self._ask(_from_producers(where), targets)]

    def of_workflows(self, workflows: Sequence[str]) -> list[Producer]:
        """Return what these workflows write, by whoever says so."""
        return [
            _producer(row)[1]
            for some in _chunks(workflows)
            for row in self._ask(_from_producers(f"p.workflow IN ({_places(some)})"), some)
        ]

    def tables(self) -> set[str]:
        """Return all tables that anything is known of."""
        return {
            *(row[0] for row in self._ask("SELECT DISTINCT source FROM dataflow_flows")),
            *(row[0] for row in self._ask("SELECT DISTINCT target FROM dataflow_producers")),
        }

    def knows(self, table: str) -> bool:
        """Say whether anything is known of a table."""
        read = self._ask("SELECT 1 FROM dataflow_flows WHERE source = ? LIMIT 1", [table])
        return bool(read or self._ask("SELECT 1 FROM dataflow_producers WHERE target = ? LIMIT 1", [table]))

    def columns(self, table: str) -> set[str]:
        """Return the columns of a table that anything is known of."""
        read = self._ask("SELECT DISTINCT source_column FROM dataflow_flows WHERE source = ?", [table])
        join = "dataflow_flows f JOIN dataflow_producers p ON p.shape = f.shape"
        written = self._ask(f"SELECT DISTINCT f.target_column FROM {join} WHERE p.target = ?", [table])
        return {row[0] for row in [*read, *written]} - {""}

    def _read_some(self, tables: Sequence[str], *, downstream: bool, columns: bool) -> Found:
        if downstream:
            taken = self._by_shape(f"f.source IN ({_places(tables)})", tables, columns=columns)
            shapes = list(taken)
            rows = [
                row
                for some in _chunks(shapes)
                for row in self._ask(_from_producers(f"p.shape IN ({_places(some)})"), some)
            ]
        else:
            rows = self._ask(_from_producers(f"p.target IN ({_places(tables)})"), tables)
            taken = {}
            for some in _chunks(sorted({row[0] for row in rows})):
                taken |= self._by_shape(f"f.shape IN ({_places(some)})", some, columns=columns)
        by = map(_producer, rows)
        return [(producer, taken[shape]) for shape, producer in by if shape in taken]

    def _read_all(self, *, downstream: bool, columns: bool) -> dict[str, Found]:
        found: dict[str, Found] = defaultdict(list)
        taken = self._by_shape("1 = 1", [], columns=columns)
        for shape, producer in map(_producer, self._ask(_from_producers("1 = 1"))):
            mine = taken.get(shape, ())
            if not downstream:
                found[producer.target].append((producer, mine))
            elif not columns:
                for flow in mine:
                    found[flow[0]].append((producer, (flow,)))
            else:
                by_source: dict[str, list[Taken]] = defaultdict(list)
                for flow in mine:
                    by_source[flow[0]].append(flow)
                for source, some in by_source.items():
                    found[source].append((producer, some))
        return found

    def _by_shape(self, where: str, values: Sequence[str], *, columns: bool) -> dict[str, list[Taken]]:
        only = "" if columns else " AND f.source_column = ''"
        found: dict[str, list[Taken]] = defaultdict(list)
        for shape, *flow in self._ask(f"SELECT {_FLOW} FROM dataflow_flows f WHERE {where}{only}", values):
            found[shape].append(tuple(flow))
        return found


class _Database:
    """A state address, asked by its own driver."""

    def __init__(self, address: str | None) -> None:
        self._address = address or f"sqlite:///{home() / 'state.db'}"
        self._connection: Any = None
        self._is_sqlite = self._address.startswith("sqlite")

    def __call__(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Return the rows of a query; none where nothing was ever recorded."""
        try:
            if self._connection is None:
                self._connection = self._open()
            if self._connection is None:
                return []
            cursor = self._connection.cursor()
            cursor.execute(query if self._is_sqlite else query.replace("?", "%s"), tuple(values))
            found: list[Any] = cursor.fetchall()
        except Exception as error:
            with contextlib.suppress(Exception):
                self._connection.rollback()
            if "no such table" in str(error) or type(error).__name__ == "UndefinedTable":
                return []
            cause = str(error).strip().partition("\n")[0]
            raise DataflowError(f"the state at {_shown(self._address)} can't be read: {cause}") from error
        return found

    def _open(self) -> Any:
        if self._is_sqlite:
            path = unquote(self._address.partition(":///")[2].partition("?")[0])
            with contextlib.suppress(sqlite3.OperationalError):  # without a file there is nothing
                return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30, check_same_thread=False)
            return None
        import psycopg

        parts = urlsplit(self._address)
        return psycopg.connect(urlunsplit(parts._replace(scheme="postgresql")))


def _from_producers(where: str) -> str:
    return f"SELECT {_PRODUCER} FROM dataflow_producers p WHERE {where}"


def _places(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(values), _AT_ONCE):
        yield values[at : at + _AT_ONCE]


def _producer(row: Any) -> tuple[str, Producer]:
    shape, origin, workflow, target, owner, environment, bundle, run_id, file, seen = row
    moment = dt.datetime.fromisoformat(seen) if isinstance(seen, str) else seen
    if moment.tzinfo is None:  # SQLite forgets the zone
        moment = moment.replace(tzinfo=dt.UTC)
    return shape, Producer(_ORIGINS[origin], workflow, target, owner, environment, bundle, run_id, file, moment)


_ORIGINS = {origin.value: origin for origin in Origin}


def _shown(address: str) -> str:
    from dataflow.engine.config import without_password

    return without_password(address)
