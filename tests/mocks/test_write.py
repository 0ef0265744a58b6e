"""Writing mocks: what is written reads back as it was, and reads like what a person would have written."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yamllint import linter
from yamllint.config import YamlLintConfig

from dataflow.errors import DataflowError
from dataflow.mocks import Mock, MockColumn, load_mock
from dataflow.mocks.rewrite import rewritten_mock, round_trips
from dataflow.mocks.write import render_mock, save_text
from dataflow.mocks.yaml_text import cell_text
from dataflow.tables.schema.spark_types import parse_type
from tests.support.mock_schemas import mocks, rows
from tests.support.places import EXAMPLES

HAND_WRITTEN = """\
# Who bought what.
table: shop.orders
columns:
  # Ours, not the shop's.
  id: int  # never null
  name: string

rows:
  # Aligned as a table.
  # yamllint disable rule:commas
  # [id, name]
  - [1,   "a"]  # the first
  # Two of the same day.
  - [22,  "bb"]

  - {id: 3, name: "c"}
  - id: 4
    # inside
    name: "d"
  # the last
  - [5, "e"]
# the end
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "mock.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    return file


def column(name: str, type_: str) -> MockColumn:
    return MockColumn(name, parse_type(type_))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(mock=mocks())
def test_any_mock_reads_back_as_it_was_written(mock: Mock) -> None:
    assert round_trips(render_mock(mock, head=["a", "", "b: c"], remarks=["x # y"] * len(mock.rows)), mock)


@settings(max_examples=60, deadline=None)
@given(mock=mocks())
def test_every_reader_of_yaml_finds_texts_where_texts_are_written(mock: Mock) -> None:
    data = yaml.safe_load(render_mock(mock))

    assert list(data["columns"]) == [column.name for column in mock.columns]
    for found, row in zip(data["rows"], mock.rows, strict=True):
        cells = found if isinstance(found, list) else found.values()
        for cell, value, column_ in zip(cells, row, mock.columns, strict=True):
            if column_.type.name in {"string", "date", "timestamp", "timestamp_ntz", "binary"}:
                assert type(cell) is (type(None) if value is None else str)


def test_the_recipes_own_mocks_are_written_as_their_authors_did() -> None:
    files = sorted(EXAMPLES.glob("*/src/mocks/*.yaml"))
    assert files
    for file in files:
        assert rewritten_mock(file, load_mock(file)) == file.read_text("utf-8")


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        ("double", 1e16, "1.0e+16"),
        ("double", -0.0, "-0.0"),
        ("float", 0.10000000149011612, "0.1"),
        ("double", float("-inf"), "-.inf"),
        ("string", "NO\n\u2028", '"NO\\n\\u2028"'),
        ("map<int,string>", {1: "x"}, '{1: "x"}'),
        ("struct<no:int>", {"no": None}, '{"no": null}'),
    ],
)
def test_values_are_written_as_all_readers_take_them(type_: str, value: object, text: str) -> None:
    assert cell_text(value, parse_type(type_)) == text


def test_a_wide_or_nested_mock_is_a_list_of_mappings_that_yamllint_likes(tmp_path: Path) -> None:
    columns = (column("id", "int"), column("tags", "array<string>"), column("at", "struct<city:string,zip:int>"))
    mock = Mock(tmp_path, "a.b", columns, ((1, ["x", "y"], {"city": "Oslo", "zip": None}), (2, [], None)))

    text = render_mock(mock, head=["Two rows."], remarks=["null at", ""])

    assert text.partition("rows:\n")[2] == (
        '  # null at\n  - id: 1\n    tags: ["x", "y"]\n    at: {city: "Oslo", zip: null}\n'
        "  - id: 2\n    tags: []\n    at: null\n"
    )
    style = YamlLintConfig("{extends: default, rules: {document-start: disable}}")
    assert not list(linter.run(text, style))


def test_a_text_with_a_zero_character_can_not_be_written() -> None:
    with pytest.raises(ValueError, match="a mock can't contain a NUL character"):
        cell_text("a\0", parse_type("string"))


def test_comments_stay_with_what_they_are_about(tmp_path: Path) -> None:
    file = written(tmp_path, HAND_WRITTEN)
    old = load_mock(file)
    kept = tuple((*row, None) for row in old.rows if row[0] != 22)
    new = dataclasses.replace(old, columns=(*old.columns, column("paid", "boolean")), rows=kept)

    assert rewritten_mock(file, new) == HAND_WRITTEN.replace(
        "  name: string\n", "  name: string\n  paid: boolean\n"
    ).replace("[id, name]", "[id, name, paid]").replace('[1,   "a"]', '[1, "a", null]').replace(
        '  - [22,  "bb"]\n', ""
    ).replace('[5, "e"]', '[5, "e", null]')


def test_a_changed_value_in_a_mapping_is_changed_where_it_stands(tmp_path: Path) -> None:
    file = written(tmp_path, HAND_WRITTEN)
    old = load_mock(file)
    new = dataclasses.replace(old, rows=tuple((row[0], row[1].upper()) for row in old.rows))

    found = rewritten_mock(file, new)

    assert '    # inside\n    name: "D"\n  # the last\n' in found
    assert '  - {id: 3, name: "C"}\n' in found


def test_rows_come_into_an_empty_mock_and_leave_a_full_one(tmp_path: Path) -> None:
    file = written(tmp_path, "# why\ntable: a.b\ncolumns:\n  id: int\nrows: []\n")
    full = dataclasses.replace(load_mock(file), rows=((1,), (2,)))

    text = rewritten_mock(file, full)

    assert text.startswith("# why\n")
    assert "  - [1]\n  - [2]\n" in text
    file.write_text(text)
    assert load_mock(file).rows == ((1,), (2,))
    assert "rows: []" in rewritten_mock(file, dataclasses.replace(full, rows=()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_new_rows_no_comment_is_lost(tmp_path: Path, data: st.DataObject) -> None:
    file = written(tmp_path, HAND_WRITTEN)
    old = load_mock(file)
    kept = data.draw(st.lists(st.sampled_from(old.rows), max_size=5, unique=True))
    new = dataclasses.replace(old, rows=(*kept, *data.draw(rows(old.columns, 3))))

    text = rewritten_mock(file, new)

    assert round_trips(text, new)
    if new.rows:
        said = {line.strip() for line in HAND_WRITTEN.splitlines() if line.lstrip().startswith("#")}
        assert said <= {line.strip() for line in text.splitlines()}


def test_a_file_is_replaced_as_a_whole_and_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "mock.yaml"
    save_text(file, "a\n")
    file.chmod(0o640)
    save_text(file, "b\n")

    assert file.read_text() == "b\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["mock.yaml"]


def test_a_place_that_can_not_be_written_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DataflowError, match=r"can't write .*file/mock.yaml"):
        save_text(tmp_path / "file" / "mock.yaml", "a")
