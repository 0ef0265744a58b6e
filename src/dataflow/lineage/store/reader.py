"""Reads lineage from the state database, as much of it as a query needs.

It uses the driver of the database directly: importing SQLAlchemy takes longer than the query.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from dataflow.errors import DataflowError, first_line
from dataflow.home import home
from dataflow.lineage.graph import ColumnEdge
from dataflow.lineage.model import UNKNOWN_COLUMNS, Origin, Producer
from dataflow.secret import learn_address, without_credentials
from dataflow.state.utc import as_utc
from dataflow.system_errors import LOCK_TIMEOUT, hint_for
from dataflow.workflow.parameters import resolve_secrets

_BATCH_SIZE = 400
"""The most tables that one query selects; for more, reading all rows is faster."""

_SEPARATOR = "\x1f"  # the unit separator of ASCII, which names can't contain
_PRODUCER = "p.shape, p.origin, p.workflow, p.target, p.owner, p.environment, p.bundle, p.run_id, p.file, p.seen"


@dataclass(frozen=True)
class TargetColumns:
    """Columns of a target, in lower case, that a write uses although no values of tables flow into them.

    Attributes:
        constant_columns: Those assigned literals or counts.
        required_columns: Those that audits or the primary key need.
    """

    constant_columns: frozenset[str] = frozenset()
    required_columns: frozenset[str] = frozenset()


NO_COLUMNS = TargetColumns()

ProducerKey = tuple[Origin, str, str]
"""The origin, workflow and environment of a producer, which identify it among the producers of a table."""

ProducerEdges = list[tuple[Producer, Iterable[ColumnEdge]]]


def producer_key(producer: Producer) -> ProducerKey:
    """Return the key of a producer."""
    return (producer.origin, producer.workflow, producer.environment or "")


class LineageStore:
    """Recorded, deployed and imported lineage.

    Args:
        address: SQLAlchemy URL of the state database; None for SQLite in the Dataflow home.

    Raises:
        DataflowError: It can't be opened.
    """

    def __init__(self, address: str | None) -> None:
        self._ask = _Database(address)
        self._all: dict[str, Any] = {}

    def readers(self, tables: Collection[str]) -> Iterable[tuple[str, Sequence[Producer]]]:
        """Return the readers of each of these tables; see `graph.LineageSource`."""
        known = self._index(tables, self._readers)
        if known is not None:
            return [(table, known[table]) for table in tables if table in known]
        asked = sorted(tables)
        by_shape = self._tables_by_shape(f"f.source IN ({_placeholders(asked)})", asked)
        found: dict[str, list[Producer]] = defaultdict(list)
        for shape, producer in self._producers_of(list(by_shape)):
            for table in by_shape[shape]:
                found[table].append(producer)
        return found.items()

    def writers(self, tables: Collection[str]) -> Iterable[tuple[Producer, Sequence[str]]]:
        """Return the writers of these tables, each with the tables that it reads; see `graph.LineageSource`."""
        known = self._index(tables, self._writers)
        if known is not None:
            return [found for table in tables for found in known.get(table, ())]
        asked = sorted(tables)
        by = [_producer(row) for row in self._ask(_from_producers(f"p.target IN ({_placeholders(asked)})"), asked)]
        shapes = sorted({shape for shape, _ in by})
        by_shape: dict[str, list[str]] = {}
        for some in _batches(shapes):
            by_shape |= self._tables_by_shape(f"f.shape IN ({_placeholders(some)})", some)
        return [(producer, by_shape.get(shape, ())) for shape, producer in by]

    def flows(self, tables: Collection[str], *, downstream: bool) -> Iterable[tuple[Producer, Iterable[ColumnEdge]]]:
        """Return the column edges from or into these tables, by producer; see `graph.LineageSource`."""
        known = self._index(tables, self._edges_by_source if downstream else self._edges_by_target)
        if known is not None:
            return [found for table in tables for found in known.get(table, ())]
        asked = sorted(tables)
        if downstream:
            taken = self._by_shape(f"f.source IN ({_placeholders(asked)})", asked)
            return [(producer, taken[shape]) for shape, producer in self._producers_of(list(taken))]
        by = [_producer(row) for row in self._ask(_from_producers(f"p.target IN ({_placeholders(asked)})"), asked)]
        taken = {}
        for some in _batches(sorted({shape for shape, _ in by})):
            taken |= self._by_shape(f"f.shape IN ({_placeholders(some)})", some)
        return [(producer, taken.get(shape, ())) for shape, producer in by]

    def target_columns(self, table: str) -> dict[ProducerKey, TargetColumns]:
        """Return the constant and required columns of a table by writer; look up by `producer_key`."""
        asked = "SELECT origin, workflow, environment, constants, needed FROM dataflow_lineage WHERE target = ?"
        return {
            (_ORIGINS[origin], workflow, environment): TargetColumns(*map(_lines, texts))
            for origin, workflow, environment, *texts in self._ask(asked, [table])
        }

    def of_workflows(self, workflows: Sequence[str]) -> list[Producer]:
        """Return the writes of these workflows, of all origins."""
        return [
            _producer(row)[1]
            for some in _batches(workflows)
            for row in self._ask(_from_producers(f"p.workflow IN ({_placeholders(some)})"), some)
        ]

    def synced_revisions(self, registry: str) -> dict[str, int]:
        """Return the revision up to which the lineage of each environment of a registry is stored."""
        mine = "SELECT environment, number FROM dataflow_settled WHERE registry = ? AND whole"
        return dict(self._ask(mine, [registry]))

    def tables(self) -> set[str]:
        """Return all tables with lineage."""
        return {
            *(row[0] for row in self._ask("SELECT DISTINCT source FROM dataflow_flows")),
            *(row[0] for row in self._ask("SELECT DISTINCT target FROM dataflow_lineage WHERE target <> ''")),
        }

    def knows(self, table: str) -> bool:
        """Return whether a table has lineage."""
        read = self._ask("SELECT 1 FROM dataflow_flows WHERE source = ? LIMIT 1", [table])
        return bool(read or self._ask("SELECT 1 FROM dataflow_lineage WHERE target = ? LIMIT 1", [table]))

    def columns(self, table: str) -> set[str]:
        """Return the columns of a table with lineage."""
        read = self._ask("SELECT DISTINCT source_column FROM dataflow_flows WHERE source = ?", [table])
        join = "dataflow_flows f JOIN dataflow_lineage p ON p.shape = f.shape"
        written = self._ask(f"SELECT DISTINCT f.target_column FROM {join} WHERE p.target = ?", [table])
        return {row[0] for row in [*read, *written]} - {"", UNKNOWN_COLUMNS}

    def _index(self, tables: Collection[str], read: Callable[[], Any]) -> Any:
        """Return an index of all lineage, built once for queries of many tables; None for few tables."""
        name = read.__name__
        if len(tables) > _BATCH_SIZE and name not in self._all:
            self._all[name] = read()
        return self._all.get(name)

    def _readers(self) -> dict[str, list[Producer]]:
        """Return the readers of each table."""
        found: dict[str, list[Producer]] = defaultdict(list)
        by_shape = self._tables_by_shape("1 = 1", [])
        for shape, producer in self._every_producer():
            for table in by_shape.get(shape, ()):
                found[table].append(producer)
        return found

    def _writers(self) -> dict[str, list[tuple[Producer, Sequence[str]]]]:
        """Return the writers of each table, with the tables they read."""
        found: dict[str, list[tuple[Producer, Sequence[str]]]] = defaultdict(list)
        by_shape = self._tables_by_shape("1 = 1", [])
        for shape, producer in self._every_producer():
            found[producer.target].append((producer, by_shape.get(shape, ())))
        return found

    def _edges_by_source(self) -> dict[str, ProducerEdges]:
        """Return the edges from each table, by producer."""
        found: dict[str, ProducerEdges] = defaultdict(list)
        shapes: dict[str, dict[str, list[ColumnEdge]]] = {}
        for shape, flows in self._by_shape("1 = 1", []).items():
            by_source = shapes.setdefault(shape, {})
            for flow in flows:
                by_source.setdefault(flow[0], []).append(flow)
        for shape, producer in self._every_producer():
            for source, some in shapes.get(shape, {}).items():
                found[source].append((producer, some))
        return found

    def _edges_by_target(self) -> dict[str, ProducerEdges]:
        """Return the edges into each table, by producer."""
        found: dict[str, ProducerEdges] = defaultdict(list)
        taken = self._by_shape("1 = 1", [])
        for shape, producer in self._every_producer():
            found[producer.target].append((producer, taken.get(shape, ())))
        return found

    def _every_producer(self) -> Iterator[tuple[str, Producer]]:
        return map(_producer, self._ask(_from_producers("1 = 1")))

    def _producers_of(self, shapes: Sequence[str]) -> Iterator[tuple[str, Producer]]:
        for some in _batches(shapes):
            yield from map(_producer, self._ask(_from_producers(f"p.shape IN ({_placeholders(some)})"), some))

    def _tables_by_shape(self, where: str, values: Sequence[str]) -> dict[str, list[str]]:
        """Return source tables by shape; the database concatenates those of a shape."""
        joined = self._ask.joined("f.source")
        only = f"{where} AND f.source_column = ''"
        rows = self._ask(f"SELECT f.shape, {joined} FROM dataflow_flows f WHERE {only} GROUP BY f.shape", values)
        return {shape: text.split("\n") for shape, text in rows}

    def _by_shape(self, where: str, values: Sequence[str]) -> dict[str, list[ColumnEdge]]:
        """Return column edges by shape; the database concatenates those of a shape."""
        how = "CASE WHEN f.indirect THEN '1' ELSE '' END"
        joined = self._ask.joined(
            f" || '{_SEPARATOR}' || ".join(("f.source", "f.source_column", "f.target_column", how))
        )
        rows = self._ask(f"SELECT f.shape, {joined} FROM dataflow_flows f WHERE {where} GROUP BY f.shape", values)
        found = {}
        for shape, text in rows:
            split = [line.split(_SEPARATOR) for line in text.split("\n")]
            found[shape] = [(source, column, into, decides == "1") for source, column, into, decides in split]
        return found


class _Database:
    """The state database, queried by its own driver."""

    def __init__(self, address: str | None) -> None:
        self._address = address or f"sqlite:///{home() / 'state.db'}"
        self._connection: Any = None
        self._resolved = learn_address(resolve_secrets(self._address))
        self._is_sqlite = self._resolved.startswith("sqlite")

    def __call__(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Return the rows of a query; none where nothing was recorded yet."""
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
            cause = first_line(error)
            shown = without_credentials(self._address)
            raise DataflowError(f"the state at {shown} can't be read: {cause}", hint_for(cause)) from error
        return found

    def joined(self, expression: str) -> str:
        """Return SQL that concatenates the values of several rows, a line each."""
        return f"group_concat({expression}, char(10))" if self._is_sqlite else f"string_agg({expression}, chr(10))"

    def _open(self) -> Any:
        if self._is_sqlite:
            path = unquote(self._resolved.partition(":///")[2].partition("?")[0])
            with contextlib.suppress(sqlite3.OperationalError):  # without a file there is nothing
                return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=LOCK_TIMEOUT, check_same_thread=False)
            return None
        import psycopg

        # What one question leaves open would stand in the way of whoever changes a table.
        return psycopg.connect(urlunsplit(urlsplit(self._resolved)._replace(scheme="postgresql")), autocommit=True)


def _from_producers(where: str) -> str:
    return f"SELECT {_PRODUCER} FROM dataflow_lineage p WHERE {where}"


def _lines(text: str | None) -> frozenset[str]:
    return frozenset(text.lower().split("\n")) if text else frozenset()


def _placeholders(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(values), _BATCH_SIZE):
        yield values[at : at + _BATCH_SIZE]


def _producer(row: Any) -> tuple[str, Producer]:
    shape, origin, workflow, target, owner, environment, bundle, run_id, file, seen = row
    moment = as_utc(dt.datetime.fromisoformat(seen) if isinstance(seen, str) else seen)
    return shape, Producer(_ORIGINS[origin], workflow, target, owner, environment or None, bundle, run_id, file, moment)


_ORIGINS = {origin.value: origin for origin in Origin}
