"""Workflows that publications make due: once, and not before all tables have the day."""

from __future__ import annotations

import datetime as dt
import os
import signal
import time

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, IntegerType, NestedField

from dataflow.deploy.backends.local import due, due_by_tables, run_due
from dataflow.deploy.due import scheduled
from dataflow.tables.catalog import open_catalog
from dataflow.workflow.project import Environment

pytestmark = pytest.mark.slow

FIRST = dt.date(2026, 1, 1)
SCHEMA = Schema(NestedField(1, "id", IntegerType()), NestedField(2, "date", DateType()))
BY_DAY = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "date"))


def failed(workflow, error):
    raise AssertionError(f"{workflow}: {error}")


class Tables:
    def __init__(self, folder):
        self.catalog = open_catalog(Environment("production"))
        self.catalog.create_namespace("db")
        for name in ("plays", "titles"):
            self.catalog.create_table(f"db.{name}", SCHEMA, str(folder / name), partition_spec=BY_DAY)

    def publish(self, name, *days, mark=None):
        table = self.catalog.load_table(f"db.{name}")
        rows = pa.table(
            {
                "id": pa.array([1] * len(days), pa.int32()),
                "date": pa.array([FIRST + dt.timedelta(days=it) for it in days], pa.date32()),
            }
        )
        if days:
            table.append(rows)
        if mark is not None:
            with table.transaction() as change:
                change.set_properties({"dataflow.hwm": str(FIRST + dt.timedelta(days=mark))})


@pytest.fixture
def tables(repo):
    return Tables(repo.folder.parent / "warehouse")


@pytest.fixture
def production(repo, tables):
    repo.edit("top/daily.sch.yaml", '  cron: "0 3 * * *"\n', "  tables:\n    - ${SOURCE_TABLE}\n    - db.titles\n")
    repo.edit("top/main.sch.yaml", "dataflow_demo.playback", "db.plays")
    tables.publish("plays", 1)
    tables.publish("titles", 1)
    repo.commit()
    return repo.deploy().deployment


def runs(repo, production):
    found = due_by_tables(production, repo.registry, dt.datetime.now(dt.UTC), failed)
    return [(it.workflow, (it.date - FIRST).days) for it in found]


def claim(repo, production, code=0):
    (found,) = due_by_tables(production, repo.registry, dt.datetime.now(dt.UTC), failed)
    return run_due(found, repo.registry, lambda *_: code)


def test_a_day_makes_a_workflow_due_once_when_all_tables_have_it(repo, tables, production):
    assert runs(repo, production) == [], "what was there when it was deployed"
    tables.publish("plays", 2, 3)
    assert runs(repo, production) == [], "titles have neither day"
    tables.publish("titles", 2)
    assert runs(repo, production) == [("alice.top.daily", 2)]
    (found,) = due_by_tables(production, repo.registry, dt.datetime.now(dt.UTC), failed)
    assert run_due(found, repo.registry, lambda *_: 0) == 0
    assert run_due(found, repo.registry, lambda *_: 0) is None, "whoever looked at the same moment comes too late"
    assert runs(repo, production) == []
    tables.publish("titles", 3)
    assert claim(repo, production) == 0, "plays have had that day since before the last run"
    tables.publish("plays", 1)
    assert runs(repo, production) == [("alice.top.daily", 1)], "a late row of a day that both have"


def test_a_table_with_a_mark_has_a_day_once_the_mark_has(repo, tables, production):
    tables.publish("plays", 2, mark=1)
    tables.publish("titles", 2)
    assert runs(repo, production) == []
    tables.publish("plays", mark=2)
    assert runs(repo, production) == [("alice.top.daily", 2)]


def test_what_failed_waits_for_the_next_publication_and_what_was_killed_is_taken_over(
    repo, tables, production, tmp_path
):
    tables.publish("plays", 2)
    tables.publish("titles", 2)
    assert claim(repo, production, code=1) == 1
    assert runs(repo, production) == []
    tables.publish("plays", 2)
    started = tmp_path / "started"
    pid = os.fork()
    if not pid:
        (found,) = due_by_tables(production, repo.registry, dt.datetime.now(dt.UTC), failed)
        run_due(found, repo.registry, lambda *_: (started.touch(), time.sleep(60)))
        os._exit(0)
    while not started.exists():
        time.sleep(0.02)
    tables.publish("titles", 2)
    assert runs(repo, production) == [], "never two runs of a workflow at once"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert claim(repo, production) == 0
    assert claim(repo, production) == 0, "what was published meanwhile"
    assert runs(repo, production) == []


def test_a_schedule_says_what_it_waits_for_and_cron_may_stand_beside_it(repo, tables, production):
    assert due(production, dt.datetime.now(dt.UTC) + dt.timedelta(days=3)) == []
    (found,) = scheduled(repo.registry, "production")
    assert found.status.schedule == "when db.plays and db.titles have a new day"
    assert found.status.next is None
    repo.edit("top/daily.sch.yaml", "  tables:\n", '  cron: "0 3 * * *"\n  tables:\n')
    repo.commit()
    both = repo.deploy().deployment
    (found,) = scheduled(repo.registry, "production")
    assert found.status.schedule == "0 3 * * * Europe/Berlin; when db.plays and db.titles have a new day"
    tables.publish("plays", 2)
    tables.publish("titles", 2)
    assert claim(repo, both) == 0
    (by_cron,) = due(both, dt.datetime.now(dt.UTC) + dt.timedelta(days=2))
    assert run_due(by_cron, repo.registry, lambda *_: 0) == 0, "each is claimed by itself"


def test_a_table_that_is_missing_is_told_and_keeps_nothing_else_from_running(repo, tables, production):
    tables.catalog.drop_table("db.titles")
    told = []
    assert due_by_tables(production, repo.registry, dt.datetime.now(dt.UTC), lambda *it: told.append(it)) == []
    assert [(workflow, error.message) for workflow, error in told] == [
        ("alice.top.daily", "there is no table 'db.titles'; valid here: db.plays")
    ]
