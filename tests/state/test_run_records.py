from __future__ import annotations

import datetime as dt
import json
import os
import socket

import pytest

from dataflow import secret
from dataflow.errors import UsageError
from dataflow.state import run_records as store
from dataflow.state.database import StateDatabase, metadata
from dataflow.state.run_records import RunRecords


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request, tmp_path):
    address = f"sqlite:///{tmp_path / 'state' / 'state.db'}"
    if request.param == "postgresql":
        address = request.getfixturevalue("postgresql")
    with StateDatabase(address) as database:
        yield RunRecords(database)
        for table in reversed(metadata.sorted_tables):
            with database.begin() as connection:
                connection.execute(table.delete())


def add_run(records, run_id, status="succeeded", parent=None, process=None, minute=0, workflow="alice.x.main"):
    started = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minute)
    records.insert(
        store.runs,
        {
            "run_id": run_id,
            "parent_run_id": parent,
            "workflow_id": workflow,
            "host": socket.gethostname(),
            "process": process or os.getpid(),
            "params": {"EXECUTION_DATE": "2026-01-01"},
            "versions": {"spark": "4.1.3"},
            "status": status,
            "started": started,
            "ended": None if status == "running" else started + dt.timedelta(seconds=5),
        },
    )


def test_runs_are_listed_newest_first_without_those_that_others_started(records):
    add_run(records, "r1", minute=1)
    add_run(records, "r2", minute=2)
    add_run(records, "r2_1", parent="r2", minute=3)
    assert [row["run_id"] for row in records.recent(None, 10)] == ["r2", "r1"]
    assert [row["run_id"] for row in records.recent(None, 10, children=True)] == ["r2_1", "r2", "r1"]
    assert [row["run_id"] for row in records.recent(None, 1)] == ["r2"]


def test_runs_are_found_by_a_part_of_their_workflow_s_id(records):
    add_run(records, "r1", workflow="alice.x.main")
    add_run(records, "r2", workflow="bob.y.main")
    assert [row["run_id"] for row in records.recent("bob", 10)] == ["r2"]
    assert records.recent("%", 10) == []


def test_a_run_is_found_by_the_beginning_of_its_id_or_as_the_last(records):
    add_run(records, "20260101t1_aa", minute=1)
    add_run(records, "20260102t1_bb", minute=2)
    assert records.run("20260101")["run_id"] == "20260101t1_aa"
    assert records.run("last")["run_id"] == "20260102t1_bb"
    with pytest.raises(UsageError, match="could be any of"):
        records.run("2026")
    with pytest.raises(UsageError, match="no run 'nope'"):
        records.run("nope")


def test_a_run_comes_with_all_that_it_did(records):
    add_run(records, "r1")
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for position, job in enumerate(("write", "hwm")):
        records.insert(
            store.jobs,
            {
                "run_id": "r1",
                "job_id": job,
                "attempt": 1,
                "position": position,
                "status": "succeeded",
                "started": moment,
            },
        )
    records.insert(
        store.audits,
        {
            "run_id": "r1", "job_id": "write", "attempt": 1, "position": 0, "name": "nulls", "function": "f",
            "blocking": True, "passed": False, "figure": 3.0, "expected": "0", "sample": [{"id": "1"}],
        },
    )  # fmt: skip
    add_run(records, "r1_1", parent="r1")
    found = records.run("r1")
    assert [job["job_id"] for job in found["jobs"]] == ["write", "hwm"]
    assert found["audits"][0]["sample"] == [{"id": "1"}]
    assert [child["run_id"] for child in found["children"]] == ["r1_1"]
    assert found["started"].tzinfo is not None
    json.dumps(found, default=str)


def test_a_run_whose_process_is_gone_is_called_killed(records):
    add_run(records, "r1", status="running", process=2**22 + 1)
    assert records.run("r1")["status"] == "killed"
    assert not records.is_live(["r1"])
    add_run(records, "r2", status="running")
    assert records.is_live(["r2"])
    assert records.is_live(["a_run_of_some_other_machine_s_records"])


def test_a_process_that_began_after_the_run_only_has_its_number(records):
    add_run(records, "r1", status="running")  # this process, which is older than no run of 1990
    with records.database.begin() as connection:
        connection.execute(store.runs.update().values(started=dt.datetime(1990, 1, 1, tzinfo=dt.UTC)))
    assert records.run("r1")["status"] == "killed"


def test_what_is_recorded_holds_no_secret(records):
    secret.learn('S3cr3t"é/word')
    add_run(records, "r1")
    records.update_run("r1", error='no such user: S3cr3t"é/word', params={"PASSWORD": 'S3cr3t"é/word'})
    found = records.run("r1")
    assert found["error"] == "no such user: ***"
    assert found["params"] == {"PASSWORD": "***"}
    secret.forget()
