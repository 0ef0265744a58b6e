from __future__ import annotations

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from dataflow.cli.query import app
from dataflow.errors import UsageError
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
    assert "more rows than these 50" in query("SELECT id FROM range(60)").output
    assert len(json.loads(query("SELECT id FROM range(60)", "--output", "json").stdout)) == 60
    assert len(json.loads(query("SELECT id FROM range(60)", "--output", "json", "--limit", "3").stdout)) == 3


def test_a_mistake_is_a_usage_error(query):
    with pytest.raises(UsageError, match="Syntax error"):
        query("SELEC 1")
