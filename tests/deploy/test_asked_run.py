"""What a retry and a backfill of deployed workflows run: by their bundle, from the registry alone."""

from __future__ import annotations

import datetime as dt
import shutil

import pytest

from dataflow.deploy.asked_run import asked_of_bundle, prepare_retry
from dataflow.deploy.deployed_run import find_deployed, prepare_run
from dataflow.errors import UsageError
from dataflow.runner.options import RunOptions
from dataflow.runner.results import StepResult
from dataflow.runner.run_start import begun
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import RunRecords
from dataflow.workflow.each_period import load_each
from dataflow.workflow.load import Request
from dataflow.workflow.periods import Cadence

DAY = dt.date(2026, 1, 31)
JANUARY = [Cadence.DAILY.at(dt.date(2026, 1, day)) for day in (29, 30, 31)]


@pytest.fixture
def records(tmp_path):
    with StateDatabase(f"sqlite:///{tmp_path / 'state.db'}") as database:
        yield RunRecords(database)


def run(records, workflow, tmp_path, options=None, done=(), status="failed"):
    """Record a run that did some of its steps, as a runner does."""
    with begun(records, workflow, tmp_path / "run.log", options or RunOptions()) as it:
        for step in done:
            it.recorder.record_step(StepResult(step, "succeeded", dt.datetime.now(dt.UTC)))
        it.recorder.record_end(status, [], [])
    return workflow.run_id


def retry(records, run_id, repo, step=None):
    return prepare_retry(records, run_id, step, lambda: repo.registry, str)


def test_a_retry_has_the_bundle_the_parameters_and_the_days_of_then_whatever_is_deployed_since(repo, records, tmp_path):
    repo.deploy()
    found = find_deployed(repo.registry, "alice.top.daily")
    _, workflow = prepare_run(repo.registry, found, Request(date=DAY, params={"LOOKBACK_DAYS": "2"}))
    run_id = run(records, workflow, tmp_path, done=["each_day/2026-01-30"])
    repo.edit("top/src/write.sql", "SUM(view_hours)", "MAX(view_hours)")
    repo.commit()
    repo.deploy()

    again = retry(records, run_id, repo)
    assert again.workflow.bundle == found.sha256 != find_deployed(repo.registry, "alice.top.daily").sha256
    assert again.workflow.run_id != run_id
    assert again.workflow.steps[0].dates == ("2026-01-30", "2026-01-31")
    assert again.options.resume.done == {"each_day/2026-01-30"}
    assert again.changed == ()
    inner = next(it for it in again.workflow.walk() if it.id == "alice.top.main")
    assert "SUM(view_hours)" in (inner.folder / "src" / "write.sql").read_text()

    (_, prefix, _) = run_id.partition(run_id[:12])
    assert retry(records, prefix, repo).workflow.id == "alice.top.daily"  # the beginning of an id is enough
    second = run(records, again.workflow, tmp_path, again.options)
    assert records.run(second)["asked"]["retry_of"] == run_id
    assert retry(records, second, repo).workflow.params == again.workflow.params


def test_from_a_step_on_all_is_done_again_in_each_day_or_in_one(repo, records, tmp_path):
    repo.deploy()
    found = find_deployed(repo.registry, "alice.top.daily")
    _, workflow = prepare_run(repo.registry, found, Request(date=DAY))
    days = [f"each_day/{day}" for day in JANUARY]
    run_id = run(records, workflow, tmp_path, done=[*days, "each_day"], status="succeeded")
    with pytest.raises(UsageError, match="has succeeded: nothing of it is left to do"):
        retry(records, run_id, repo)

    assert retry(records, run_id, repo, "each_day").options.resume.done == frozenset()
    assert retry(records, run_id, repo, days[1]).options.resume.done == {days[0], days[2]}
    resume = retry(records, run_id, repo, "wap").options.resume
    assert resume.done == frozenset()
    assert {day: it.done for day, it in resume.inside.items()} == dict.fromkeys(days, frozenset({"ddl", "metadata"}))
    with pytest.raises(UsageError, match="has no step 'each_day/2026-01-03'; did you mean 'each_day/2026-01-3"):
        retry(records, run_id, repo, "each_day/2026-01-03")


def test_a_backfill_of_what_is_deployed_and_its_retry_run_from_the_bundle(repo, records, tmp_path):
    repo.deploy()
    registry = repo.registry
    asked = asked_of_bundle(registry, find_deployed(registry, "alice.top.main"), Request())
    shutil.rmtree(repo.folder / "top")
    workflow = load_each(asked.file, asked.request, JANUARY[::-1], parallel=3, fail_fast=False)
    assert workflow.id == "alice.top.main.backfill"
    (step,) = workflow.steps
    days = [it.step.workflow.params["EXECUTION_DATE"] for it in step.items]
    assert days == ["2026-01-31", "2026-01-30", "2026-01-29"]
    assert {it.step.workflow.bundle for it in step.items} == {asked.request.bundle}
    assert [it.step.workflow.run_id for it in step.items] == [f"{workflow.run_id}_{n}" for n in (1, 2, 3)]

    options = RunOptions(days=step.dates, parallel=3)
    run_id = run(records, workflow, tmp_path, options, done=["each_day/2026-01-31"])
    again = retry(records, run_id, repo)
    assert again.workflow.id == "alice.top.main.backfill"
    assert again.workflow.steps[0].dates == step.dates
    assert (again.workflow.steps[0].parallel, again.options.resume.done) == (3, {"each_day/2026-01-31"})
