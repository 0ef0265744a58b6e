"""`--update-mocks`: expected mock files rewritten by what the scripts made, for somebody to review."""

from __future__ import annotations

import datetime as dt
import difflib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, display_path

if TYPE_CHECKING:
    from dataflow.mocks import Mock, MockColumn
    from dataflow.tables.schema.spark_types import SqlType
    from dataflow.testing.row_diff import RowSet
    from dataflow.testing.row_matching import Tolerance


_DONE = "→ "
SECTION = "expected mocks"
"""What the part of pytest's output is called that shows what was rewritten."""


def refusal() -> str:
    """Return why nothing may be rewritten here; empty where it may."""
    if os.environ.get("CI", "").lower() in {"", "0", "false"}:
        return ""
    return "--update-mocks rewrites files for you to review: not in CI (the variable CI is set)"


def section(output: Sequence[str]) -> list[str]:
    """Return the part of what pytest printed that shows what was rewritten."""
    heads = [i for i, line in enumerate(output) if line.strip("= ") == SECTION]
    found = list(output[heads[-1] + 1 :]) if heads else []
    end = next((i for i, line in enumerate(found) if line.startswith(_DONE)), len(found))
    return found[: end + 1]


class Snapshots:
    """What one test run has rewritten."""

    def __init__(self) -> None:
        self._files: dict[Path, tuple[str, str]] = {}

    def create(self, file: Path, actual: RowSet, keys: Sequence[str]) -> None:
        """Write an expected mock file that is not there yet."""
        from dataflow.mocks import Mock
        from dataflow.mocks.write import render_mock

        columns = _columns(actual)
        rows = tuple(_row(row, columns) for row in sorted(actual.rows, key=str))
        self._save(file, "", render_mock(Mock(file, None, columns, rows, tuple(keys))))

    def rewrite(self, mock: Mock, actual: RowSet, keys: Sequence[str], tolerance: Tolerance) -> str:
        """Rewrite an expected mock file, its comments and the order of its rows kept.

        Returns:
            Why the test fails: another test of this run has other rows for the same file; else empty.
        """
        import dataclasses

        from dataflow.mocks.rewrite import rewritten_mock
        from dataflow.testing.row_diff import mock_rows, ordered_as, updated

        file = mock.file.resolve()
        if file in self._files:
            return f"{display_path(file)} was rewritten by another test of this run, which has other rows for it"
        expected = mock_rows(mock, file.name)
        _columns(actual)  # two of one name have no order
        actual = ordered_as(actual, expected.columns)
        columns = _columns(actual)
        rows = tuple(_row(row, columns) for row in updated(actual, expected, keys, tolerance))
        before = file.read_text("utf-8")
        try:
            self._save(file, before, rewritten_mock(file, dataclasses.replace(mock, columns=columns, rows=rows)))
        except ValueError as error:
            raise DataflowError(f"{display_path(file)} can't hold what the script made: {error}") from None
        return ""

    def __len__(self) -> int:
        return len(self._files)

    def done(self) -> str:
        """Return a line with the result."""
        changed = len(self)
        return (
            f"{_DONE}{changed} rewritten: review the diff before you commit it"
            if changed
            else f"{_DONE}all as they were"
        )

    def diff(self) -> Iterator[str]:
        """Yield what was changed, as a unified diff."""
        for file, (before, after) in self._files.items():
            name = display_path(file)
            lines = before.splitlines(), after.splitlines()
            yield from difflib.unified_diff(*lines, "/dev/null" if not before else name, name, lineterm="")

    def _save(self, file: Path, before: str, after: str) -> None:
        from dataflow.mocks.write import save_text

        save_text(file, after)
        self._files[file.resolve()] = before, after


def _columns(actual: RowSet) -> tuple[MockColumn, ...]:
    counts = Counter(name.lower() for name in actual.columns)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise DataflowError(f"{actual.title} has {counts[twice[0]]} columns called {twice[0]}, which a mock can't hold")
    return tuple(_column(name, type_) for name, type_ in zip(actual.columns, actual.types, strict=True))


def _column(name: str, type_: str) -> MockColumn:
    from dataflow.mocks import MockColumn
    from dataflow.tables.schema.spark_types import parse_type

    try:
        return MockColumn(name, parse_type(type_))
    except ValueError as error:
        raise DataflowError(f"a mock can't hold column {name}: {error}") from None


def _row(row: Sequence[Any], columns: Sequence[MockColumn]) -> tuple[Any, ...]:
    return tuple(_value(value, column.type) for value, column in zip(row, columns, strict=True))


def _value(value: Any, type_: SqlType) -> Any:
    """Turn a value that was collected to be compared into a mock's: a timestamp is a moment again."""
    match value:
        case dt.datetime() if type_.name == "timestamp":
            return value.replace(tzinfo=dt.UTC)
        case list():
            return [_value(item, type_.parts[0]) for item in value]
        case dict() if type_.name == "map":
            return {_value(k, type_.parts[0]): _value(v, type_.parts[1]) for k, v in value.items()}
        case dict():
            return {name: _value(value[name], inner) for name, inner in type_.fields}
        case _:
            return value
