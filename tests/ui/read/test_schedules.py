"""Schedules as the page shows them, out of a real registry and a real state database."""

from __future__ import annotations

import datetime as dt

import pytest

from dataflow.assets.registry import Registry
from dataflow.deploy import deployments
from dataflow.deploy.backends.claims import moments
from dataflow.deploy.bundle.manifest import Schedule, ScheduledTrigger
from dataflow.deploy.deployments import DeployedPackage, Revision
from dataflow.errors import DataflowError
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import runs
from dataflow.ui.read.schedules import schedules
from tests.support.hostile import HOSTILE

AT = dt.datetime(2026, 11, 1, 3, tzinfo=dt.UTC)
DAILY = Schedule(cron="0 3 * * *", timezone="Europe/Berlin", expected_by="06:00")


def package(**workflows):
    return DeployedPackage(
        bundle="0" * 64, inputs="i", package_id="alice.top", uuid="u", repository="alice/films", branch="main",
        workflows={name.replace("__", "."): it for name, it in workflows.items()}, since=AT,
    )  # fmt: skip


class Place:
    """A registry and a state database that things are deployed and recorded in."""

    def __init__(self, folder):
        self.registry = Registry(str(folder / "registry"))
        self.state = f"sqlite:///{folder / 'state.db'}"

    def deploy(self, name="production", found=None, **more):
        packages = {"alice/films:top": found or package(alice__top__daily=DAILY, alice__top__main=None)}
        made = Revision(action="deploy", at=AT, by="alice", packages=packages, state=self.state, **more)
        deployments.revise(self.registry, name, lambda _: made)

    def ran(self, workflow, run_id, status="succeeded", **more):
        row = {
            "run_id": run_id, "workflow_id": workflow, "status": status, "started": AT, "ended": AT,
            "environment": "production", **more,
        }  # fmt: skip
        with StateDatabase(self.state) as database:
            database.insert(runs, row)

    def claimed(self, workflow, moment, status):
        row = {
            "environment": "production", "workflow_id": workflow, "moment": moment, "claimed": AT, "host": "h",
            "process": 1, "status": status,
        }  # fmt: skip
        with StateDatabase(self.state) as database:
            database.insert(moments, row)

    def shown(self, name=None, open_state=StateDatabase):
        return schedules(self.registry, name, open_state)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_schedule_says_when_it_ran_last_and_when_it_runs_next(place):
    place.deploy()
    place.ran("alice.top.daily", "r1")
    place.ran("alice.top.daily", "r2", "failed", started=AT + dt.timedelta(days=1))
    place.ran("alice.top.daily", "r2_child", parent_run_id="r2", started=AT + dt.timedelta(days=2))
    for n in range(9):
        place.ran("alice.top.daily_more", f"other{n}", started=AT + dt.timedelta(days=3))
    place.claimed("alice.top.daily", "2026-11-02T02:00:00+00:00", "failed")
    (row,) = place.shown().rows
    assert (row.environment, row.workflow, row.package, row.repository) == (
        "production", "alice.top.daily", "top", "alice/films",
    )  # fmt: skip
    assert (row.last_run, row.last_status, row.last_started) == ("r2", "failed", AT + dt.timedelta(days=1))
    assert row.next > dt.datetime.now(dt.UTC)
    assert (row.expected_by, row.waits, row.is_paused, row.backend) == ("06:00", "", False, "local")
    (trigger,) = row.triggers
    assert (trigger.status, trigger.last.isoformat()) == ("failed", "2026-11-02T02:00:00+00:00")
    assert trigger.text.startswith("0 3 * * * Europe/Berlin")


def test_what_runs_next_is_first_and_what_is_paused_last(place):
    soon = Schedule(cron="* * * * *")
    tables = Schedule(tables=("prod.plays",))
    both = Schedule(cron="0 3 1 1 *", others=(ScheduledTrigger(tables=("prod.plays",)),))
    place.deploy(found=package(a__late=both, b__tables=tables, c__soon=soon))
    place.deploy("branch-x", package(d__paused=soon), database="x")
    found = place.shown()
    assert [(it.workflow, it.waits) for it in found.rows] == [
        ("c.soon", ""),
        ("a.late", ""),
        ("b.tables", "on publication"),
        ("d.paused", "paused"),
    ]
    assert [it.by_tables for it in found.rows[1].triggers] == [False, True]
    assert found.deployed == 2
    assert [it.workflow for it in place.shown("branch-x").rows] == ["d.paused"]
    assert place.shown("nowhere").deployed == 0


def test_a_state_that_can_not_be_read_is_said_and_hides_no_other(place):
    place.deploy()
    place.deploy("staging")

    asked = []

    def open_state(address):
        asked.append(address)
        if len(asked) == 1:
            raise DataflowError("the run records can't be opened: down")
        return StateDatabase(address)

    found = place.shown(open_state=open_state)
    assert [(it.environment, it.why) for it in found.unreadable] == [
        ("production", "the run records can't be opened: down")
    ]
    assert [it.environment for it in found.rows] == ["staging"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_may_be_anything(place, name):
    place.deploy(found=package(**{name: DAILY}))
    place.ran(name, name, name[:20])
    (row,) = place.shown().rows
    assert (row.workflow, row.last_run, row.last_status) == (name.replace("__", "."), name, name[:20])
