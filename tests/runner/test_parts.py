"""Runs whose steps a scheduler starts one by one: the end of one, without Spark, and what its steps are told."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest

from dataflow.jobs.context import PartOfRun
from dataflow.runner.options import RunOptions
from dataflow.runner.parts import end_of_parts, is_over, with_one_attempt
from dataflow.runner.progress import NoProgress
from dataflow.runner.run_recorder import RunRecorder
from dataflow.runner.run_start import asked_of
from dataflow.state.run_records import open_run_records
from dataflow.workflow.load import Request, load_workflow
from tests.support.packages import EVERY_DAY, definition, spark

RETRIED = "      retries: 2\n      infrastructure_retries: 3\n"


class Notes(NoProgress):
    """Keeps what a run reports."""

    def __init__(self):
        self.notes = []

    def note(self, run, text):  # noqa: ARG002
        self.notes.append(text)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATAFLOW_USER", "alice")
    package = tmp_path / "package"
    package.mkdir()
    text = definition(
        spark("a.sql", "first") + RETRIED,
        spark("a.sql", "second") + "      retries: 2\n      on_failure: ignore\n",
        spark("a.sql", "third"),
        name="films.main",
        params=EVERY_DAY,
        head="notifications:\n  on_failure: [alice@example.org]\n",
    )
    (package / "main.sch.yaml").write_text(text)
    (package / "a.sql").write_text("SELECT '${EXECUTION_DATE}';\n")
    return package


def load(folder):
    return load_workflow(folder / "main.sch.yaml", Request(date=dt.date(2026, 1, 31)))


def test_a_step_of_a_schedulers_run_is_tried_once_and_infrastructure_as_often_as_it_says(folder):
    workflow = load(folder)
    part = PartOfRun("scheduled__1")
    first = with_one_attempt(workflow, RunOptions(only="first", part=part)).choose("first")[0].job
    assert (first.retries, first.infrastructure_retries) == (0, 3)
    third = with_one_attempt(workflow, RunOptions(only="third", part=part)).choose("third")[0].job
    assert (third.retries, third.infrastructure_retries) == (0, 0)
    warning = with_one_attempt(workflow, RunOptions(only="second", part=part)).choose("second")[0].job
    assert warning.retries == 2  # its failure is none to whoever started it
    assert with_one_attempt(workflow, RunOptions(only="first")) is workflow


def test_what_is_done_by_parts_ends_as_one_run_of_that_day(folder, tmp_path):
    workflow = load(folder)
    part = PartOfRun("scheduled__1", frozenset({"first", "second", "third"}))
    assert is_over(workflow, part)
    assert not is_over(workflow, PartOfRun("scheduled__1", frozenset({"first"})))
    result = end_of_parts(workflow, RunOptions(part=part), part, NoProgress(), tmp_path / "log")
    assert result.status == "succeeded"
    with open_run_records(None) as records:
        found = records.run("last")
        assert [(job["job_id"], job["status"], job["detail"]) for job in found["jobs"]] == [
            (name, "succeeded", "done by run scheduled__1") for name in ("first", "second", "third")
        ]
        assert found["asked"]["part_of"] == "scheduled__1"
        assert [day.day for day in records.days_of("films.main", "sandbox")] == ["2026-01-31"]


def test_the_end_of_a_run_that_failed_says_which_step_and_why(folder, tmp_path):
    workflow = load(folder)
    step = RunOptions(only="second", part=PartOfRun("scheduled__2"))
    with open_run_records(None) as records:
        asked = asked_of(workflow, step)
        recorder = RunRecorder(records, workflow, tmp_path / "log", asked=asked)
        with contextlib.suppress(RuntimeError), recorder.record_failure():  # what a part that tried it came to
            raise RuntimeError("the source is gone")
        part = PartOfRun("scheduled__2", frozenset({"first"}), failed=True)
        again = load(folder)
        result = end_of_parts(again, RunOptions(part=part), part, progress := Notes(), tmp_path / "log")
        assert result.status == "failed"
        assert [(job["job_id"], job["status"], job["error"]) for job in records.run(again.run_id)["jobs"]] == [
            ("first", "succeeded", None),
            ("second", "failed", "the source is gone"),
            ("third", "skipped", None),
        ]
        assert any("alice@example.org" in line for line in progress.notes)


def test_a_step_that_no_part_says_anything_of_is_the_one_that_failed(folder, tmp_path):
    workflow = load(folder)
    part = PartOfRun("scheduled__3", frozenset({"first"}), failed=True)
    result = end_of_parts(workflow, RunOptions(part=part), part, NoProgress(), tmp_path / "log")
    [(_, failed)] = result.failed_steps
    assert (failed.id, str(failed.error)) == ("second", "the scheduler says that it failed; its own log knows why")


def test_options_of_a_part_that_belong_to_none_are_refused(folder, here_command):
    for options, message in (
        (["--done", "first"], "--done and --failed are of the end of a run: add --part-of RUN"),
        (["--part-of", "x", "--job", "first", "--failed"], "--job and --done exclude each other"),
    ):
        done = here_command("workflow", "run", str(folder / "main.sch.yaml"), *options, code=2)
        assert message in done.stderr
