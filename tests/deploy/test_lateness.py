"""Who hears that a scheduled run is late, by a real mail server and a real webhook on this machine."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from dataflow.deploy.backends.claims import moments
from dataflow.deploy.backends.looks import looks
from dataflow.deploy.bundle.manifest import Schedule
from dataflow.deploy.due import run_due
from dataflow.deploy.lateness import deadline_of, tell_late
from dataflow.state import run_records as store
from dataflow.state.database import StateDatabase
from tests.support.servers import Hook, Mail

pytestmark = pytest.mark.slow

BERLIN = "Europe/Berlin"
PROJECT = """
version: 1
project: films
owners:
  alice:
    email: alice@example.org
    webhook: {hook}
environments:
  production:
    branch: main
    params: {{TARGET_DB: prod}}
    notifications:
      smtp: {{host: 127.0.0.1, port: {port}, sender: dataflow@example.org, starttls: false}}
"""


@pytest.fixture
def servers():
    with Mail() as mail, Hook() as hook:
        yield mail, hook


@pytest.fixture
def production(repo, servers):
    mail, hook = servers
    repo.write("dataflow.yaml", PROJECT.format(hook=hook.address, port=mail.port))
    repo.edit("top/daily.sch.yaml", "jobs:\n", "notifications:\n  on_late: [alice]\n  expected_by: '06:00'\njobs:\n")
    repo.commit()
    return repo.deploy().deployment


def record(production, run_id, status, started, workflow="alice.top.daily"):
    row = {"run_id": run_id, "workflow_id": workflow, "environment": "production", "status": status, "started": started}
    with StateDatabase(production.revision.state) as database:
        database.insert(store.runs, row)


def tomorrow(production, hour, minute=0, *, starts=3):
    """Return a time of the first day that starts after a deployment, where its schedule's clock is."""
    day = production.revision.at.astimezone(deadline_zone()) + dt.timedelta(hours=24 - starts)
    return dt.datetime.combine(day.date(), dt.time(hour, minute), deadline_zone())


def deadline_zone():
    return deadline_of(Schedule(cron="0 3 * * *", timezone=BERLIN, expected_by="06:00"), dt.datetime.now(dt.UTC)).tzinfo


def tell(production, repo, at):
    return list(tell_late(production, repo.registry, at))


def test_what_has_not_succeeded_by_then_is_reported_once_by_mail_and_webhook(production, repo, servers):
    mail, hook = servers
    assert tell(production, repo, tomorrow(production, 5, 59)) == []
    late = tomorrow(production, 6, 0)
    (said,) = tell(production, repo, late)
    assert said.startswith("alice.top.daily is late: notified alice@example.org, webhook of 127.0.0.1")
    assert tell(production, repo, late) == []
    assert tell(production, repo, tomorrow(production, 23)) == []
    ((subject, text),) = mail.to("alice@example.org")
    assert subject == "alice.top.daily is late in production"
    assert f"expected by  {late:%Y-%m-%d %H:%M %Z}\n" in text
    assert "since then   no run of it has started\n" in text
    (posted,) = hook.texts
    assert posted.startswith("alice.top.daily is late in production\n")
    assert len(tell(production, repo, late + dt.timedelta(days=1))) == 1  # each moment is late by itself


def test_what_has_succeeded_since_is_not_late_and_what_goes_on_or_failed_is(production, repo, servers):
    mail, _ = servers
    record(production, "r1", "failed", tomorrow(production, 3, 1))
    record(production, "r2", "succeeded", tomorrow(production, 4), workflow="alice.top.main")  # another workflow
    record(production, "r3", "running", tomorrow(production, 5))
    assert len(tell(production, repo, tomorrow(production, 6))) == 1
    assert "since then   run r3 is running\n" in mail.to("alice@example.org")[0][1]

    next_day = dt.timedelta(days=1)
    record(production, "r4", "succeeded", tomorrow(production, 5) + next_day)
    assert tell(production, repo, tomorrow(production, 6) + next_day) == []


@pytest.mark.usefixtures("production")
def test_what_could_reach_nobody_is_tried_again_by_the_next_call(repo):
    mail = Mail()  # its server is down
    repo.write("dataflow.yaml", PROJECT.format(hook="http://127.0.0.1:1/none", port=mail.port))
    repo.commit()
    deployed = repo.deploy().deployment
    for minute in (0, 1):
        (said,) = tell(deployed, repo, tomorrow(deployed, 6, minute))
        assert "nobody was notified: mail server 127.0.0.1:" in said
    with mail:
        (said,) = tell(deployed, repo, tomorrow(deployed, 6, 2))
    assert "notified alice@example.org; webhook of 127.0.0.1 can't be reached" in said


