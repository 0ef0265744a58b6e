"""The `dataflow` fixture on Sail: the same verbs, with tables that are held in memory, and no JVM.

What Sail can't do is left to Spark: `LeftToSpark` ends the test, whatever the test catches, and Spark runs it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dataflow.errors import DefinitionError, Problem, UsageError
from dataflow.sail.insert import Statement, insert_of, statements, view_of
from dataflow.sail.judgement import SparkDecides
from dataflow.sail.server import SailError
from dataflow.sail.session import SailSession
from dataflow.sail.target import Target, arrow_type, columns_of
from dataflow.testing.fixture import Dataflow
from dataflow.workflow import table_names
from dataflow.workflow.parameters import resolve_secrets, substitute
from dataflow.workflow.yamlfile import is_file, read_text, unreadable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from dataflow.mocks import Mock
    from dataflow.sail.server import Sail
    from dataflow.tables.schema.spark_types import SqlType
    from dataflow.testing.assertions import RowAssertion


class LeftToSpark(BaseException):
    """Sail can't run a test, for the reason given: no exception that a test may expect, as Spark runs it next."""


def _left(what: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what Sail does not know, or fails at, into `LeftToSpark`."""

    @functools.wraps(what)
    def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            return what(*args, **kwargs)
        except SparkDecides as reason:
            raise LeftToSpark(str(reason)) from None
        except SailError as error:
            raise LeftToSpark(error.message) from None

    return run


class SailDataflow(Dataflow):
    """One test's tables on Sail."""

    def __init__(self, sail: Sail, folder: Path, check: Callable[[SparkSession], RowAssertion]) -> None:
        session = SailSession(sail, refused=LeftToSpark, is_trusting=True)
        super().__init__(cast("SparkSession", session), folder, check(cast("SparkSession", session)))
        self._session = session
        self._targets: dict[tuple[str, ...], Target] = {}

    def freeze(self, *, now: str | dt.date | None = None, seed: int | None = None) -> None:
        """Leave a frozen clock to Spark, whose plans it is frozen in."""
        if now is not None or seed is not None:
            raise LeftToSpark("a frozen clock, or seed, is Spark's alone")

    @_left
    def given(self, mock: Mock) -> str:
        """Show a mock's rows under a name that no other test has, and return the name."""
        name = f"given_{self._namespace}_{len(self._views)}"
        self._views.append(name)
        self._session.hold(name, arrow_rows(mock))
        return name

    @_left
    def given_as(self, table: str, mock: Mock | None, ddl: str | Path | None = None) -> str:
        """Create a table under its own name."""
        if ddl is not None:
            self.run_script(ddl, TARGET_TABLE=table)
        elif mock is not None:
            target = Target(table, columns_of([(it.name, str(it.type), True) for it in mock.columns]))
            self._targets[_key(table)] = target
            self._session.hold(table, arrow_rows(mock))
        if ddl is not None and mock is not None:
            self.insert(table, mock)
        return table

    @_left
    def table(self, ddl_path: str | Path, **params: object) -> str:
        """Create an empty table by production's DDL."""
        number = f"_{len(self._tables) + 1}" if self._tables else ""
        name = f"table_{self._namespace}{number}"
        self._tables.append(name)
        self.run_script(ddl_path, **{"TARGET_TABLE": name, **params})
        return name

    @_left
    def insert(self, table: str, mock: Mock) -> None:
        """Append a mock's rows to a table, column by column of the same name; what a mock leaves out is null."""
        import pyarrow as pa

        target, rows = self._target(table), arrow_rows(mock)
        missing = [it for it in target.columns if it.name.lower() not in {name.lower() for name in rows.schema.names}]
        for column in missing:
            rows = rows.append_column(column.name, pa.nulls(rows.num_rows, arrow_type(column.type)))
        from dataflow.sail.insert import Insert

        self._bring(
            table,
            target,
            target.brought(Insert((), overwrites=False, query="", by_name=True), rows, {}),
            overwrites=False,
        )

    @_left
    def run_script(self, path: str | Path, **params: object) -> None:
        """Run a .sql script statement by statement, and one in Python by PySpark's own client of Sail."""
        from dataflow.testing.fixture import _filled

        script = self._folder / path
        if script.suffix != ".sql":
            from dataflow.testing.sail_python import run_python, take_writes_over

            self._session.name_views()
            values = _filled(script, params)
            run_python(self._session.sail, script, values, lambda client: take_writes_over(client, self._write))
            return
        text = substitute(read_text(script), _filled(script, params), where=script)
        for statement in statements(text):
            self._run(statement)

    @_left
    def rows_of(
        self, path: str | Path, cte: str, *, given: Mapping[str, str | DataFrame] | None = None, **params: object
    ) -> DataFrame:
        """Return the rows of one CTE of a SQL script."""
        from dataflow.testing.ctes import find_cte, query_of
        from dataflow.testing.fixture import _filled

        script = self._folder / path
        if script.suffix != ".sql" or not is_file(script):
            wrong = "only a .sql script has CTEs" if is_file(script) else unreadable(script)
            raise DefinitionError([Problem(script, 1, 1, wrong)])
        tables = {name: it if isinstance(it, str) else self._view(name, it) for name, it in (given or {}).items()}
        source, values = read_text(script), _filled(script, params)
        found = find_cte(source, cte, script)
        for statement in statements(substitute(source[: found.statement], values, where=script)):
            if view := view_of(statement.text):
                self._session.hold(view[0], self._session.sql(resolve_secrets(view[1])).toArrow())
        query = substitute(query_of(source, found, tables, script), values, where=script)
        return cast("DataFrame", self._session.sql(resolve_secrets(query).rstrip().removesuffix(";")))

    def close(self) -> None:
        """Forget the tables: they end with the session."""

    def _run(self, statement: Statement) -> None:
        text = resolve_secrets(statement.text)
        if insert := insert_of(text):
            table = table_names.joined(insert.table)
            target = self._target(table)
            values = {name.lower(): self._static(target, name, value) for name, value in insert.static.items()}
            brought = target.brought(insert, self._session.sql(insert.query).toArrow(), values)
            self._bring(table, target, brought, overwrites=insert.overwrites)
        elif view := view_of(text):
            self._session.hold(view[0], self._session.sql(view[1]).toArrow())
        elif statement.words[0] in ("SELECT", "WITH", "FROM", "VALUES"):
            self._session.sql(text)
        elif statement.words[:2] == ("CREATE", "TABLE"):
            self._create(text)
        else:
            raise SparkDecides(f"{' '.join(statement.words[:2])} is Spark's alone")

    def _write(self, table: str, relation: Any, mode: str, condition: Any) -> None:
        """Bring the rows of a plan into a table, as a program in Python writes them: by the names of columns."""
        from dataflow.sail.insert import Insert
        from dataflow.sail.rows import spark_table

        target, there = self._target(table), self._session.held(table)
        rows = spark_table(self._session.sail.rows_of(relation))
        brought = target.brought(Insert((), overwrites=True, query="", by_name=True), rows, {})
        if mode == "overwrite" and there is not None:
            kept = spark_table(self._session.sail.rows_of(condition(table))) if there.num_rows else there
            self._session.hold(table, target.after(kept.cast(target.schema), brought, overwrites=False))
        else:
            self._bring(table, target, brought, overwrites=mode == "overwrite_partitions")
        self._session.name_views()

    def _create(self, text: str) -> None:
        from sqlglot.errors import SqlglotError

        from dataflow.tables.schema.ddl import create_tables

        try:
            found = list(create_tables(text))
        except SqlglotError as error:
            raise SparkDecides("a CREATE TABLE is Spark's alone to read") from error
        if len(found) != 1 or found[0].is_query or not found[0].columns:
            raise SparkDecides("such a CREATE TABLE is Spark's alone")
        (created,) = found
        columns = columns_of([(it.name, it.full_type, it.nullable) for it in created.columns])
        target = Target(created.table, columns, created.partition)
        if self._targets.setdefault(_key(created.table), target) != target:
            raise SparkDecides(f"{created.table} is there already, and the DDL changes it")
        if self._session.held(created.table) is None:
            self._session.hold(created.table, target.schema.empty_table())

    def _target(self, table: str) -> Target:
        found = self._targets.get(_key(table))
        if found is None:
            raise SparkDecides(f"{table} is not a table that the test has made")
        return found

    def _static(self, target: Target, name: str, value: str) -> pa.ChunkedArray:
        type_ = next((it.type for it in target.columns if it.name.lower() == name.lower()), None)
        if type_ is None:
            raise SparkDecides(f"{target.name} has no column {name}")
        return self._session.sql(f"SELECT CAST({value} AS {type_}) AS v").toArrow().column("v")

    def _bring(self, table: str, target: Target, brought: pa.Table, *, overwrites: bool) -> None:
        there = self._session.held(table)
        rows = brought if there is None else target.after(there, brought, overwrites=overwrites)
        self._session.hold(table, rows)


def arrow_rows(mock: Mock) -> pa.Table:
    """Return a mock's rows as Arrow, each column in its declared type.

    Raises:
        SparkDecides: A type was not compared.
    """
    import pyarrow as pa

    names = [it.name for it in mock.columns]
    columns = []
    for i, column in enumerate(mock.columns):
        type_ = arrow_type(column.type)
        try:
            columns.append(pa.array([_value(row[i], column.type) for row in mock.rows], type_))
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            raise SparkDecides(f"column {column.name} of a mock has a value that Arrow has not") from error
    return pa.Table.from_arrays(columns, names=names)


def _value(value: Any, type_: SqlType) -> Any:
    """Return a mock's value as Arrow takes it: maps as pairs, moments in UTC."""
    match value:
        case None:
            return None
        case dt.datetime() if type_.name == "timestamp":
            return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
        case dict() if type_.name == "map":
            return [(_value(k, type_.parts[0]), _value(v, type_.parts[1])) for k, v in value.items()]
        case dict():
            return {name: _value(value[name], inner) for name, inner in type_.fields}
        case list():
            return [_value(item, type_.parts[0]) for item in value]
        case _:
            return value


def _key(table: str) -> tuple[str, ...]:
    return tuple(it.lower() for it in table_names.split(table))


@contextlib.contextmanager
def sail_of(address: str | None) -> Iterator[Sail]:
    """Start a server for a test run, or use the one of a watcher.

    Raises:
        UsageError: Sail is not installed here, or does not start.
    """
    from dataflow.sail.server import Sail, why_missing

    if reason := why_missing():
        raise UsageError(reason, "run the tests with --engine spark")
    with Sail(threads=1, address=address) as sail:
        yield sail
