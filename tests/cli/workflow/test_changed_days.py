"""`workflow plan` and `workflow run` of days that changed: without a JVM where that can be, else through Spark."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading
import time
from types import SimpleNamespace

import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, IntegerType, NestedField

from dataflow.runner.changed.reload import looked_at
from dataflow.runner.options import RunOptions
from dataflow.runner.results import RunResult
from dataflow.runner.run_workflow import LookAgain
from dataflow.runner.turn import work_of
from dataflow.spark.launch_env import SparkLaunch
from dataflow.state import run_records as store
from dataflow.state.database import StateDatabase
from dataflow.state.lease_tables import waiting
from dataflow.state.leases import Leases
from dataflow.state.run_records import open_run_records
from dataflow.state.utc import now
from dataflow.tables.catalog import open_catalog
from dataflow.workflow.definitions import definitions_of
from dataflow.workflow.each_period import load_each
from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.periods import Cadence
from dataflow.workflow.project import Environment
from tests.support.packages import DAY, EVERY_DAY, HWM, definition, each_day, spark, wap

FIRST = dt.date(2026, 1, 1)
SCHEMA = Schema(NestedField(1, "id", IntegerType()), NestedField(2, "date", DateType()))
BY_DAY = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "date"))
TABLES = {**EVERY_DAY, "SOURCE_TABLE": "${TARGET_DB}.plays", "TARGET_TABLE": "${TARGET_DB}.results"}
AUDITS = """\
      audits:
        - function: rows_should_match_source
          source: ${SOURCE_TABLE}
          where: date = DATE '${EXECUTION_DATE}'
        - function: rows_should_match_source
          name: the same ids
          source: ${SOURCE_TABLE}
          where: date = DATE '${EXECUTION_DATE}'
          columns: [id]
