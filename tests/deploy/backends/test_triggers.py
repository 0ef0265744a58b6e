"""Several triggers of one workflow, delays, and what becomes of moments that were missed: by an injected clock."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import signal
import socket
import time
import zoneinfo
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dataflow.deploy.backends import triggers
from dataflow.deploy.backends.claims import Claims, moments
from dataflow.deploy.backends.local import ClaimedRun, claim, due, run_due
from dataflow.deploy.bundle.manifest import Schedule, ScheduledTrigger
from dataflow.deploy.deployments import DeployedPackage, Deployment, Revision
from dataflow.deploy.due import _run_all
from dataflow.state import leases as state
from dataflow.state.database import StateDatabase
from dataflow.state.lease_tables import live
from dataflow.state.utc import now

pytestmark = pytest.mark.slow

MINUTE = dt.timedelta(minutes=1)
WORKFLOW = "alice.films.daily"
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def at(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


def deployed(folder, schedule, *, since, workflow=WORKFLOW):
    """Return an environment with one workflow, whose state is in a folder."""
    package = DeployedPackage(
        bundle="0" * 64,
        inputs="0" * 64,
        package_id="films",
        uuid="u",
        repository="alice/films",
        branch="main",
        workflows={workflow: schedule},
        since=since,
    )
    revision = Revision(
        action="deploy", at=since, by="alice", packages={"films": package}, state=f"sqlite:///{folder}/state.db"
    )
    return Deployment(name="production", number=1, revision=revision)


def call(deployment, clock, ran, *, code=0):
    """Do what a call of `due` does at a moment, and add what it ran."""
    for it in due(deployment, clock):

        def start(request, _, moment=it.moment):
            ran.append((moment.astimezone(dt.UTC), request.date))
            return code

        if run_due(it, None, start) is None:
            break


def named(schedule, first, last):
    """Return the minutes of a span that one of some daily or hourly schedules names, by what clocks show."""

    def fits(trigger, moment):
        minute, hour, *_ = trigger.cron.split()
        shown = moment.astimezone(zoneinfo.ZoneInfo(trigger.timezone))
        return (minute == "*" or shown.minute == int(minute)) and (hour == "*" or shown.hour == int(hour))

    every = (first + n * MINUTE for n in range(1, int((last - first) / MINUTE) + 1))
    return [it for it in every if any(fits(trigger, it) for trigger in schedule.crons)]


FIELDS = st.sampled_from(["0 *", "30 *", "15 3", "0 3", "30 14", "45 23"])
TRIGGER = st.builds(
    lambda fields, zone, jitter: ScheduledTrigger(cron=f"{fields} * * *", timezone=zone, jitter=jitter),
    FIELDS,
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]),
    st.sampled_from([0.0, 600.0, 5400.0]),
)


def schedule_of(found, **more):
    first, *others = found
    return Schedule(**dict(first), others=tuple(others), **more)


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(found=st.lists(TRIGGER, min_size=1, max_size=3), data=st.data())
def test_a_sequential_workflow_runs_each_moment_once_in_order_however_often_it_is_looked_at(
    tmp_path_factory, found, data
):
    """Calls come at random moments, with hours between them in which nobody looks, over a day when clocks go back."""
    since = at(2026, 10, 24, 12, 7)
    schedule = schedule_of(found, strategy=data.draw(st.sampled_from(["sequential", 3])))
    deployment = deployed(tmp_path_factory.mktemp("state"), schedule, since=since)
    ran, clock = [], since
    for gap in data.draw(st.lists(st.integers(1, 400), min_size=3, max_size=5)):
        clock += gap * MINUTE
        call(deployment, clock, ran, code=data.draw(st.sampled_from([0, 1])))
    call(deployment, clock, ran)
    delays = {it: triggers.delay(WORKFLOW, it) for it in schedule.crons}
    come = [
        it
        for it in named(schedule, since, clock)
        if any(triggers.belongs(trigger, it) and it + delay <= clock for trigger, delay in delays.items())
    ]
    moments = [moment for moment, _ in ran]
    assert sorted(moments) == come, "each once, none missed"
    if len(set(delays.values())) == 1:
        assert moments == come, "in their order"
    assert len(set(moments)) == len(moments)


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(found=st.lists(TRIGGER, min_size=1, max_size=3), data=st.data())
def test_latest_only_runs_the_last_of_the_moments_that_were_missed_once(tmp_path_factory, found, data):
    since = at(2026, 3, 28, 12, 7)
    schedule = schedule_of(found)
    deployment = deployed(tmp_path_factory.mktemp("state"), schedule, since=since)
    ran, clock, expected = [], since, []
    for gap in data.draw(st.lists(st.integers(1, 400), min_size=3, max_size=5)):
        clock += gap * MINUTE
        delays = {it: triggers.delay(WORKFLOW, it) for it in schedule.crons}
        come = [
            it
            for it in named(schedule, since, clock)
            if any(triggers.belongs(trigger, it) and it + delay <= clock for trigger, delay in delays.items())
        ]
        if come and (not expected or come[-1] > expected[-1]):
            expected.append(come[-1])
        call(deployment, clock, ran)
        call(deployment, clock, ran)
    assert [moment for moment, _ in ran] == expected


def test_one_moment_that_several_triggers_name_is_one_run_for_the_day_of_the_first(tmp_path):
    both = [
        ScheduledTrigger(cron="0 1 * * *", timezone="Europe/Berlin"),
        ScheduledTrigger(cron="0 0 * * *", timezone="UTC"),
        ScheduledTrigger(cron="0 0,12 * * *", timezone="UTC"),
    ]
    deployment = deployed(tmp_path, schedule_of(both, strategy="sequential"), since=at(2026, 1, 10, 20))
    ran = []
    call(deployment, at(2026, 1, 11, 13), ran)
    call(deployment, at(2026, 1, 11, 13), ran)
    assert ran == [(at(2026, 1, 11), dt.date(2026, 1, 10)), (at(2026, 1, 11, 12), dt.date(2026, 1, 10))]


def test_a_delay_is_the_same_for_a_workflow_at_most_the_jitter_and_spread_over_many(tmp_path):
    trigger = ScheduledTrigger(cron="0 3 * * *", timezone="Europe/Berlin", jitter=600)
    found = [triggers.delay(f"alice.w{number}", trigger).total_seconds() for number in range(400)]
    assert found == [triggers.delay(f"alice.w{number}", trigger).total_seconds() for number in range(400)]
    assert min(found) >= 0
    assert max(found) <= 600
    assert len({int(it // 60) for it in found}) >= 10  # in each of the minutes some
    assert triggers.delay(WORKFLOW, ScheduledTrigger(cron="0 3 * * *")) == dt.timedelta()

    schedule = schedule_of([trigger])
    late = triggers.delay(WORKFLOW, trigger)
    deployment = deployed(tmp_path, schedule, since=at(2026, 1, 10))
    moment = at(2026, 1, 11, 2)
    assert [it.moment for it in due(deployment, moment + late - dt.timedelta(seconds=1))] == [
        moment - dt.timedelta(days=1)
    ]
    (run,) = due(deployment, moment + late)
    assert (run.moment, run.date) == (moment, dt.date(2026, 1, 10)), "its day is that of the schedule, not of the delay"
    coming = triggers.following(WORKFLOW, trigger, moment + late - dt.timedelta(seconds=1))
    assert coming == moment + late
    assert coming.tzinfo == BERLIN


def test_what_was_killed_comes_first_and_a_stale_look_runs_nothing_twice(tmp_path):
    hourly = Schedule(cron="0 * * * *", strategy="sequential")
    deployment = deployed(tmp_path, hourly, since=at(2026, 1, 10, 0, 30))
    stale = due(deployment, at(2026, 1, 10, 4))
    pid = os.fork()
    if not pid:
        held = claim(stale[0])
        assert isinstance(held, ClaimedRun)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    ran = []
    call(deployment, at(2026, 1, 10, 5), ran)
    assert [moment.hour for moment, _ in ran] == [1, 2, 3, 4, 5]
    assert [run_due(it, None, lambda *_: 0) for it in stale] == [None] * 4


def working(ran: Path):
    def start(request, _):
        with ran.open("a") as file:
            file.write(json.dumps(["begin", str(request.date), os.getpid()]) + "\n")
        time.sleep(0.05)
        with ran.open("a") as file:
            file.write(json.dumps(["end", str(request.date), os.getpid()]) + "\n")
        return 0

    return start


@pytest.mark.parametrize(("strategy", "most"), [("sequential", 1), (2, 2)])
def test_many_callers_at_once_run_each_moment_once_in_order_and_no_more_at_a_time_than_may_be(
    tmp_path, monkeypatch, strategy, most
):
    daily = Schedule(cron="0 3 * * *", strategy=strategy)
    deployment = deployed(tmp_path, daily, since=at(2026, 1, 1))
    ran = tmp_path / "ran"
    monkeypatch.setattr(ClaimedRun.run, "__defaults__", (working(ran),))
    clock, pids = at(2026, 1, 13), []
    for _ in range(4):
        pid = os.fork()
        if not pid:
            for _ in range(12):
                list(_run_all(None, found, lambda _: None) if (found := due(deployment, clock)) else ())
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    assert due(deployment, clock) == []
    events = [json.loads(line) for line in ran.read_text().splitlines()]
    begun = [day for kind, day, _ in events if kind == "begin"]
    assert sorted(begun) == [str(dt.date(2025, 12, 31) + dt.timedelta(days=n)) for n in range(12)]
    at_work = list(itertools.accumulate(1 if kind == "begin" else -1 for kind, *_ in events))
    assert max(at_work) <= most
    if most == 1:
        assert begun == sorted(begun)


def elsewhere(deployment, *, silent):
    """Have whoever works on something be on another machine, its heart silent for so many seconds."""
    with StateDatabase(deployment.revision.state) as database, database.begin() as connection:
        beat = now() - dt.timedelta(seconds=silent)
        connection.execute(live.update().values(machine="another", host="db2", beat=beat))


def test_a_claim_of_a_process_on_another_machine_is_taken_over_once_its_heart_was_silent_for_its_time(tmp_path):
    deployment = deployed(tmp_path, Schedule(cron="0 3 * * *"), since=at(2026, 1, 10))
    moment = at(2026, 1, 11, 4)
    pid = os.fork()
    if not pid:
        held = claim(due(deployment, moment)[0])
        (tmp_path / "claimed").touch()
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(held is None)
    while not (tmp_path / "claimed").exists():
        time.sleep(0.02)
    try:
        elsewhere(deployment, silent=state.LONGEST_SILENCE - 5)
        assert due(deployment, moment) == []
        elsewhere(deployment, silent=state.LONGEST_SILENCE + 1)
        began = time.monotonic()
        (found,) = due(deployment, moment)
        assert time.monotonic() - began > 2 * state.BEAT, "it was watched: its machine may just have slept"
        assert run_due(found, None, lambda *_: 0) == 0
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert due(deployment, moment) == []


def test_a_claim_of_another_machine_whose_heart_beats_again_is_left_to_it_and_its_result_is_its_own(tmp_path):
    deployment = deployed(tmp_path, Schedule(cron="0 3 * * *"), since=at(2026, 1, 10))
    moment = at(2026, 1, 11, 4)
    (stale,) = due(deployment, moment)
    mine = claim(stale)
    elsewhere(deployment, silent=state.LONGEST_SILENCE + 1)
    assert due(deployment, moment) == []  # it beat while it was watched
    assert run_due(stale, None, lambda *_: 0) is None
    with StateDatabase(deployment.revision.state) as database:
        Claims(database, "production", WORKFLOW).finish(stale.key, "due_of_another", "failed")
        assert mine.run(None, lambda *_: 0) == 0
        assert Claims(database, "production", WORKFLOW).statuses("2026") == {"2026-01-11T03:00:00Z": "succeeded"}


def test_a_claim_of_an_earlier_version_has_no_heart_and_is_left_for_a_day_where_nobody_can_tell(tmp_path):
    deployment = deployed(tmp_path, Schedule(cron="0 3 * * *"), since=at(2026, 1, 10))
    moment = at(2026, 1, 11, 4)
    row = {"environment": "production", "workflow_id": WORKFLOW, "moment": "2026-01-11T03:00:00Z", "process": 1}
    for hours, host, left in ((1, "db2", True), (25, "db2", False), (0, socket.gethostname(), True)):
        with StateDatabase(deployment.revision.state) as database:
            with database.begin() as connection:
                connection.execute(moments.delete())
            claimed = now() - dt.timedelta(hours=hours)
            database.insert(moments, {**row, "host": host, "claimed": claimed, "status": "running"})
        assert (due(deployment, moment) == []) == left
