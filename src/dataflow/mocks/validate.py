"""Checking mocks: the file itself, repeated rows, and differences from the table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dataflow.errors import DefinitionError, Problem, UsageError, did_you_mean, display_path
from dataflow.mocks.arrow import SourceColumn
from dataflow.mocks.load import read_mock
from dataflow.mocks.model import Mock, Row, identity
from dataflow.mocks.rewrite import rewritten_mock
from dataflow.mocks.write import save_text
from dataflow.workflow.discovery import is_special
from dataflow.workflow.yamlfile import YamlFile, read_yaml, unreadable

Lookup = Callable[[str], tuple[SourceColumn, ...] | str]
"""Returns a table's columns, or why they can't be read."""


@dataclass(frozen=True)
class MockCheck:
    """The check of a mock file.

    Attributes:
        file: The file.
        table: The table that it stands for.
        problems: What is wrong, each at its place.
        compared: Whether it was compared with the table.
        notice: Why it was not compared.
        missing: Columns of the table that it lacks and that may be null: `--fix` adds them.
        mock: The mock, where the file could be read.
    """

    file: Path
    table: str | None = None
    problems: tuple[Problem, ...] = ()
    compared: bool = False
    notice: str = ""
    missing: tuple[SourceColumn, ...] = ()
    mock: Mock | None = None


def find_mocks(paths: Sequence[Path]) -> list[Path]:
    """Return mock files: those named, and in folders all that look like one.

    Raises:
        UsageError: A file is not there, or a folder has none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(unreadable(path))
        if not path.is_dir():
            found[path] = None
            continue
        inside = [file for file in sorted(path.rglob("*.yaml")) if not is_special(file) and _looks_like_a_mock(file)]
        if not inside:
            raise UsageError(
                f"{display_path(path)} contains no mock", "a mock is a .yaml file with 'columns' and 'rows'"
            )
        found.update(dict.fromkeys(inside))
    return list(found)


def _looks_like_a_mock(file: Path) -> bool:
    """Say whether a file among others is meant as a mock: those in a folder `mocks` are, even with mistakes."""
    if any(part.startswith(".") for part in file.parts) or file.name.endswith((".sch.yaml", ".test.yaml")):
        return False
    if file.parent.name == "mocks":
        return True
    try:
        return {"columns", "rows"} <= read_yaml(file).data.keys()
    except DefinitionError:
        return False


def check_mocks(
    paths: Sequence[Path], lookup: Lookup | None, *, fix: bool = False
) -> tuple[list[MockCheck], list[Path]]:
    """Check mock files and those in folders; return what was found, and the files to which columns were added.

    Args:
        paths: Files and folders.
        lookup: Gives the columns of a table; None to leave tables alone.
        fix: Whether to add columns that a table has, its mock lacks, and that may be null.

    Raises:
        UsageError: A file is not there, or a folder has none.
    """
    columns = None if lookup is None else cache(lookup)
    checked = [check_mock(file, columns) for file in find_mocks(paths)]
    fixed = [each.file for each in checked if fix and _fix(each)]
    return [check_mock(each.file, columns) if each.file in fixed else each for each in checked], fixed


def _fix(checked: MockCheck) -> bool:
    text = text_with_missing_columns(checked)
    if text is not None:
        save_text(checked.file, text)
    return text is not None


def check_mock(file: Path, lookup: Lookup | None) -> MockCheck:
    """Check a mock file.

    Args:
        file: The file.
        lookup: Gives the columns of its table; None to leave the table alone.
    """
    try:
        words = read_yaml(file)
        mock = read_mock(words)
    except DefinitionError as error:
        return MockCheck(file, problems=error.problems)
    problems = [*_repeated_rows(words, mock), *_repeated_keys(words, mock)]
    checked = MockCheck(file, mock.table, tuple(problems), mock=mock)
    if lookup is None:
        return checked
    if mock.table is None:
        return dataclasses.replace(checked, notice="the mock names no table to compare it with")
    columns = lookup(mock.table)
    if isinstance(columns, str):
        return dataclasses.replace(checked, notice=columns)
    drift = list(_drift(words, mock, columns))
    return dataclasses.replace(
        checked, problems=(*problems, *drift), compared=True, missing=tuple(_addable(mock, columns))
    )


