"""Schedules of the local backend: what is due, and that it runs once."""

from __future__ import annotations

import datetime as dt
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataflow.deploy import deployments
from dataflow.deploy.backends.local import due, install_hint, latest_moment, run_due
from dataflow.deploy.backends.moments import next_moment
from dataflow.deploy.backends.statuses import statuses
from dataflow.deploy.bundle.manifest import Schedule
from dataflow.state import run_records as store
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import RunRecords

DAY = dt.timedelta(days=1)


def at(deployment, days=1.0):
    """Return a moment so many days after a deployment, when its daily workflow has come due."""
    return deployment.revision.at + days * DAY


@pytest.fixture
def production(repo):
    return repo.deploy().deployment


def run(found, registry, code=0, calls=None):
    def start(it, _):
        if calls is not None:
            calls.append(it)
        return code

    return run_due(found, registry, start)


def test_what_a_schedule_made_due_runs_once(repo, production):
    assert due(production, production.revision.at) == []
    (found,) = due(production, at(production))
    assert found.workflow == "alice.top.daily"
    assert (found.moment.hour, str(found.moment.tzinfo)) == (3, "Europe/Berlin")
    calls = []
    assert run(found, repo.registry, calls=calls) == 0
    assert (calls[0].workflow, calls[0].date) == ("alice.top.daily", found.moment.date() - DAY)
    assert due(production, at(production)) == []
    assert run(found, repo.registry) is None  # whoever looked at the same moment comes too late


def test_of_missed_moments_the_last_one_runs(repo, production):
    (found,) = due(production, at(production, 5))
    assert found.moment == latest_moment(Schedule(cron="0 3 * * *", timezone="Europe/Berlin"), at(production, 5))
    run(found, repo.registry)
    assert due(production, at(production, 5)) == []
    assert len(due(production, at(production, 6))) == 1


def test_a_new_deployment_of_a_workflow_misses_no_moment(repo, production):
    moment = at(production)
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    again = repo.deploy().deployment
    assert len(due(again, moment)) == 1


def test_a_failed_run_is_over_until_its_next_moment(repo, production):
    (found,) = due(production, at(production))
    assert run(found, repo.registry, code=1) == 1
    assert due(production, at(production)) == []
    assert len(due(production, at(production, 2))) == 1


def test_branches_and_sandboxes_are_paused(repo):
    repo.branch("feature")
    deployment = repo.deploy().deployment
    assert due(deployment, at(deployment, 3)) == []


def fork(work):
    pid = os.fork()
    if pid:
        return pid
    try:
        os._exit(work())
    except BaseException:
        os._exit(99)


def test_of_many_callers_at_once_one_runs_it(repo, production, tmp_path):
    def call():
        def start(*_):
            (tmp_path / f"ran-{os.getpid()}").touch()
            time.sleep(0.5)
            return 0

        for found in due(production, at(production)):
            run_due(found, repo.registry, start)
        return 0

    pids = [fork(call) for _ in range(6)]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 6
    assert len(list(tmp_path.glob("ran-*"))) == 1


def test_what_was_killed_is_taken_over_and_what_runs_is_left_alone(repo, production, tmp_path):
    started = tmp_path / "started"

    def call():
        def start(*_):
            started.touch()
            time.sleep(60)
            return 0

        run_due(due(production, at(production))[0], repo.registry, start)
        return 0

    pid = fork(call)
    while not started.exists():
        time.sleep(0.02)
    assert due(production, at(production)) == []
    assert due(production, at(production, 3)) == []  # never two runs of a workflow at once
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    (found,) = due(production, at(production))
    assert run(found, repo.registry) == 0


def test_the_backend_tells_how_workflows_stand(production):
    states = {it.workflow: it for it in statuses(production)}
    daily = states["alice.top.daily"]
    assert daily.schedule == "0 3 * * * Europe/Berlin"
    assert daily.next > dt.datetime.now(dt.UTC)
    assert states["alice.top.main"].schedule is None


def test_the_lines_for_cron_and_systemd_carry_all_that_a_shell_has(tmp_path):
    log = tmp_path / "due log.txt"
    hint = install_hint("production", {"DATAFLOW_HOME": "/a b/c", "DATAFLOW_REGISTRY": "s3://x/50%"}, log)
    command = f"{shlex.quote(sys.executable)} -m dataflow workflow due --env production"
    assert hint == (
        "# crontab -e\n"
        f"* * * * * DATAFLOW_HOME='/a b/c' DATAFLOW_REGISTRY=s3://x/50\\% {command} >> '{log}' 2>&1\n"
        "\n"
        "# ~/.config/systemd/user/dataflow-due.service\n"
        "[Service]\n"
        "Type=oneshot\n"
        'Environment="DATAFLOW_HOME=/a b/c"\n'
        'Environment="DATAFLOW_REGISTRY=s3://x/50%%"\n'
        f"ExecStart={command}\n"
        f"StandardOutput=append:{log}\n"
        f"StandardError=append:{log}\n"
        "\n"
        "# ~/.config/systemd/user/dataflow-due.timer; then: systemctl --user enable --now dataflow-due.timer\n"
        "[Timer]\n"
        "OnCalendar=minutely\n"
        "[Install]\n"
        "WantedBy=timers.target\n"
    )


