"""Checking mocks: twice the same row, a key that is none, and a table that has moved on."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflow.errors import UsageError
from dataflow.mocks import MockColumn, load_mock
from dataflow.mocks.arrow import SourceColumn
from dataflow.mocks.validate import MockCheck, check_mock, find_mocks, text_with_missing_columns
from dataflow.tables.schema.spark_types import parse_type

MOCK = """\
table: shop.orders
key: [id]
columns:
  # Ours.
  id: int
  name: string  # as printed
rows:
  # [id, name]
  - [1, "a"]
  - [2, "b"]  # the second
"""


def column(name: str, type_: str, *, nullable: bool = True) -> SourceColumn:
    return SourceColumn(MockColumn(name, parse_type(type_)), nullable)


def checked(folder: Path, text: str, *columns: SourceColumn) -> MockCheck:
    file = folder / "mock.yaml"
    file.write_text(text)
    return check_mock(file, (lambda _: columns) if columns else None)


def said(found: MockCheck) -> list[str]:
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in found.problems]


def test_a_mock_that_agrees_with_its_table_is_valid(tmp_path: Path) -> None:
    found = checked(tmp_path, MOCK, column("ID", "int"), column("name", "string"))

    assert (found.problems, found.compared, text_with_missing_columns(found)) == ((), True, None)


def test_rows_that_stand_twice_are_told_unless_they_are_meant(tmp_path: Path) -> None:
    twice = MOCK + '  - [1, "a"]\n  - [2, "c"]\n'

    assert said(checked(tmp_path, twice)) == [
        "11:5: this row repeats line 9; 'duplicates: true' allows that",
        "12:5: the key (id) of this row repeats that of line 10",
    ]
    meant = twice.replace("key: [id]\n", "duplicates: true\n")
    assert said(checked(tmp_path, meant)) == []


def test_added_removed_and_retyped_columns_are_told_with_their_places(tmp_path: Path) -> None:
    found = checked(tmp_path, MOCK, column("id", "bigint"), column("names", "string", nullable=False))

    assert sorted(said(found)) == [
        "3:1: shop.orders has a column 'names' string that this mock lacks, which can't be null: "
        "give it a value in each row",
        "5:7: 'id' is int here and bigint in shop.orders",
        "6:3: shop.orders has no column 'name' any more; did you mean 'names'?",
    ]


def test_a_partial_mock_may_lack_columns(tmp_path: Path) -> None:
    wider = (column("id", "int"), column("name", "string"), column("paid", "boolean"))

    assert said(checked(tmp_path, f"partial: true\n{MOCK}", *wider)) == []
    assert len(said(checked(tmp_path, MOCK, *wider))) == 1


def test_missing_nullable_columns_are_added_where_the_table_has_them_and_comments_stay(tmp_path: Path) -> None:
    wider = (column("id", "int"), column("paid", "decimal(4,2)"), column("name", "string"), column("at", "timestamp"))
    found = checked(tmp_path, MOCK, *wider)

    text = text_with_missing_columns(found)

    assert text == MOCK.replace("  id: int\n", "  id: int\n  paid: decimal(4,2)\n").replace(
        "as printed\n", "as printed\n  at: timestamp\n"
    ).replace("[id, name]", "[id, paid, name, at]").replace('[1, "a"]', '[1, null, "a", null]').replace(
        '[2, "b"]', '[2, null, "b", null]'
    )
    assert said(checked(tmp_path, text, *wider)) == []
    assert load_mock(tmp_path / "mock.yaml").rows == ((1, None, "a", None), (2, None, "b", None))


def test_what_can_not_be_compared_says_why(tmp_path: Path) -> None:
    file = tmp_path / "mock.yaml"
    file.write_text(MOCK)

    found = check_mock(file, lambda name: f"there is no table '{name}'")

    assert (found.problems, found.compared, found.notice) == ((), False, "there is no table 'shop.orders'")
    nameless = checked(tmp_path, MOCK.partition("\n")[2], column("id", "int"))
    assert nameless.notice == "the mock names no table to compare it with"


def test_a_key_that_is_no_column_is_a_mistake(tmp_path: Path) -> None:
    assert said(checked(tmp_path, MOCK.replace("[id]", "[nam]"))) == [
        "2:7: there is no column 'nam'; did you mean 'name'?"
    ]
    assert said(checked(tmp_path, f"partial: maybe\n{MOCK}")) == ["1:10: 'partial' is true or false"]


def test_a_folder_stands_for_its_mocks_those_with_mistakes_included(tmp_path: Path) -> None:
    for name in ("mocks/a.yaml", "mocks/deep.test.yaml", "other/b.yaml", "other/c.yaml", "main.sch.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("columns: {a: int}\nrows: []\n" if name.endswith("b.yaml") else "a: 1\n")

    found = find_mocks([tmp_path])

    assert [file.relative_to(tmp_path).as_posix() for file in found] == ["mocks/a.yaml", "other/b.yaml"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="contains no mock"):
        find_mocks([tmp_path / "empty"])
