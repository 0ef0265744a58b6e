"""`dataflow table list|show|history|coverage`, by what they print; no JVM."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from pyiceberg.catalog import load_catalog

from dataflow.state import run_records
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import RunRecords

ROWS = "id,day\n1,2026-01-01\n2,2026-01-01\n3,2026-01-02\n4,2026-01-05\n"


@pytest.fixture
def table(here_command, tmp_path):
    """A table with rows on three of five days, whose mark is on the third, and the records of its runs."""
    (here_command.folder / "rows.csv").write_text(ROWS)
    here_command("table", "load", "rows.csv", "results", "--partition", "day")
    catalog = load_catalog(
        "dataflow", type="sql", uri=f"sqlite:///{tmp_path}/home/catalog.db", init_catalog_tables="false"
    )
    loaded = catalog.load_table(("alice_sandbox", "results"))
    with loaded.transaction() as change:
        change.set_properties(
            {
                "dataflow.hwm": "2026-01-03",
                "dataflow.owner": "alice",
                "dataflow.package-id": "alice.films",
                "dataflow.lifetime-days": "30",
                "dataflow.tags": "a,b",
            }
        )
    with StateDatabase() as database:
        records = RunRecords(database)
        for number, (day, status) in enumerate([(4, "failed"), (5, "failed"), (5, "succeeded")]):
            moment = dt.datetime(2026, 1, 6, number, tzinfo=dt.UTC)
            records.insert(
                run_records.runs,
                {
                    "run_id": f"r{number}",
                    "workflow_id": "alice.films.main",
                    "environment": "sandbox",
                    "params": {"EXECUTION_DATE": f"2026-01-0{day}"},
                    "status": status,
                    "started": moment,
                    "ended": moment,
                },
            )
        published = {"run_id": "r2", "job_id": "wap", "table_name": "alice_sandbox.results", "rows": 1}
        records.insert(run_records.publications, {**published, "partition": "day=2026-01-05"})
    return here_command


def cells(text):
    """Return the lines of a text that are not rules, each with one blank between its words."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if line.strip("─")]


def test_the_days_of_a_table_are_there_empty_missing_or_failed(table):
    done = table("table", "coverage", "alice_sandbox.results")
    assert cells(done.stdout) == [
        "day state days rows",
        "2026-01-01 to 2026-01-02 there 2 3",
        "2026-01-03 empty 1 0",
        "2026-01-04 failed 1 0",
        "2026-01-05 there 1 1",
        "5 days: 3 there, 1 failed, 1 empty; complete up to 2026-01-03",
    ]
    data = json.loads(table("table", "coverage", "dataflow.alice_sandbox.results", "--output", "json").stdout)
    assert (data["column"], data["cadence"], data["mark"]) == ("day", "daily", "2026-01-03")
    assert data["days"][3:] == [
        {"day": "2026-01-04", "state": "failed", "rows": 0, "failed": "alice.films.main"},
        {"day": "2026-01-05", "state": "there", "rows": 1, "failed": None},
    ]


def test_a_table_tells_whose_it_is_how_large_and_how_old(table):
    (listed,) = json.loads(table("table", "list", "--output", "json").stdout)
    shown = json.loads(table("table", "show", "alice_sandbox.results", "--output", "json").stdout)
    assert shown == listed
    assert {key: shown[key] for key in ("table", "owner", "package", "mark", "rows", "files", "lifetime_days")} == {
        "table": "alice_sandbox.results",
        "owner": "alice",
        "package": "alice.films",
        "mark": "2026-01-03",
        "rows": 4,
        "files": 3,
        "lifetime_days": 30,
    }
    assert (shown["tags"], shown["partitioned_by"], shown["snapshots"]) == (["a", "b"], ["day"], 1)
    assert "alice_sandbox.results   2026-01-03" in table("table", "list").stdout
    assert "complete up to  2026-01-03" in table("table", "show", "alice_sandbox.results").stdout
    assert "no tables yet" in table("table", "list", "--database", "other").stdout
    (version,) = json.loads(table("table", "history", "alice_sandbox.results", "--output", "json").stdout)
    assert (version["what"], version["run"]) == ("append", None)
    assert "append" in table("table", "history", "alice_sandbox.results").stdout


def test_tables_that_are_not_there_and_days_that_nobody_can_tell_are_named(table):
    done = table("table", "show", "alice_sandbox.result", code=1)
    assert done.stderr == "error: there is no table 'alice_sandbox.result'; did you mean 'alice_sandbox.results'?\n"
    (table.folder / "plain.csv").write_text("id\n1\n")
    table("table", "load", "plain.csv", "plain")
    done = table("table", "coverage", "alice_sandbox.plain", code=1)
    assert done.stderr == (
        "error: nobody can tell which column of alice_sandbox.plain is the day of a row: its partition has none\n"
        "  → name it: --day COLUMN\n"
    )
    done = table("table", "coverage", "alice_sandbox.plain", "--day", "idd", code=1)
    assert done.stderr.startswith("error: alice_sandbox.plain has no column 'idd'; did you mean 'id'?\n")


def test_maintenance_leaves_tables_alone_that_are_not_this_packages(table):
    done = table("table", "maintain", "alice_sandbox.results", "--plan", code=1)
    assert done.stderr == (
        "error: table alice_sandbox.results belongs to no package: it was left as it is\n"
        "  → a run of the package that writes it claims it; or look after it by Iceberg's own procedures\n"
    )
    assert "has no table yet" in table("table", "maintain", code=1).stderr
