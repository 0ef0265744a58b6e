"""`dataflow workflow runs` and `show`, on records that were written here."""

from __future__ import annotations

import datetime as dt
import re
import textwrap

import pytest
import sqlalchemy as sa

from dataflow.state import run_records as store
from dataflow.state.run_records import open_run_records

BEGAN = dt.datetime(2026, 2, 1, 6, tzinfo=dt.UTC)
PROJECT = """\
version: 1
project: films
environments:
  staging: {branch: staging, params: {TARGET_DB: staging}}
  production: {branch: main, state: "%s", params: {TARGET_DB: prod}}
"""


def record(address, number, workflow, environment, status, seconds):
    """Record a run that began an hour after the one before."""
    began = BEGAN + dt.timedelta(hours=number)
    row = {
        "user": "alice",
        "host": "here",
        "file": "main.sch.yaml",
        "log": "run.log",
        "run_id": f"20260201t0{6 + number}0000_abcde{number}",
        "workflow_id": workflow,
        "environment": environment,
        "status": status,
        "started": began,
        "ended": began + dt.timedelta(seconds=seconds),
        "params": {"EXECUTION_DATE": "2026-01-31"},
        "versions": {"spark": "4.1.3"},
    }
    with open_run_records(address) as records:
        records.insert(store.runs, row)


@pytest.fixture
def command(dataflow_command, tmp_path, monkeypatch):
    """Return the command line in a project of three environments, one of which has records of its own."""
    monkeypatch.setenv("DATAFLOW_HOME", dataflow_command.environ["DATAFLOW_HOME"])
    own = f"sqlite:///{tmp_path}/production.db"
    (dataflow_command.folder / "dataflow.yaml").write_text(PROJECT % own)
    record(None, 0, "alice.films.main", "sandbox", "succeeded", 29.1)
    record(None, 1, "films.titles_per_country.backfill", "staging", "failed", 3723.44)
    record(own, 2, "films.titles_per_country.main", "production", "cancelled", 62.7)
    dataflow_command.environ |= {"COLUMNS": "80", "TZ": "UTC"}
    return dataflow_command


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip() and "─" not in line]


def test_ids_never_fold_and_what_the_id_says_already_goes_first_on_a_narrow_terminal(command):
    command.environ["FORCE_COLOR"] = command.environ["NO_COLOR"] = "1"
    shown = re.sub("\x1b\\[[0-9;]*m", "", command("workflow", "runs").stdout)
    assert lines(shown) == [
        "run                      workflow                            status           took",
        "20260201t070000_abcde1   films.titles_per_country.backfill   failed      3,723.4 s",
        "20260201t060000_abcde0   alice.films.main                    succeeded      29.1 s",
    ]


def test_states_are_coloured_unless_no_color_says_otherwise(command):
    command.environ["FORCE_COLOR"] = "1"
    shown = command("workflow", "runs").stdout
    assert "\x1b[32msucceeded" in shown
    assert "\x1b[1;31mfailed" in shown
    command.environ["NO_COLOR"] = "1"
    assert not re.search("\x1b\\[[0-9;]*3[0-9]m", command("workflow", "runs").stdout)


def test_off_a_terminal_every_column_is_there(command):
    assert lines(command("workflow", "runs", "--limit", "1").stdout) == lines(
        textwrap.dedent("""
        run                      workflow                            date         environment   status   started                    took
        20260201t070000_abcde1   films.titles_per_country.backfill   2026-01-31   staging       failed   2026-02-01 07:00:00   3,723.4 s
        """)  # noqa: E501
    )


def test_an_environment_shows_its_own_runs_and_all_environments_those_of_every_database(command):
    def shown(*options):
        return [run["environment"] for run in command.json("workflow", "runs", *options)]

    assert shown() == ["staging", "sandbox"]
    assert shown("--env", "sandbox") == ["sandbox"]
    assert shown("--env", "staging") == ["staging"]
    assert shown("--env", "production") == ["production"]
    assert shown("--all-environments") == ["production", "staging", "sandbox"]
    assert shown("--all-environments", "--limit", "2") == ["production", "staging"]
    done = command("workflow", "runs", "--env", "staging", "--all-environments", code=2)
    assert done.stderr == ("error: --env and --all-environments exclude each other\n  → name one of them\n")


def test_a_database_that_can_not_be_opened_is_named_beside_the_runs_of_the_others(command, tmp_path):
    (tmp_path / "production.db").write_text("no database")
    done = command("workflow", "runs", "--all-environments")
    assert "note: the runs in production are not known: " in done.stderr
    assert "staging" in done.stdout


def test_an_older_record_shows_the_figure_alone_and_earlier_attempts_are_told_apart(command):
    audit = {
        "job_id": "wap",
        "name": "enough",
        "function": "row_count_should_be_between",
        "blocking": True,
        "sample": [],
    }
    with open_run_records(None) as records:
        run = records.recent("alice", 1)[0]["run_id"]
        for attempt, figure, finding in ((1, 2.0, "2 rows"), (2, 19303.0, None)):
            row = {"run_id": run, "attempt": attempt, "position": 0, "passed": attempt == 2, "figure": figure}
            records.insert(store.audits, {**audit, **row, "finding": finding, "expected": "at least 5"})
        assert len(records.database.rows(sa.select(store.audits))) == 2
    said = [line for line in command("workflow", "show", run).stdout.splitlines() if "enough" in line]
    assert said == [
        "  ✗ attempt 1 enough: 2 rows (expected at least 5)",
        "  ✓ enough: 19,303 (expected at least 5)",
    ]