"""
FILES = {
    "main.sch.yaml": definition(
        spark("ddl.sql", "ddl"),
        wap(spark("write.sql"), by={"date": DAY}, audits=AUDITS),
        HWM,
        name="x.main",
        params=TABLES,
    ),
    "daily.sch.yaml": definition(each_day("changed:\n  - ${SOURCE_TABLE}\nlast: 2"), name="x.daily"),
    "ddl.sql": "CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (id INT, date DATE) USING iceberg PARTITIONED BY (date);\n",
    "write.sql": (
        "INSERT OVERWRITE ${TARGET_TABLE} SELECT * FROM ${SOURCE_TABLE} WHERE date = DATE '${EXECUTION_DATE}';\n"
    ),
}
DAILY = ("daily.sch.yaml", "--date", "2026-01-31")


def write_package(folder):
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")


class Plays:
    """A source of the embedded catalog, and a target whose mark remembers it."""

    def __init__(self, folder, by=BY_DAY):
        self.catalog = open_catalog(Environment("sandbox"))
        self.catalog.create_namespace("alice_sandbox")
        for name in ("plays", "results"):
            place = str(folder / name)
            self.catalog.create_table(f"alice_sandbox.{name}", SCHEMA, place, partition_spec=by)

    def add(self, *days):
        table = self.catalog.load_table("alice_sandbox.plays")
        dates = pa.array([FIRST + dt.timedelta(days=it - 1) for it in days], pa.date32())
        table.append(pa.table({"id": pa.array([1] * len(days), pa.int32()), "date": dates}))
        return table.current_snapshot()

    def remembered(self):
        found = self.catalog.load_table("alice_sandbox.results").properties["dataflow.hwm.sources"]
        return json.loads(found)["dataflow.alice_sandbox.plays"][1]

    def remember(self, mark, snapshot):
        sources = {"dataflow.alice_sandbox.plays": [snapshot.sequence_number, snapshot.snapshot_id]}
        with self.catalog.load_table("alice_sandbox.results").transaction() as change:
            change.set_properties({"dataflow.hwm": mark, "dataflow.hwm.sources": json.dumps(sources)})


def test_a_plan_lists_the_days_that_changed_and_why(here_command, tmp_path):
    write_package(here_command.folder)
    plays = Plays(tmp_path)
    plays.remember("2026-01-30", plays.add(28, 29, 30))
    late = plays.add(29, 29)
    at = f"{dt.datetime.fromtimestamp(late.timestamp_ms / 1000, dt.UTC):%Y-%m-%d %H:%M} UTC"
    why = f"2 rows came in snapshot {late.snapshot_id} of alice_sandbox.plays at {at}"
    (step,) = here_command.json("workflow", "plan", *DAILY)["steps"]
    assert step["dates"] == ["2026-01-29", "2026-01-31"]
    assert step["reasons"] == {"2026-01-29": [why], "2026-01-31": ["not done yet"]}
    shown = here_command("workflow", "plan", *DAILY).stdout
    assert f"2026-01-29: {why}\n" in shown
    assert "2026-01-31: not done yet\n" in shown


def test_days_that_a_second_look_finds_again_are_said_once(here_command, tmp_path):
    write_package(here_command.folder)
    plays = Plays(tmp_path)
    plays.remember("2026-01-30", plays.add(28, 29, 30))
    plays.add(29)
    file, request = here_command.folder / "daily.sch.yaml", Request(date=dt.date(2026, 1, 31))
    said = []

    def reload(look):
        return load_workflow(file, dataclasses.replace(request, look=look))

    first = looked_at(load_workflow(file, request), reload)
    again = LookAgain(first, RunOptions(), reload, now())
    records = SimpleNamespace(has_ended=lambda *_: True)  # of the same, a moment ago
    progress = SimpleNamespace(follow=lambda _: None, say=said.append)
    assert again.looked(records, None, progress, waited=False).steps[0].dates == first.steps[0].dates
    assert said == []
    plays.add(28)
    assert len(again.looked(records, None, progress, waited=False).steps[0].dates) == 3
    assert said[0] == "each_day: 3 days"


def test_a_night_without_changes_is_recorded_and_starts_no_spark(here_command, tmp_path, monkeypatch):
    write_package(here_command.folder)
    plays = Plays(tmp_path)
    first = plays.add(30, 31)
    plays.remember("2026-01-31", first)
    monkeypatch.setattr("dataflow.spark.session.Engine.__enter__", None)
    (step,) = here_command.json("workflow", "plan", *DAILY)["steps"]
    assert (step["dates"], step["runs"]) == ([], ["no days: nothing changed"])
    done = here_command("workflow", "run", *DAILY)
    assert "each_day: 0 days, nothing changed" in done.stderr
    (recorded,) = here_command.json("workflow", "runs")
    assert (recorded["workflow_id"], recorded["status"]) == ("x.daily", "succeeded")

    here_command("workflow", "run", *DAILY, "--param", "SOURCE_TABLE=alice_sandbox.plays")
    assert plays.remembered() == first.snapshot_id
    future = plays.add(70)  # no day that a run may have yet
    here_command("workflow", "run", *DAILY)
    assert plays.remembered() == future.snapshot_id, "what was looked at is not looked at again"


class NoSpark:
    """Stands for the JVM of a run that must not need it."""

    exit_error = None
    launch = SparkLaunch()

    def __init__(self, *_, **__):
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def accelerate(self, acceleration):
        self.acceleration = acceleration

    def begin(self):
        pass

    def close(self, _):
        self.closed = True

    @property
    def spark(self):
        raise AssertionError("there is nothing to do")


class Other:
    """Another run of the same work, which does what it does while a run waits for it."""

    def __init__(self, workflow, do, *, seconds=0.0):
        self.database = StateDatabase(workflow.environment.state)
        self.leases, self.key = Leases(self.database), work_of(workflow)
        self.leases.enter("theirs", "bob")
        assert self.leases.take(self.key, "theirs", "theirs") is None
        self.thread = threading.Thread(target=self._work, args=(do, seconds), daemon=True)
        self.thread.start()

    def _work(self, do, seconds):
        while not self.database.rows(sa.select(waiting)):
            time.sleep(0.02)
        time.sleep(seconds)
        do()
        self.leases.leave("theirs")


@pytest.mark.slow
def test_a_run_that_waited_looks_again_and_runs_no_day_that_was_done_meanwhile(here_command, tmp_path, monkeypatch):
    write_package(here_command.folder)
    plays = Plays(tmp_path)
    plays.remember("2026-01-30", plays.add(29, 30))
    late = plays.add(30, 31)
    monkeypatch.setattr("dataflow.spark.session.Engine", NoSpark)
    workflow = load_workflow(here_command.folder / "daily.sch.yaml", Request(date=dt.date(2026, 1, 31)))
    other = Other(workflow, lambda: plays.remember("2026-01-31", late))
    done = here_command("workflow", "run", *DAILY)
    other.thread.join(120)
    said = [line.strip() for line in done.stderr.splitlines() if "each_day" in line or "waits" in line]
    assert said[0] == "each_day: 2 days"
    assert said[1].startswith("waits for run theirs of bob since ")
    assert said[2] == "each_day: 0 days, nothing changed"
    (recorded,) = here_command.json("workflow", "runs")
    assert (recorded["workflow_id"], recorded["status"]) == ("x.daily", "succeeded")


@pytest.mark.slow
def test_a_day_that_came_while_a_run_waited_is_found_and_one_that_ended_between_look_and_turn_is_seen(
    here_command, tmp_path, monkeypatch
):
    write_package(here_command.folder)
    plays = Plays(tmp_path)
    plays.remember("2026-01-30", plays.add(29, 30))
    plays.add(28)
    file = here_command.folder / "daily.sch.yaml"

    def found():
        ran = []

        class Runner:
            def __init__(self, *_):
                pass

            def run(self, workflow, _):
                ran.extend(step.dates for step in workflow.steps)
                return RunResult(workflow, "succeeded", 0.0, (), tmp_path / "log")

        engine = type("Engine", (NoSpark,), {"spark": None})
        monkeypatch.setattr("dataflow.spark.session.Engine", engine)
        monkeypatch.setattr("dataflow.runner.runner.Runner", Runner)
        here_command("workflow", "run", *DAILY)
        return ran

    workflow = load_workflow(file, Request(date=dt.date(2026, 1, 31)))
    other = Other(workflow, lambda: plays.add(27))
    assert found() == [("2026-01-27", "2026-01-28", "2026-01-31")]
    other.thread.join(120)

    def end_another():
        with open_run_records(None) as records:
            row = {"workflow_id": "x.main", "environment": "sandbox", "status": "succeeded", "params": {}}
            records.insert(store.runs, {**row, "run_id": "r1", "started": now(), "ended": now()})
        plays.remember("2026-01-31", plays.catalog.load_table("alice_sandbox.plays").current_snapshot())

    begin = NoSpark.begin
    monkeypatch.setattr(NoSpark, "begin", lambda self: (begin(self), end_another()))
    assert found() == [], "nobody was at work when it had its turn, but somebody was since it looked"


@pytest.mark.slow
def test_a_backfill_that_waited_for_another_one_runs_the_days_that_are_left(here_command, monkeypatch):
    write_package(here_command.folder)
    ran = []

    class Runner:
        def __init__(self, *_):
            pass

        def run(self, workflow, options):
            ran.append([it.value for it in workflow.steps[0].items])
            assert options.left() == {"2026-01-29"}
            return RunResult(workflow, "succeeded", 0.0, (), here_command.folder / "log")

    monkeypatch.setattr("dataflow.spark.session.Engine", type("Engine", (NoSpark,), {"spark": None}))
    monkeypatch.setattr("dataflow.runner.runner.Runner", Runner)
    file = here_command.folder / "main.sch.yaml"
    days = Cadence.DAILY.parse("2026-01-30").back(3)
    workflow = load_each(file, Request(), days, parallel=1, fail_fast=False)

    def succeed(*done):
        one = load_workflow(file, Request(date=str(days[0])))
        with open_run_records(None) as records:
            for day in done:
                row = {"workflow_id": "x.main", "environment": "sandbox", "status": "succeeded"}
                more = {"params": {"EXECUTION_DATE": str(day)}, "definitions": definitions_of(one)}
                records.insert(store.runs, {**row, **more, "run_id": f"r{day}", "started": now(), "ended": now()})

    command = ("workflow", "backfill", "main.sch.yaml", "--from", "2026-01-28", "--to", "2026-01-30")
    other = Other(workflow, lambda: succeed(days[0], days[2]))
    here_command(*command)
    other.thread.join(120)
    assert ran == [["2026-01-29"]]
    one = load_each(file, Request(), days[1:2], parallel=1, fail_fast=False)
    other = Other(one, lambda: succeed(days[1]))
    monkeypatch.setattr("dataflow.spark.session.Engine", NoSpark)
    here_command(*command)
    other.thread.join(120)
    assert ran == [["2026-01-29"]], "another one did the last day meanwhile"


def test_a_source_whose_day_nobody_can_tell_is_one_message(here_command, tmp_path):
    write_package(here_command.folder)
    plays = Plays(tmp_path, by=PartitionSpec())
    plays.remember("2026-01-30", plays.add(30))
    failed = here_command("workflow", "run", *DAILY, code=1)
    assert failed.stderr == (
        "error: nobody can tell which column of alice_sandbox.plays is the day of a row: its partition has none\n"
        "  → name it: changed: [{table: alice_sandbox.plays, day: COLUMN}]\n"
    )


@pytest.mark.spark
@pytest.mark.long
def test_a_catalog_that_only_spark_can_open_is_looked_at_by_spark(spark_command, tmp_path):
    command = spark_command
    write_package(command.folder)
    place = tmp_path / "lake"
    (command.folder / "dataflow.yaml").write_text(
        f"version: 1\nproject: lake\nenvironments:\n  sandbox:\n    params:\n      TARGET_DB: db\n"
        f"    catalog:\n      name: lake\n      type: hadoop\n      warehouse: {place}\n"
    )
    (command.folder / "load.sch.yaml").write_text(definition(spark("load.sql", "load"), name="x.load"))
    (command.folder / "load.sql").write_text(
        "CREATE DATABASE IF NOT EXISTS db;\n"
        "CREATE TABLE IF NOT EXISTS db.plays (id INT, date DATE) USING iceberg PARTITIONED BY (date);\n"
        "INSERT INTO db.plays VALUES (1, DATE '2026-01-30'), (1, DATE '2026-01-31');\n"
    )
    command("workflow", "run", "load.sch.yaml")
    done = command("workflow", "run", *DAILY)
    assert "each_day: 2 days\n" in done.stderr
    assert "the same ids: 0 values of id only in db.plays, 0 not in it (expected 0)" in done.stdout
    (command.folder / "load.sql").write_text("INSERT INTO db.plays VALUES (2, DATE '2026-01-30');\n")
    command("workflow", "run", "load.sch.yaml")
    (step,) = command.json("workflow", "plan", *DAILY)["steps"]
    assert step["dates"] == ["2026-01-30"]
    assert step["reasons"]["2026-01-30"][0].startswith("1 row came in snapshot ")
    done = command("workflow", "run", *DAILY)
    assert "published db.results date=2026-01-30: 2 rows as snapshot " in done.stdout