def test_the_line_for_cron_finds_what_is_deployed_with_nothing_else_in_its_environment(
    dataflow_command, repo, production, tmp_path
):
    assert deployments.current(repo.registry, production.name) is not None
    dataflow_command.environ["DATAFLOW_HOME"] = os.environ["DATAFLOW_HOME"]
    hint = dataflow_command("workflow", "due", "--install-hint", folder=repo.folder).stdout
    line = hint.splitlines()[1].removeprefix("* * * * * ").replace("\\%", "%")
    subprocess.run(["/bin/sh", "-c", line], env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path, check=True)
    log = Path(shlex.split(line)[-2])
    assert log.read_text().startswith("nothing is due; next is alice.top.daily in production, ")


def test_the_command_line_says_what_is_due_next(dataflow_command, repo, production):  # noqa: ARG001 - it is deployed
    dataflow_command.environ["DATAFLOW_HOME"] = os.environ["DATAFLOW_HOME"]
    schedule = Schedule(cron="0 3 * * *", timezone="Europe/Berlin")
    coming = f"{next_moment(schedule, dt.datetime.now(dt.UTC)):%Y-%m-%d %H:%M %Z}"
    assert dataflow_command("workflow", "due", "--dry-run", folder=repo.folder).stdout == (
        f"nothing is due; next is alice.top.daily in production, {coming}\n"
    )
    assert dataflow_command.json("workflow", "due", "--dry-run", folder=repo.folder) == []
    assert "crontab" in dataflow_command("workflow", "due", "--install-hint").stdout
    assert "nothing is deployed to nowhere" in dataflow_command("workflow", "due", "--env", "nowhere", code=2).stderr
    assert deployments.current(repo.registry, "production") is not None


def test_schedules_are_listed_with_their_last_run_and_the_next_one(dataflow_command, repo, production):
    dataflow_command.environ |= {"DATAFLOW_HOME": os.environ["DATAFLOW_HOME"], "TZ": "UTC"}
    repo.branch("feature")
    repo.deploy()
    began = dt.datetime(2026, 2, 1, 2, 0, tzinfo=dt.UTC)
    with StateDatabase(production.revision.state) as database:
        row = {"run_id": "20260201t020000_abcdef", "workflow_id": "alice.top.daily", "environment": "production"}
        times = {"status": "failed", "started": began, "ended": began}
        RunRecords(database).insert(store.runs, {**row, **times, "params": {}})
    schedule = Schedule(cron="0 3 * * *", timezone="Europe/Berlin")
    coming = next_moment(schedule, dt.datetime.now(dt.UTC))
    found = dataflow_command.json("workflow", "schedules", folder=repo.folder)
    assert [(it["workflow"], it["paused"], it["next"]) for it in found] == [
        ("alice.top.daily", False, coming.isoformat()),
        (found[1]["workflow"], True, None),
    ]
    shown = dataflow_command("workflow", "schedules", "--env", "production", folder=repo.folder).stdout
    lines = [line.strip() for line in shown.splitlines() if line.strip() and "─" not in line]
    assert [re.split(" {2,}", line) for line in lines] == [
        ["workflow", "environment", "schedule", "last", "status", "next"],
        [
            "alice.top.daily",
            "production",
            "0 3 * * * Europe/Berlin",
            "2026-02-01 02:00 UTC",
            "failed",
            f"{coming:%Y-%m-%d %H:%M %Z}",
        ],
    ]


def test_where_nothing_can_be_due_it_is_said_why_and_what_to_do(dataflow_command, repo):
    dataflow_command.environ["DATAFLOW_HOME"] = os.environ["DATAFLOW_HOME"]

    def said():
        return dataflow_command("workflow", "due", folder=repo.folder).stdout

    assert said() == (
        "nothing is deployed, so nothing is ever due: `dataflow project deploy` deploys the current branch\n"
    )
    assert dataflow_command("workflow", "schedules", folder=repo.folder).stdout == (
        "no deployed workflow has a schedule: a `trigger:` in its *.sch.yaml gives it one\n"
    )
    repo.branch("feature")
    repo.deploy()
    assert said() == "nothing is due: schedules of sandboxes and branches are paused\n"


def test_a_schedule_that_never_comes_keeps_no_other_from_running(production):
    ((key, package),) = production.revision.packages.items()
    impossible = {"alice.bad": Schedule(cron="0 3 31 2 *", timezone="UTC")}  # as an earlier version deployed it
    packages = {key: package.model_copy(update={"workflows": {**impossible, **package.workflows}})}
    deployment = production.model_copy(
        update={"revision": production.revision.model_copy(update={"packages": packages})}
    )
    told = []
    found = due(deployment, at(deployment), lambda *it: told.append(it))
    assert [it.workflow for it in found] == ["alice.top.daily"]
    ((workflow, error),) = told
    assert workflow == "alice.bad"
    assert "never comes" in error.message
