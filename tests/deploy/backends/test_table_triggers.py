"""Workflows that publications make due: once, and not before all tables have the day."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import textwrap
import time

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, IntegerType, NestedField

from dataflow.deploy.backends.local import due, due_by_tables, run_due
from dataflow.deploy.backends.moments import next_moment
from dataflow.deploy.bundle.manifest import Schedule
from dataflow.deploy.due import _each_day_once, scheduled
from dataflow.tables.catalog import open_catalog
from dataflow.workflow.periods import Cadence
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
        for name in ("plays", "titles", "more"):
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


@pytest.fixture
def either(repo, tables):
    """Deploy a workflow that two tables together make due, or a third by itself with one of them."""
    repo.edit("top/main.sch.yaml", "dataflow_demo.playback", "db.plays")
    text = """\
    - tables: [db.plays, db.titles]
    - tables: [db.plays, db.more]
    - cron: "0 3 * * *"
      timezone: UTC
    """
    repo.edit("top/daily.sch.yaml", '  cron: "0 3 * * *"\n  timezone: Europe/Berlin\n', textwrap.dedent(text))
    for name in ("plays", "titles", "more"):
        tables.publish(name, 1)
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


def test_a_table_that_is_filled_first_after_the_deployment_is_news_of_its_own_days(repo, tables):
    repo.edit("top/daily.sch.yaml", '  cron: "0 3 * * *"\n', "  tables: [db.plays]\n")
    repo.edit("top/main.sch.yaml", "dataflow_demo.playback", "db.plays")
    repo.commit()
    production = repo.deploy().deployment
    assert runs(repo, production) == [], "it has no rows"
    tables.publish("plays", 2, mark=2)
    assert runs(repo, production) == [("alice.top.daily", 2)]
    assert claim(repo, production) == 0
    assert runs(repo, production) == []


def test_a_table_with_a_mark_has_a_day_once_the_mark_has(repo, tables, production):
    tables.publish("plays", 2, mark=1)
    tables.publish("titles", 2)
    assert runs(repo, production) == []
    tables.publish("plays", mark=2)
    assert runs(repo, production) == [("alice.top.daily", 2)]


def test_an_hour_makes_an_hourly_workflow_due_although_its_day_is_not_complete(repo, tables):
    for name in ("main", "daily"):
        repo.edit(f"top/{name}.sch.yaml", "version: 1\n", "version: 1\ncadence: hourly\n")
    repo.edit("top/main.sch.yaml", "${dataflow.yesterday}", "${dataflow.last_hour}")
    repo.edit("top/daily.sch.yaml", '  cron: "0 3 * * *"\n', "  tables:\n    - db.plays\n")
    tables.publish("plays", 1)
    repo.commit()
    production = repo.deploy().deployment
    tables.publish("plays", 2)
    table = tables.catalog.load_table("db.plays")
    for mark, expected in (("2026-01-02", []), ("2026-01-03T05:00", [("alice.top.daily", 2)])):
        with table.refresh().transaction() as change:
            change.set_properties({"dataflow.hwm": mark})
        assert runs(repo, production) == expected
    (found,) = due_by_tables(production, repo.registry, dt.datetime.now(dt.UTC), failed)
    published = dt.datetime.fromtimestamp(table.refresh().current_snapshot().timestamp_ms / 1000, dt.UTC)
    assert found.asked == Cadence.HOURLY.last_before(published.replace(tzinfo=None))


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
        ("alice.top.daily", "there is no table 'db.titles'; valid here: db.more, db.plays")
    ]


def test_of_several_triggers_each_makes_it_due_by_itself_and_what_more_than_one_has_is_one_run(repo, tables, either):
    tables.publish("plays", 2)
    assert runs(repo, either) == [], "neither the one nor the other"
    tables.publish("more", 2)
    assert runs(repo, either) == [("alice.top.daily", 2)], "plays and more have it"
    assert claim(repo, either) == 0
    assert runs(repo, either) == []
    tables.publish("titles", 2)
    assert claim(repo, either) == 0, "now plays and titles have it as well"
    assert runs(repo, either) == []
    tables.publish("plays", 2)
    assert claim(repo, either) == 0, "a late row: one run, although both triggers have it"
    assert runs(repo, either) == []


def test_who_looked_before_another_one_ran_the_same_runs_nothing_of_it_again(repo, tables, either):
    tables.publish("plays", 2)
    tables.publish("more", 2)
    (early,) = due_by_tables(either, repo.registry, dt.datetime.now(dt.UTC), failed)
    tables.publish("titles", 3)
    tables.publish("plays", 3)
    (late,) = due_by_tables(either, repo.registry, dt.datetime.now(dt.UTC), failed)
    assert (early.key != late.key, late.date.day) == (True, 4)
    assert run_due(late, repo.registry, lambda *_: 0) == 0
    assert run_due(early, repo.registry, lambda *_: 0) is None, "the other run served that trigger as well"
    assert runs(repo, either) == []
    tables.publish("titles", 3)
    found = [due_by_tables(either, repo.registry, dt.datetime.now(dt.UTC), failed)[0] for _ in range(2)]
    tables.publish("titles", 3)
    newer = due_by_tables(either, repo.registry, dt.datetime.now(dt.UTC), failed)[0]
    assert run_due(newer, repo.registry, lambda *_: 0) == 0
    assert [run_due(it, repo.registry, lambda *_: 0) for it in found] == [None, None]


def test_a_schedule_and_tables_that_are_due_for_one_day_are_one_run(repo, tables, either):
    day = (dt.datetime.now(dt.UTC).date() - FIRST).days
    for name in ("plays", "more"):
        tables.publish(name, day)
    later = dt.datetime.combine(FIRST + dt.timedelta(days=day + 1), dt.time(3, 1), dt.UTC)
    seen = []
    for _ in range(2):
        found = list(_each_day_once(due(either, later), due_by_tables(either, repo.registry, later, failed)))
        seen += [(it.date - FIRST).days for it in found]
        for it in found:
            assert run_due(it, repo.registry, lambda *_: 0) == 0
    assert seen == [day]


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("strategy", ["sequential", "{parallel: 2}"])
def test_each_day_that_tables_published_runs_once_in_order_and_goes_on_after_a_kill(repo, tables, strategy):
    repo.edit("top/daily.sch.yaml", "jobs:\n", f"run_strategy: {strategy}\njobs:\n")
    repo.commit()
    deployed = repo.deploy().deployment
    tables.publish("plays", 2, 3, 4)
    tables.publish("titles", 2, 4)
    assert runs(repo, deployed) == [("alice.top.daily", 2), ("alice.top.daily", 4)]
    pid = os.fork()
    if not pid:
        run_due(due_by_tables(deployed, repo.registry, dt.datetime.now(dt.UTC), failed)[0], repo.registry, suicide)
    os.waitpid(pid, 0)
    tables.publish("titles", 3)
    ran = []
    for _ in range(3):
        for it in due_by_tables(deployed, repo.registry, dt.datetime.now(dt.UTC), failed):
            assert run_due(it, repo.registry, lambda start, _: ran.append((start.date - FIRST).days) or 0) == 0
    assert ran == [2, 4, 3], "what was claimed, then what came since"


def suicide(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_schedules_shows_each_trigger_with_what_it_led_to_last_and_when_it_comes_next(
    dataflow_command, repo, tables, either
):
    dataflow_command.environ |= {"DATAFLOW_HOME": os.environ["DATAFLOW_HOME"], "TZ": "UTC"}
    tables.publish("plays", 2)
    tables.publish("titles", 2)
    assert claim(repo, either, code=1) == 1
    (found,) = dataflow_command.json("workflow", "schedules", folder=repo.folder)
    coming = next_moment(Schedule(cron="0 3 * * *"), dt.datetime.now(dt.UTC))
    assert [(it["when"], it["last_status"], it["next"]) for it in found["triggers"]] == [
        ("when db.plays and db.titles have a new day", "failed", None),
        ("when db.plays and db.more have a new day", None, None),
        ("0 3 * * * UTC", None, coming.isoformat()),
    ]
    assert found["next"] == coming.isoformat()
    shown = dataflow_command("workflow", "schedules", folder=repo.folder).stdout
    lines = [re.split(" {2,}", line.strip()) for line in shown.splitlines() if line.strip() and "─" not in line]
    last = f"{dt.datetime.fromisoformat(found['triggers'][0]['last']):%Y-%m-%d %H:%M} UTC"
    name = ["alice.top.daily", "production"]
    assert lines[1:] == [
        [*name, "when db.plays and db.titles have a new day", last, "failed", "on publication"],
        [*name, "when db.plays and db.more have a new day", "never", "on publication"],
        [*name, "0 3 * * * UTC", "never", f"{coming:%Y-%m-%d %H:%M} UTC"],
    ]
