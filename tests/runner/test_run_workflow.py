"""A run from start to end, as a command asks for it, with doubles for Spark and for the run itself."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace

import pytest

from dataflow.errors import UsageError
from dataflow.jobs.context import Published
from dataflow.runner import runner as runner_module
from dataflow.runner.options import RunOptions
from dataflow.runner.progress import NoProgress
from dataflow.runner.results import RunResult, StepResult
from dataflow.runner.run_workflow import run_workflow
from dataflow.spark import session
from dataflow.spark.launch_env import SparkLaunch
from tests.support import definitions

package, edit, load = definitions.package, definitions.edit, definitions.load

ROW = {"id": 1}


class FakeSpark:
    """Answers each query with one row."""

    def __init__(self):
        self.queries = []

    def sql(self, query):
        self.queries.append(query)
        return SimpleNamespace(collect=lambda: [SimpleNamespace(asDict=lambda: ROW)])


class FakeEngine:
    """Starts no JVM, and keeps what happens in order."""

    exit_error = None
    launch = SparkLaunch()

    def __init__(self, *_, **__):
        self.events = []
        self.spark = FakeSpark()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.events.append("closed")

    def accelerate(self, acceleration):
        self.acceleration = acceleration

    def begin(self):
        self.events.append("began")


class FakeRunner:
    """Returns a result, and keeps what it was asked for."""

    def __init__(self, left_running):
        self.left_running = left_running

    def __call__(self, context, prepare):
        self.context, self.prepare = context, prepare
        return self

    def run(self, workflow, options):
        self.options = options
        published = Published("db.t", "date=2026-01-01", "date = DATE '2026-01-01'", 1, 7)
        step = StepResult("wap", "succeeded", dt.datetime.now(dt.UTC), published=published)
        return RunResult(workflow, "succeeded", 0.0, (step,), Path("log"), left_running=self.left_running)


@pytest.fixture
def start(load, monkeypatch, tmp_path):
    """Run a workflow with doubles; return the outcome, the engine and the runner."""
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))

    def run(options=RunOptions(), *, left_running=False):  # noqa: B008 - it is frozen
        engine, runner = FakeEngine(), FakeRunner(left_running)
        monkeypatch.setattr(session, "Engine", lambda *_, **__: engine)
        monkeypatch.setattr(runner_module, "Runner", runner)
        return run_workflow(load(), options, NoProgress()), engine, runner

    return run


def test_an_outcome_has_the_first_rows_of_what_was_published_last(start):
    outcome, engine, _ = start()
    assert outcome.result.status == "succeeded"
    assert outcome.preview == [ROW]
    assert engine.spark.queries == ["SELECT * FROM `db`.`t` WHERE date = DATE '2026-01-01' LIMIT 5"]
    assert engine.events == ["began", "closed"]


def test_no_rows_are_read_while_user_code_that_was_cancelled_still_runs(start):
    outcome, engine, _ = start(left_running=True)
    assert outcome.preview == ()
    assert engine.spark.queries == []


def test_the_options_of_a_run_reach_its_runner(start):
    options = RunOptions(only="ddl", adopt=True)
    assert start(options)[2].options == options


def test_a_step_that_the_workflow_lacks_is_refused_before_a_jvm_starts(load, monkeypatch, tmp_path):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(session, "Engine", lambda *_, **__: pytest.fail("a JVM was started"))
    with pytest.raises(UsageError, match="no job 'nope'"):
        run_workflow(load(), RunOptions(only="nope"), NoProgress())
