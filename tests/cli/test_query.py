from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dataflow.cli.query import app
from dataflow.errors import DataflowError, UsageError
from dataflow.spark import command_session

pytestmark = pytest.mark.spark

SQL = (
    "SELECT * FROM VALUES (1, 'a', DATE'2026-01-31', array(1, 2), named_struct('x', CAST(1.5 AS DECIMAL(3, 2)))),"
    " (2, NULL, NULL, NULL, NULL) AS t (id, name, day, list, pair)"
)


@pytest.fixture
def query(spark, monkeypatch, tmp_path):
    """Run the command in the tests' own session."""

    class Shared:
        def __init__(self, *_, **__):
            self.reader = spark

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(command_session, "Engine", Shared)
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_a_table_shows_values_and_nulls(query):
    lines = query(SQL).stdout.splitlines()
    assert [cell.strip() for cell in lines[1].strip("┃").split("┃")] == ["id", "name", "day", "list", "pair"]
    assert "2026-01-31" in lines[3]
    assert "NULL" in lines[4]


def test_json_keeps_structure(query):
    first, second = json.loads(query(SQL, "--output", "json").stdout)
    assert first == {"id": 1, "name": "a", "day": "2026-01-31", "list": [1, 2], "pair": {"x": "1.50"}}
    assert second["name"] is None


def test_csv_has_a_header_and_empty_nulls(query):
    rows = list(csv.reader(io.StringIO(query("SELECT id, name FROM (" + SQL + ")", "--output", "csv").stdout)))
    assert rows == [["id", "name"], ["1", "a"], ["2", ""]]


def test_a_table_is_cut_and_says_so_while_json_is_whole(query):
    assert query("SELECT id FROM range(902)").stderr == "50 of 902 rows: --limit 902 shows all\n"
    whole = query("SELECT id FROM range(902)", "--output", "json")
    assert (len(json.loads(whole.stdout)), whole.stderr) == (902, "")
    some = query("SELECT id FROM range(902)", "--output", "json", "--limit", "3")
    assert (len(json.loads(some.stdout)), some.stderr) == (3, "3 of 902 rows: --limit 902 shows all\n")


def test_a_table_is_shown_with_its_number_of_rows(query):
    done = query("SELECT * FROM VALUES (1, 'a'), (20, NULL) AS t (id, name)")
    assert done.stdout == ("┏━━━━┳━━━━━━┓\n┃ id ┃ name ┃\n┡━━━━╇━━━━━━┩\n│  1 │ a    │\n│ 20 │ NULL │\n└────┴──────┘\n")
    assert done.stderr == "2 rows\n"


def test_rows_go_into_a_file_in_the_format_that_is_asked_for(query, tmp_path):
    done = query("SELECT id, name FROM (" + SQL + ")", "--output", "csv", "--to", "rows.csv")
    assert (done.stdout, done.stderr) == ("", "rows.csv: 2 rows\n")
    assert (tmp_path / "rows.csv").read_text() == "id,name\n1,a\n2,\n"
    query("SELECT id FROM (" + SQL + ")", "--output", "json", "--to", "rows.json", "--limit", "1")
    assert (tmp_path / "rows.json").read_text() == '[\n  {\n    "id": 1\n  }\n]\n'


def test_parquet_keeps_the_types_of_the_query(query, tmp_path):
    sql = SQL.replace("SELECT *", "SELECT *, TIMESTAMP'2026-01-31 10:00:00Z' AS at")
    done = query(sql, "--output", "parquet", "--to", "rows.parquet")
    assert (done.stdout, done.stderr) == ("", "rows.parquet: 2 rows\n")
    table = pq.read_table(tmp_path / "rows.parquet")
    assert list(map(str, table.schema.types)) == [
        "int32", "string", "date32[day]", "list<element: int32>", "struct<x: decimal128(3, 2)>",
        "timestamp[us, tz=UTC]",
    ]  # fmt: skip
    assert table.slice(0, 1).to_pylist() == [
        {
            "id": 1,
            "name": "a",
            "day": dt.date(2026, 1, 31),
            "list": [1, 2],
            "pair": {"x": Decimal("1.50")},
            "at": dt.datetime(2026, 1, 31, 10, tzinfo=dt.UTC),
        }
    ]
    cut = query("SELECT id FROM range(902)", "--output", "parquet", "--to", "rows.parquet", "--limit", "5")
    assert cut.stderr == "rows.parquet: 5 of 902 rows: --limit 902 shows all\n"
    assert pq.read_table(tmp_path / "rows.parquet").num_rows == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["SELECT 1", "--output", "parquet"], "parquet is not for a terminal"),
        (["SELECT 1", "--output", "csv", "--to", "gone/rows.csv"], "--to gone/rows.csv: there is no such folder"),
        (["SELECT 1", "--output", "csv", "--to", "."], "--to .: is a folder"),
        (["SELECT 1 AS a, 2 AS a", "--output", "parquet", "--to", "a.parquet"], "two columns are called 'a'"),
        (
            ["SELECT INTERVAL '1' MONTH AS m", "--output", "parquet", "--to", "a.parquet"],
            "a.parquet can't be written",
        ),
    ],
)
def test_what_can_not_be_written_is_said_and_no_file_is_left(query, tmp_path, arguments, message):
    with pytest.raises(DataflowError) as failure:
        query(*arguments)
    assert failure.value.message.startswith(message)
    assert not list(tmp_path.glob("*.*"))


def test_a_mistake_is_a_usage_error(query):
    with pytest.raises(UsageError, match="Syntax error"):
        query("SELEC 1")
