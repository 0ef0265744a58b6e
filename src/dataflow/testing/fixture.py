"""What a test does with the `dataflow` fixture: mock what a script reads, run it, compare what it wrote."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError
from dataflow.tables.iceberg import create_namespace, exists, quoted
from dataflow.testing.frozen_clock import FrozenClock
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dataflow.mocks import Mock
    from dataflow.testing.assertions import RowAssertion


class Dataflow:
    """One test's own corner of the catalog. Files are named from the test's folder.

    Attributes:
        spark: The session of the test run.
        check: What compares tables.
    """

    def __init__(self, spark: SparkSession, folder: Path, check: RowAssertion | None = None) -> None:
        from dataflow.testing.assertions import RowAssertion

        self.spark = spark
        self.check = check or RowAssertion(spark)
        self._folder = folder
        self._namespace = f"test_{uuid.uuid4().hex[:8]}"
        self._views: list[str] = []
        self._tables: list[str] = []
        self._named: list[str] = []
        self._frozen = FrozenClock(spark)

    def freeze(self, *, now: str | dt.date | None = None, seed: int | None = None) -> None:
        """Freeze the clock, and seed random functions, in Spark until the test ends.

        `current_date()`, `now()` and their like are the moment; `rand()`, `uuid()`, `shuffle()` and their like begin
        with the seed where the script gives them none. Python's `random` is seeded too; Python's own clock goes on,
        and so does `DATE 'today'`, which Spark's parser turns into a day by itself: write `current_date`.

        Args:
            now: A moment such as "2026-01-31 12:30:00", in UTC where no zone is named; a date is its midnight.
            seed: A whole number.

        Raises:
            UsageError: One of them is invalid.
        """
        from dataflow.testing.frozen_clock import moment_of

        __tracebackhide__ = True
        try:
            moment = moment_of(str(now)) if now is not None else None
        except ValueError as error:
            raise UsageError(f"now: {error}") from None
        self._frozen.freeze(moment, seed)

    def mock(self, path: str | Path, *, table: str | None = None) -> str:
        """Load a mock file as a table that scripts can read.

        Args:
            path: The mock file.
            table: The table's own name, for a script that does not get it as a parameter.

        Returns:
            The table's name, to be passed to the script as its `SOURCE_TABLE` or the like.
        """
        from dataflow.mocks import load_mock

        __tracebackhide__ = True
        mock = load_mock(self._folder / path)
        return self.given(mock) if table is None else self.given_as(table, mock)

    def given(self, mock: Mock) -> str:
        """Show a mock's rows under a name that no other test has, and return the name."""
        from dataflow.mocks import to_values_sql

        name = f"{_word(mock.name)}_{self._namespace}_{len(self._views)}"
        # One partition needs no shuffles, and a frame's view is not parsed anew by each query: a quarter of a test.
        self.spark.sql(to_values_sql(mock)).coalesce(1).createTempView(name)
        self._views.append(name)
        return name

    def given_as(self, table: str, mock: Mock | None, ddl: str | Path | None = None) -> str:
        """Create a table under its own name, which no other test can have as long as this one runs.

        Args:
            table: Its name.
            mock: Its rows.
            ddl: What creates it; when omitted it has the mock's columns.

        Returns:
            The name.

        Raises:
            DataflowError: There is a table of that name.
        """
        from dataflow.mocks import to_values_sql

        __tracebackhide__ = True
        if exists(self.spark, table):
            raise DataflowError(f"there is a table {table} already, which is not this test's")
        if namespace := table_names.split(table)[:-1]:
            create_namespace(self.spark, table_names.joined(namespace))
        self._named.append(table)
        if ddl is not None:
            self.run_script(ddl, TARGET_TABLE=table)
        elif mock is not None:
            self.spark.sql(f"CREATE TABLE {quoted(table)} USING iceberg AS {to_values_sql(mock)}")
        if ddl is not None and mock is not None:
            self.insert(table, mock)
        return table

    def table(self, ddl_path: str | Path, **params: object) -> str:
        """Create an empty table by production's DDL, which is given the name as its `TARGET_TABLE`.

        Returns:
            The table's name.
        """
        __tracebackhide__ = True
        if not self._tables:
            self.spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {self._namespace}")
        number = f"_{len(self._tables) + 1}" if self._tables else ""
        name = f"{self._namespace}.{_word(Path(ddl_path).stem)}{number}"
        self._tables.append(name)
        self.run_script(ddl_path, **{"TARGET_TABLE": name, **params})
        return name

    def insert(self, table: str, mock: Mock) -> None:
        """Append a mock's rows to a table, column by column of the same name; what a mock leaves out is null."""
        from dataflow.mocks import to_values_sql

        __tracebackhide__ = True
        self.spark.sql(f"INSERT INTO {quoted(table)} BY NAME {to_values_sql(mock)}")

    def run_script(self, path: str | Path, **params: object) -> None:
        """Run a .sql or .py script as production does.

        Args:
            path: The script.
            params: Its parameters by name; dates and numbers are passed on as text. One that is not given has the
                constant that the package's definition has for it.

        Raises:
            DataflowError: The script failed; the message names its file and line and the cause.
        """
        from dataflow.jobs.spark.script import run_script

        __tracebackhide__ = True
        script = self._folder / path
        try:
            run_script(self.spark, script, _filled(script, params))
        except DataflowError as error:
            # The message says it all for SQL; for Python the user's own frames are kept, for a debugger.
            cause = error.__cause__ if script.suffix == ".py" else None
            if cause is not None:
                cause.__traceback__ = _from_file(cause.__traceback__, script)
            raise _with_hint(error) from cause

    def rows_of(
        self, path: str | Path, cte: str, *, given: Mapping[str, str | DataFrame] | None = None, **params: object
    ) -> DataFrame:
        """Return the rows of one CTE of a SQL script, without running what the script writes.

        Args:
            path: The script.
            cte: The CTE's name, or a path such as `outer.inner`.
            given: Tables, or DataFrames, that stand in for CTEs before it, by the CTEs' names.
            params: The script's parameters by name, as for `run_script`; only those that are needed.

        Raises:
            DataflowError: There is no such CTE, or its query failed; the message names the script's line.
        """
        from dataflow.testing.cte_rows import cte_rows

        __tracebackhide__ = True
        script = self._folder / path
        tables = {name: it if isinstance(it, str) else self._view(name, it) for name, it in (given or {}).items()}
        try:
            return cte_rows(self.spark, script, cte, tables, _filled(script, params))
        except DataflowError as error:
            raise _with_hint(error) from None

    def assert_rows(
        self,
        table: str | DataFrame,
        expected: str | Path | Sequence[Mapping[str, object]],
        *,
        key: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        rtol: float = 1e-9,
        atol: float = 0.0,
    ) -> None:
        """Assert that a table has exactly the expected rows, in any order.

        With `pytest --update-mocks` a mock file that differs is rewritten instead, and shown as a diff at the end.

        Args:
            table: A table's name, or a DataFrame.
            expected: A mock file, whose column types must agree too, or rows as mappings by column.
            key: Columns that identify a row, by which rows that differ are shown side by side; the mock's own `key`
                when omitted.
            columns: The only columns to compare; all when omitted, or those of a mock that says it is `partial`.
            rtol: By how much two floating point values may differ, relatively to the greater one; below 1.
            atol: By how much they may differ absolutely: what lets 1.0e-17 pass for 0.0. One of the two is enough.

        Raises:
            UsageError: A tolerance is none, or an expected row names a column twice.
            AssertionError: Rows are missing, unexpected or differ; the message shows which, and where.
        """
        from dataflow.testing.assertions import CompareOptions
        from dataflow.testing.row_diff import expected_rows
        from dataflow.testing.row_matching import Tolerance

        __tracebackhide__ = True
        try:
            tolerance = Tolerance(rtol, atol)
        except ValueError as error:
            raise UsageError(str(error)) from None
        options = CompareOptions((key,) if isinstance(key, str) else tuple(key or ()), tolerance, columns)
        if isinstance(expected, str | Path):
            message = self.check.mock(table, self._folder / expected, options)
        else:
            message = self.check.rows(table, expected_rows(expected), options)
        if message:
            raise AssertionError(message)

    def close(self) -> None:
        """Drop the mocks, and tables whose names others may want; the rest goes with the test run's warehouse."""
        self._frozen.thaw()
        for view in self._views:
            self.spark.catalog.dropTempView(view)
        for table in self._named:
            self.spark.sql(f"DROP TABLE IF EXISTS {quoted(table)}")

    def _view(self, name: str, frame: DataFrame) -> str:
        view = f"{_word(name)}_{self._namespace}_{len(self._views)}"
        frame.createTempView(view)
        self._views.append(view)
        return view


def _filled(script: Path, params: Mapping[str, object]) -> dict[str, str]:
    """Return a script's parameters as text: those given, and what the definition says of the others."""
    from dataflow.testing.data_tests.parameter_defaults import defaults

    return {**defaults(script), **{name: str(value) for name, value in params.items()}}


def _with_hint(error: DataflowError) -> DataflowError:
    """Let pytest show an error as one message, what to do about it below."""
    if error.hint:
        error.add_note(error.hint)
    return error.with_traceback(None)


def _word(name: str) -> str:
    """Turn a file's or table's name into one that needs no quotes, as a script will not quote it."""
    from dataflow.workflow.identity import slug

    return slug(name)


def _from_file(frames: TracebackType | None, file: Path) -> TracebackType | None:
    """Drop what stands above a file's own frames in a traceback."""
    first = frames
    while first is not None and Path(first.tb_frame.f_code.co_filename).resolve() != file.resolve():
        first = first.tb_next
    return first or frames
