"""What a test does with the `dataflow` fixture: mock what a script reads, run it, compare what it wrote."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class Dataflow:
    """One test's own corner of the catalog. Files are named from the test's folder.

    Attributes:
        spark: The session of the test run.
    """

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark = spark
        self._folder = folder
        self._namespace = f"test_{uuid.uuid4().hex[:8]}"
        self._views: list[str] = []
        self._tables: list[str] = []

    def mock(self, path: str | Path) -> str:
        """Load a mock file as a table that scripts can read.

        Returns:
            The table's name, to be passed to the script as its `SOURCE_TABLE` or the like.
        """
        from dataflow.mocks import load_mock, to_values_sql

        __tracebackhide__ = True
        mock = load_mock(self._folder / path)
        name = f"{_word(mock.name)}_{self._namespace}_{len(self._views)}"
        # One partition needs no shuffles, and a frame's view is not parsed anew by each query: a quarter of a test.
        self.spark.sql(to_values_sql(mock)).coalesce(1).createTempView(name)
        self._views.append(name)
        return name

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

    def run_script(self, path: str | Path, **params: object) -> None:
        """Run a .sql or .py script as production does.

        Args:
            path: The script.
            params: Its parameters by name; dates and numbers are passed on as text.

        Raises:
            DataflowError: The script failed; the message names its file and line and the cause.
        """
        from dataflow.jobs.script import run_script

        __tracebackhide__ = True
        script = self._folder / path
        try:
            run_script(self.spark, script, {name: str(value) for name, value in params.items()})
        except DataflowError as error:
            # The message says it all for SQL; for Python the user's own frames are kept, for a debugger.
            cause = error.__cause__ if script.suffix == ".py" else None
            if cause is not None:
                cause.__traceback__ = _from_file(cause.__traceback__, script)
            if error.hint:
                error.add_note(error.hint)
            raise error.with_traceback(None) from cause

    def assert_rows(
        self,
        table: str | DataFrame,
        expected: str | Path | Sequence[Mapping[str, object]],
        *,
        key: str | Sequence[str] | None = None,
        rtol: float = 1e-9,
    ) -> None:
        """Assert that a table has exactly the expected rows, in any order.

        Args:
            table: A table's name, or a DataFrame.
            expected: A mock file, whose column types must agree too, or rows as mappings by column.
            key: Columns that identify a row; where given, rows are compared by them.
            rtol: By how much two floating point values may differ, relatively.

        Raises:
            AssertionError: Rows are missing, unexpected or differ; the message shows which, and where.
        """
        from dataflow.testing.rows import difference, expected_rows, table_rows

        __tracebackhide__ = True
        keys = [key] if isinstance(key, str) else list(key or ())
        wanted = expected_rows(self._folder / expected if isinstance(expected, str | Path) else expected)
        if message := difference(table_rows(self.spark, table), wanted, keys, rtol):
            raise AssertionError(message)

    def close(self) -> None:
        """Drop the mocks; the tables go with the test run's warehouse."""
        for view in self._views:
            self.spark.catalog.dropTempView(view)


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
