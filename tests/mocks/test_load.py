import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from dataflow.errors import DefinitionError
from dataflow.mocks import Mock, Value, load_mock
from dataflow.tables.schema.spark_types import parse_type

PLAYBACK = """\
# A few plays.
table: dataflow_demo.playback
columns:
  profile_id: bigint
  title_id: int
  country_code: string
  view_hours: double
  received_at: timestamp
  date: date
rows:
  - [1, 101, "NO", 1.5, "2026-01-31 20:15:00", "2026-01-31"]
  - {profile_id: 2, country_code: 'ÅÆ "x"', view_hours: -0.0, date: "2026-01-31"}
"""


def mock_of(folder: Path, text: str) -> Mock:
    file = folder / "mock.yaml"
    file.write_text(text, encoding="utf-8")
    return load_mock(file)


def value_of(folder: Path, type_: str, text: str) -> Value:
    return mock_of(folder, f"columns:\n  x: {type_}\nrows:\n  - [{text}]\n").rows[0][0]


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        mock_of(folder, text)
    return [f"{found.line}:{found.column}: {found.message}" for found in caught.value.problems]


def problem_of(folder: Path, type_: str, text: str) -> str:
    (problem,) = problems_of(folder, f"columns:\n  x: {type_}\nrows:\n  - [{text}]\n")
    assert problem.startswith("4:6: x: "), problem
    return problem.removeprefix("4:6: x: ")


def test_rows_are_lists_in_column_order_or_mappings_where_what_is_left_out_is_null(tmp_path: Path) -> None:
    mock = mock_of(tmp_path, PLAYBACK)

    day, received = dt.date(2026, 1, 31), dt.datetime(2026, 1, 31, 20, 15, tzinfo=dt.UTC)
    assert mock.rows == ((1, 101, "NO", 1.5, received, day), (2, None, 'ÅÆ "x"', 0.0, None, day))
    assert [f"{column.name} {column.type}" for column in mock.columns][:2] == [
        "profile_id bigint",
        "title_id int",
    ]
    assert (mock.table, mock.name) == ("dataflow_demo.playback", "playback")


def test_a_mock_without_a_table_is_called_as_its_file(tmp_path: Path) -> None:
    mock = mock_of(tmp_path, "columns:\n  x: int\nrows: []\n")

    assert (mock.table, mock.name, mock.rows) == (None, "mock", ())


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("boolean", "true", True),
        ("tinyint", "-128", -128),
        ("BIGINT", "9223372036854775807", 9223372036854775807),
        ("double", "1.0e-3", 0.001),
        ("double", "7", 7.0),
        ("double", "-.inf", float("-inf")),
        ("float", "0.1", 0.10000000149011612),
        ("decimal(10,2)", "12.5", Decimal("12.50")),
        ("decimal(20, 0)", '"12345678901234567890"', Decimal("12345678901234567890")),
        ("string", '"null"', "null"),
        ("string", "null", None),
        ("date", '"0001-01-01"', dt.date(1, 1, 1)),
        ("timestamp", '"2026-01-31T20:15:00.000001+02:00"', dt.datetime(2026, 1, 31, 18, 15, 0, 1, dt.UTC)),
        ("timestamp_ntz", '"2026-01-31 20:15"', dt.datetime(2026, 1, 31, 20, 15)),
        ("binary", '"00Ff"', b"\x00\xff"),
        ("array<int>", "[1, null]", [1, None]),
        ("map<string, array<double>>", '{"NO": [1.5]}', {"NO": [1.5]}),
        ("struct<a:int, b:struct<c string>>", '{b: {c: "x"}}', {"a": None, "b": {"c": "x"}}),
    ],
)
def test_every_type_is_read(tmp_path: Path, type_: str, text: str, value: Value) -> None:
    found = value_of(tmp_path, type_, text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("type_", "text", "message"),
    [
        ("string", "NO", 'a string stands in quotes: "NO"'),
        ("string", "12:30", 'a string stands in quotes: "12:30"'),
        ("string", "1e3", 'a string stands in quotes: "1e3"'),
        ("string", "~", "nothing is written as null"),
        ("string", "[1]", "one value is expected here, string"),
        ("date", "2026-01-31", 'a date stands in quotes: "2026-01-31"'),
        ("date", '"31.1.2026"', "'31.1.2026' is not a date: write \"2026-01-31\""),
        ("date", '"2026-02-30"', "'2026-02-30' is not a date: write \"2026-01-31\""),
        ("timestamp", '"12:30"', "'12:30' is not a timestamp: write \"2026-01-31 12:30:00\""),
        (
            "timestamp_ntz",
            '"2026-01-31 12:30:00Z"',
            "'2026-01-31 12:30:00Z' has a time zone, and a timestamp_ntz has none",
        ),
        ("int", '"1"', "an int stands without quotes"),
        ("int", "1_000", "'1_000' is not an int: write a whole number, such as 1000"),
        ("int", "010", "'010' is not an int: write a whole number, such as 1000"),
        ("tinyint", "128", "128 does not fit into a tinyint"),
        ("double", "1e3", "'1e3' is not a number as every YAML reader takes it: write 1000.0 or 1.0e+3"),
        ("float", "1.0e+39", "1.0e+39 does not fit into a float"),
        ("boolean", "yes", "'yes' is not a boolean: write true or false"),
        ("decimal(4,2)", "1.005", "1.005 does not fit into a decimal(4,2)"),
        ("decimal(4,2)", "100", "100 does not fit into a decimal(4,2)"),
        ("binary", '"xyz"', "'xyz' is not binary: write its bytes in hex, such as \"00ff\""),
        ("array<int>", "1", "array<int> is written as a list"),
        ("struct<a:int>", "[1]", "struct<`a`:int> is written as a mapping by field"),
    ],
)
def test_what_yaml_readers_take_differently_or_the_type_does_not_hold_is_a_mistake(
    tmp_path: Path, type_: str, text: str, message: str
) -> None:
    assert problem_of(tmp_path, type_, text) == message