def text_with_missing_columns(checked: MockCheck) -> str | None:
    """Return a mock's text with the table's missing nullable columns, null in each row; None when none is missing.

    Each one stands where the table has it: behind the column that is before it there.
    """
    if checked.mock is None or not checked.missing:
        return None
    columns, rows = list(checked.mock.columns), [list(row) for row in checked.mock.rows]
    for added in checked.missing:
        at = _place(added, [column.name.lower() for column in columns])
        columns.insert(at, added.column)
        for row in rows:
            row.insert(at, None)
    new = dataclasses.replace(checked.mock, columns=tuple(columns), rows=tuple(map(tuple, rows)))
    return rewritten_mock(checked.file, new)


def _place(added: SourceColumn, names: Sequence[str]) -> int:
    before = [name.lower() for name in added.before]
    return next((names.index(name) + 1 for name in reversed(before) if name in names), 0)


def _repeated_rows(words: YamlFile, mock: Mock) -> Iterator[Problem]:
    if mock.duplicates:
        return
    for i, first in _repeated(mock.rows):
        line = words.value_place(("rows", first)).line
        place = words.value_place(("rows", i))
        yield place.problem(f"this row repeats line {line}; 'duplicates: true' allows that")


def _repeated_keys(words: YamlFile, mock: Mock) -> Iterator[Problem]:
    places = [i for i, column in enumerate(mock.columns) if column.name in mock.key]
    if not places:
        return
    keys = [tuple(row[i] for i in places) for row in mock.rows]
    same_rows = {} if mock.duplicates else dict(_repeated(mock.rows))
    for i, first in _repeated(keys):
        if i not in same_rows:
            line = words.value_place(("rows", first)).line
            message = f"the key ({', '.join(mock.key)}) of this row repeats that of line {line}"
            yield words.value_place(("rows", i)).problem(message)


def _repeated(rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """Yield each row that was there before, with the number of the first."""
    seen: dict[str, int] = {}
    for i, row in enumerate(rows):
        first = seen.setdefault(identity(row), i)
        if first != i:
            yield i, first


def _drift(words: YamlFile, mock: Mock, columns: Sequence[SourceColumn]) -> Iterator[Problem]:
    """Yield what differs between a mock's columns and its table's; names are compared as Spark does."""
    actual = {column.name.lower(): column for column in columns}
    declared = {column.name.lower(): column for column in mock.columns}
    new = [column for name, column in actual.items() if name not in declared]
    for name, column in declared.items():
        found = actual.get(name)
        if found is None:
            message = f"{mock.table} has no column '{column.name}' any more"
            nearest = did_you_mean(column.name, [each.name for each in new]) if new else ""
            yield words.key_place(("columns", column.name)).problem(f"{message}{nearest}")
        elif found.column.type != column.type:
            message = f"'{column.name}' is {column.type} here and {found.column.type} in {mock.table}"
            yield words.value_place(("columns", column.name)).problem(message)
    if mock.partial:
        return
    for added in new:
        what = f"'{added.name}' {added.column.type}"
        rest = "; --fix adds it" if added.nullable else ", which can't be null: give it a value in each row"
        yield words.key_place(("columns",)).problem(f"{mock.table} has a column {what} that this mock lacks{rest}")


def _addable(mock: Mock, columns: Sequence[SourceColumn]) -> Iterator[SourceColumn]:
    declared = {column.name.lower() for column in mock.columns}
    if not mock.partial:
        for i, column in enumerate(columns):
            if column.name.lower() not in declared and column.nullable:
                yield dataclasses.replace(column, before=tuple(each.name for each in columns[:i]))
