"""`dataflow workflow cancel`, `logs`, `retry` and `backfill --dry-run`, as far as they need no JVM."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

from dataflow.state import run_records as store
from dataflow.state.leases import Leases
from dataflow.state.run_records import open_run_records
from dataflow.state.utc import now
from tests.support.places import EXAMPLE

pytestmark = pytest.mark.slow

RUN = "20260201t060000_abcde1"


@pytest.fixture
def command(dataflow_command, monkeypatch):
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    monkeypatch.setenv("DATAFLOW_HOME", dataflow_command.environ["DATAFLOW_HOME"])
    shutil.copytree(EXAMPLE, dataflow_command.folder / "package")
    return dataflow_command


def record(run_id=RUN, status="running", **values):
    """Record a run of this very process."""
    row = {
        "run_id": run_id,
        "workflow_id": "alice.films.main",
        "environment": "sandbox",
        "user": "alice",
        "host": socket.gethostname(),
        "process": os.getpid(),
        "params": {"EXECUTION_DATE": "2026-01-31"},
        "versions": {},
        "status": status,
        "started": now(),
        "file": "/nowhere/main.sch.yaml",
        **values,
    }
    with open_run_records(None) as records:
        records.insert(store.runs, row)


def test_a_run_is_asked_to_stop_and_the_command_says_when_it_has(command):
    record()
    heard = []

    def work():
        with open_run_records(None) as records:
            leases = Leases(records.database)
            leases.enter(RUN, "alice")
            while not heard:
                heard.extend(leases.beat(RUN).cancelled.items())
                time.sleep(0.1)
            records.update_run(RUN, status="cancelled", ended=now())
            leases.leave(RUN)

    threading.Thread(target=work, daemon=True).start()
    time.sleep(1)
    done = command("workflow", "cancel", "last", user="bob")
    assert done.stdout == f"run {RUN} of alice.films.main was cancelled\n"
    assert heard == [(RUN, "cancelled by bob")]


def test_a_run_that_does_not_listen_in_time_is_told_so(command):
    record()
    with open_run_records(None) as records:
        Leases(records.database).enter(RUN, "alice")
    done = command("workflow", "cancel", RUN, "--wait", "0", code=1)
    assert done.stdout == f"run {RUN} was asked to stop, and has not ended yet\n"
    assert command("workflow", "cancel", RUN, "--wait", "0", "--output", "json", code=1).stdout.startswith("{")


def test_what_has_ended_or_has_no_heartbeat_is_not_stopped(command):
    record(status="failed")
    done = command("workflow", "cancel", "last", code=2)
    assert done.stderr == f"error: run {RUN} is not at work: it has ended as failed\n"
    record("20260201t060000_abcde2", host="db2", process=7)
    done = command("workflow", "cancel", "last", code=1)
    assert done.stderr == (
        "error: run 20260201t060000_abcde2 has no heartbeat, so it hears nothing\n  → end process 7 on db2\n"
    )
    done = command("workflow", "cancel", "2027", code=2)
    assert done.stderr.startswith("error: no run '2027'")


def test_a_log_is_shown_whole_or_from_its_last_lines_and_that_of_elsewhere_is_named(command, tmp_path):
    log = tmp_path / "run.log"
    log.write_text("one\ntwo\nthr\x1bee\n")
    record(status="succeeded", log=str(log))
    assert command("workflow", "logs").stdout == "one\ntwo\nthr\\x1bee\n"
    assert command("workflow", "logs", "last", "--tail", "1").stdout == "thr\\x1bee\n"
    assert command.json("workflow", "logs", RUN, "--tail", "2")["lines"] == ["two", "thr\x1bee"]
    log.unlink()
    done = command("workflow", "logs", code=1)
    assert done.stderr == f"error: the log of run {RUN} is not there any more: {log}\n"
    record("20260201t060000_abcde2", host="db2", log="/home/bob/run.log")
    done = command("workflow", "logs", code=1)
    assert done.stderr == (
        "error: the log of run 20260201t060000_abcde2 is on db2\n  → read it there: /home/bob/run.log\n"
    )


def test_a_log_is_followed_until_its_run_has_ended(command, tmp_path):
    log = tmp_path / "run.log"
    log.write_text("one\n")
    record(log=str(log))
    process = subprocess.Popen(
        [sys.executable, "-m", "dataflow", "workflow", "logs", "--follow"],
        cwd=command.folder,
        env=command.environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "one\n"
        with log.open("a") as more:
            more.write("two\nthr")
        assert process.stdout.readline() == "two\n"
        with log.open("a") as more:
            more.write("ee")
        with open_run_records(None) as records:
            records.update_run(RUN, status="succeeded", ended=now())
        assert process.stdout.read() == "three\n"
    assert process.returncode == 0


def test_a_run_that_can_t_be_retried_is_told_why(command):
    asked = {"params": {}, "date": None, "yesterday": "2026-01-31", "job": None, "days": [], "parallel": 1}
    record(status="succeeded", asked=asked)
    done = command("workflow", "retry", "last", code=2)
    assert done.stderr == (
        f"error: run {RUN} has succeeded: nothing of it is left to do\n  → --from STEP does a part of it again\n"
    )
    record("20260201t060000_abcde2", asked=asked)
    done = command("workflow", "retry", "last", code=2)
    assert done.stderr.startswith("error: run 20260201t060000_abcde2 is still at work\n")
    record("20260201t060000_abcde3", status="failed")
    assert "was recorded by an earlier version" in command("workflow", "retry", "last", code=2).stderr
    record("20260201t060000_abcde4", status="failed", asked=asked, host="db2")
    done = command("workflow", "retry", "last", code=1)
    assert done.stderr == (
        "error: run 20260201t060000_abcde4 was made from /nowhere/main.sch.yaml on db2, which is not here\n"
    )


def days(command, *more):
    found = command.json(
        "workflow", "backfill", "package", "--from", "2026-01-01", "--to", "2026-01-05", "--dry-run", *more
    )
    return [int(day[8:]) for day in found["days"]]


def test_a_backfill_runs_what_has_not_succeeded_with_these_definitions(command):
    from dataflow.workflow.definitions import definitions_of
    from dataflow.workflow.load import load_workflow

    workflow = load_workflow(command.folder / "package" / "main.sch.yaml")
    ended = {"ended": now(), "workflow_id": workflow.id}
    for day, status, definitions in ((1, "succeeded", definitions_of(workflow)), (2, "succeeded", "older")):
        params = {"EXECUTION_DATE": f"2026-01-0{day}"}
        record(f"20260201t06000{day}_a", status=status, params=params, definitions=definitions, **ended)
    record("20260201t060003_a", status="failed", params={"EXECUTION_DATE": "2026-01-03"}, **ended)
    assert days(command) == [2, 3, 4, 5]
    assert days(command, "--newest-first") == [5, 4, 3, 2]
    assert days(command, "--only", "missing") == [3, 4, 5]
    assert days(command, "--only", "failed") == [3]
    assert days(command, "--only", "all") == [1, 2, 3, 4, 5]
    assert days(command, "-p", "SOURCE_TABLE=other.playback") == [1, 2, 3, 4, 5]

    (command.folder / "package" / "src" / "test_more.py").write_text("")
    assert days(command) == [2, 3, 4, 5]
    with (command.folder / "package" / "src" / "sparksql_write.sql").open("a") as script:
        script.write("-- changed\n")
    assert days(command) == [1, 2, 3, 4, 5]


def test_a_range_that_is_none_and_what_is_not_run_by_the_day_is_told(command):
    def error(*arguments):
        return command("workflow", "backfill", *arguments, code=2).stderr

    assert error("package") == (
        "error: --from is missing: the first day\n  → dataflow workflow backfill . --from 2025-01-01\n"
    )
    assert error("package", "--from", "2026-01-02", "--to", "2026-01-01") == (
        "error: --to 2026-01-01 lies before --from 2026-01-02\n"
    )
    assert "these are more than 10,000 days" in error("package", "--from", "1971-01-01")
    assert "is not run by the day" in error("package/daily.sch.yaml", "--from", "2026-01-01", "--to", "2026-01-02")
    given = ("--from", "2026-01-01", "--to", "2026-01-02", "-p", "EXECUTION_DATE=2026-01-01")
    assert "EXECUTION_DATE is each date in turn here" in error("package", *given)
    assert "'tomorrow' is not a date" in error("package", "--from", "tomorrow")


def test_a_backfill_says_how_many_days_are_left_and_for_about_how_long(command):
    from dataflow.workflow.load import load_workflow

    workflow = load_workflow(command.folder / "package" / "main.sch.yaml")
    done = command("workflow", "backfill", "package", "--from", "2026-01-01", "--to", "2026-01-05", "--dry-run")
    assert done.stdout == "5 days · 2 at a time\n  2026-01-01 to 2026-01-05\n"
    for day in (1, 2, 5):
        began = now()
        record(
            f"20260201t06000{day}_a",
            status="succeeded",
            workflow_id=workflow.id,
            params={"EXECUTION_DATE": f"2026-01-0{day}"},
            started=began,
            ended=began + dt.timedelta(seconds=30),
        )
    only = ("--only", "missing", "--dry-run")
    done = command("workflow", "backfill", "package", "--from", "2026-01-01", "--to", "2026-01-05", *only)
    assert done.stdout == (
        "2 of 5 days: 3 succeeded before · 2 at a time · about 30 s, as a day took 30.0 s lately\n"
        "  2026-01-03 to 2026-01-04\n"
    )
    assert json.loads(
        command(
            "workflow", "backfill", "package", "--from", "2026-01-01", "--to", "2026-01-02", *only, "--output", "json"
        ).stdout
    ) == {"days": [], "total": 2, "parallel": 2, "seconds": 0.0}


def test_a_run_of_another_machine_is_stopped_through_a_state_address_that_both_have(command, postgresql):
    (command.folder / "dataflow.yaml").write_text(
        f"version: 1\nproject: films\nenvironments:\n  production:\n    state: {postgresql}\n"
    )
    heard = []
    row = {"run_id": RUN, "workflow_id": "alice.films.main", "status": "running", "host": "db2", "process": 7}
    row |= {"environment": "production", "params": {}, "versions": {}, "started": now()}
    with open_run_records(postgresql) as records:
        records.insert(store.runs, row)
        leases = Leases(records.database)
        leases.enter(RUN, "alice")

        def work():
            while not heard:
                heard.extend(leases.beat(RUN).cancelled.items())
                time.sleep(0.1)
            records.update_run(RUN, status="cancelled", ended=now())

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        done = command("workflow", "cancel", "last", "--env", "production", user="bob")
        thread.join(120)
    assert done.stdout == f"run {RUN} of alice.films.main was cancelled\n"
    assert heard == [(RUN, "cancelled by bob")]