def test_all_mistakes_are_told_together_each_with_its_place(tmp_path: Path) -> None:
    text = """\
tabel: x
columns:
  title_id: int
  country_code: string
rows:
  - [1, US]
  - [1]
  - {title_id: 1, contry_code: "US"}
  - "1"
  - [1.5, "US"]
"""
    assert problems_of(tmp_path, text) == [
        "1:1: unknown key 'tabel'; did you mean 'table'?",
        '6:9: country_code: a string stands in quotes: "US"',
        "7:5: 1 values for 2 columns: title_id, country_code",
        "8:19: unknown key 'contry_code'; did you mean 'country_code'?",
        "9:5: a row is a list of values, or a mapping by column",
        "10:6: title_id: '1.5' is not an int: write a whole number, such as 1000",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rows: []", "1:1: 'columns' is a mapping of names to Spark types, such as title_id: int"),
        (
            "columns: [a]\nrows: []",
            "1:10: 'columns' is a mapping of names to Spark types, such as title_id: int",
        ),
        ("columns: {a: int}", "1:1: 'rows' is a list; a table without rows is written as rows: []"),
        (
            "columns: {a: strng}\nrows: [[1]]",
            "1:14: 'strng' is not a type that a mock can have; did you mean 'string'?",
        ),
        (
            "columns: {a: 'decimal(50,2)'}\nrows: []",
            "1:14: decimal(50,2) is not a decimal that Spark has: at most 38 digits",
        ),
        ("columns: {a: 'array<int'}\nrows: []", "1:14: 'array<int' ends too early"),
        ("columns: {a: 'map<array<int>, int>'}\nrows: []", "1:14: a map's key can't be array<int> in a mock"),
        ("columns: {a: int not null}\nrows: []", "1:14: 'int not null' goes on after int"),
    ],
)
def test_a_file_that_is_no_mock_is_told_what_one_is(tmp_path: Path, text: str, problem: str) -> None:
    assert problems_of(tmp_path, text) == [problem]


def test_a_mock_that_is_not_there_is_told_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "playback.yaml").write_text("columns: {}\n")

    with pytest.raises(DefinitionError, match=r"there is no file .*; did you mean 'playback.yaml'\?"):
        load_mock(tmp_path / "playbak.yaml")


@pytest.mark.parametrize(
    "text",
    ["int", "decimal(10,2)", "array<map<string,double>>", "struct<`a b`:int,`c``d`:array<timestamp_ntz>>"],
)
def test_a_type_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_type(text)) == text


@pytest.mark.parametrize("word", ["0001-01-01 00:00:00+14:00", "9999-12-31 23:59:59-00:01"])
def test_a_moment_beyond_the_years_that_utc_has_is_told(tmp_path: Path, word: str) -> None:
    expected = f"'{word}' is not in the years 0001 to 9999 in UTC, which a mock can hold"

    assert problem_of(tmp_path, "timestamp", f'"{word}"') == expected


def test_names_that_differ_by_case_alone_are_one_to_spark(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "columns:\n  a: int\n  A: int\n  s: struct<x:int,X:int>\nrows: []\n") == [
        "3:6: 'A' and 'a' are one column to Spark",
        "4:6: the fields 'x' and 'X' of a struct are one to Spark",
    ]
