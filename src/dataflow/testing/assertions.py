"""Asserting the rows of a table, for tests in Python and in YAML."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.testing.row_matching import Tolerance

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dataflow.testing.diff_report import DiffStyle
    from dataflow.testing.row_diff import RowSet
    from dataflow.testing.snapshots import Snapshots


@dataclass(frozen=True)
class CompareOptions:
    """How two tables are compared.

    Attributes:
        key: Columns that identify a row.
        tolerance: By how much two floating point values may differ.
        columns: The only columns to compare; None for all.
        title: The table's name in a message; its own name when empty.
    """

    key: tuple[str, ...] = ()
    tolerance: Tolerance = field(default_factory=Tolerance)
    columns: Sequence[str] | None = None
    title: str = ""


class RowAssertion:
    """Compares tables of a session with expected rows.

    Args:
        spark: The session.
        snapshots: What rewrites expected mocks that differ, or None.
        style: How differences are shown.
        note: Receives the rows of each table that is compared.
    """

    def __init__(
        self,
        spark: SparkSession,
        snapshots: Snapshots | None = None,
        style: DiffStyle | None = None,
        note: Callable[[RowSet], None] | None = None,
    ) -> None:
        self._spark = spark
        self._note = note
        self._snapshots = snapshots
        self._style = style

    def rows(self, table: str | DataFrame, wanted: RowSet, options: CompareOptions) -> str:
        """Return how a table differs from expected rows; empty when it does not."""
        from dataflow.testing.row_diff import difference

        return difference(self._found(table, options), wanted, options.key, options.tolerance, self._style)

    def mock(self, table: str | DataFrame, file: Path, options: CompareOptions) -> str:
        """Return how a table differs from a mock file; with `--update-mocks` the file is rewritten instead."""
        from dataflow.mocks import load_mock
        from dataflow.testing.row_diff import difference, mock_rows

        if self._snapshots is not None and not file.exists():
            self._snapshots.create(file, self._found(table, options), options.key)
            return ""
        mock = load_mock(file)
        if options.columns is None and mock.partial:
            options = dataclasses.replace(options, columns=[column.name for column in mock.columns])
        key, found = options.key or mock.key, self._found(table, options)
        message = difference(found, mock_rows(mock, file.name), key, options.tolerance, self._style)
        if message and self._snapshots is not None:
            return self._snapshots.rewrite(mock, found, key, options.tolerance)
        return message

    def _found(self, table: str | DataFrame, options: CompareOptions) -> RowSet:
        from dataflow.testing.row_diff import table_rows

        found = table_rows(self._spark, table, options.columns, options.title)
        if self._note is not None:
            self._note(found)
        return found