def test_of_many_that_look_at_once_one_reports(production, repo, servers):
    mail, _ = servers
    said = []
    looking = [
        threading.Thread(target=lambda: said.extend(tell(production, repo, tomorrow(production, 6)))) for _ in range(4)
    ]
    for it in looking:
        it.start()
    for it in looking:
        it.join()
    assert len(said) == 1
    assert len(mail.to("alice@example.org")) == 1


def test_due_reports_what_is_late_and_lists_what_is_due_without_telling_anybody(production, repo, servers):
    mail, _ = servers
    said = []
    late = tomorrow(production, 6)
    found = list(run_due(repo.registry, "production", late, said.append, dry_run=True))
    assert [it.status for it in found] == ["due"]
    assert (said, mail.mails) == ([], [])


def test_the_time_of_day_is_that_of_the_schedule_s_clock_whether_or_not_clocks_change():
    def deadline(by, *moment, zone=BERLIN):
        schedule = Schedule(cron="0 3 * * *", timezone=zone, expected_by=by)
        return deadline_of(schedule, dt.datetime(*moment, tzinfo=dt.UTC)).astimezone(dt.UTC).strftime("%d %H:%M")

    assert deadline("06:00", 2026, 1, 10, 2) == "10 05:00"
    assert deadline("06:00", 2026, 7, 10, 1) == "10 04:00"
    assert deadline("02:00", 2026, 1, 10, 2) == "11 01:00"  # it has passed on that day
    assert deadline("06:00", 2026, 3, 28, 23, 30) == "29 04:00"  # clocks are set forward in that night
    assert deadline("06:00", 2026, 10, 24, 22, 30) == "25 05:00"
    assert deadline("06:00", 2026, 1, 10, 5, zone="Asia/Tokyo") == "10 21:00"


@pytest.mark.usefixtures("production")
def test_what_tables_alone_make_due_is_expected_every_day_whether_or_not_they_came(repo, servers):
    mail, _ = servers
    repo.edit("top/daily.sch.yaml", '  cron: "0 3 * * *"\n', "  tables: [db.plays, db.titles]\n")
    repo.commit()
    deployed = repo.deploy().deployment

    def at(hour, minute=0):
        return tomorrow(deployed, hour, minute, starts=0)

    assert tell(deployed, repo, at(5, 59)) == []
    assert len(tell(deployed, repo, at(6))) == 1
    assert tell(deployed, repo, at(23)) == []
    ((subject, text),) = mail.to("alice@example.org")
    assert subject == "alice.top.daily is late in production"
    assert "scheduled    when db.plays and db.titles have a new day\n" in text
    assert "since then   no run of it has started\n" in text

    def days_later(number):
        return at(6) + dt.timedelta(days=number)

    record(deployed, "r1", "succeeded", days_later(1) - dt.timedelta(hours=1))
    assert tell(deployed, repo, days_later(1)) == [], "a run has succeeded on that day, of whatever origin"
    claimed(deployed, days_later(1).date(), days_later(2) - dt.timedelta(hours=7), "failed")
    assert len(tell(deployed, repo, days_later(2))) == 1
    claimed(deployed, days_later(2).date(), days_later(3) - dt.timedelta(hours=7), "succeeded")
    assert tell(deployed, repo, days_later(3)) == [], "the tables came before midnight, with the day"
    assert len(tell(deployed, repo, days_later(4))) == 1, "the next day did not come"


def claimed(production, day, when, status):
    """Record that tables led to a run for a day."""
    own = {"environment": "production", "workflow_id": "alice.top.daily", "moment": f"+{day}", "claimed": when}
    with StateDatabase(production.revision.state) as database:
        database.insert(looks, {**own, "day": str(day), "seen": {}})
        database.insert(moments, {**own, "host": "h", "process": 1, "status": status})


@pytest.mark.usefixtures("production")
def test_with_many_moments_a_day_it_is_the_last_one_before_the_time_that_is_expected(repo):
    repo.edit("top/daily.sch.yaml", 'cron: "0 3 * * *"', 'cron: ["*/20 * * * *", "50 5 * * *"]')
    repo.commit()
    deployed = repo.deploy().deployment
    record(deployed, "r1", "succeeded", tomorrow(deployed, 5, 49))
    (said,) = tell(deployed, repo, tomorrow(deployed, 14))
    assert said.startswith("alice.top.daily is late: ")
    assert tell(deployed, repo, tomorrow(deployed, 15)) == []
