"""Runs that meet, are stopped, go on: as a user starts them, processes of their own on the embedded default."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.support.places import EXAMPLE

pytestmark = [pytest.mark.spark, pytest.mark.long]

DAY = "2026-01-31"
PAUSE = """\
import os, pathlib, time


def main(args, spark):
    here = pathlib.Path(__file__).parent
    if (here / "slow").exists() and args["EXECUTION_DATE"] == "{day}":
        (here / "began").touch()
        for _ in range(300):
            time.sleep(0.2)
            spark.sql("SELECT 1").collect()
    if (here / "broken").exists():
        raise ValueError("the night goes wrong")
"""
STEP = """\
  - job:
      id: pause
      type: Spark
      spark:
        script: ./src/pause.py
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, spark_commands):
    folder = tmp_path_factory.mktemp("nights")
    spark_commands(folder, folder / "home")("sample", "source", "--rows", "2000", "--from", "2026-01-27", "--to", DAY)
    return folder / "home"


@pytest.fixture
def package(home, spark_commands, tmp_path):
    """The example, with a step between its metadata and its table that a test may have take long, or fail."""
    shutil.copytree(EXAMPLE, tmp_path / "package")
    command = spark_commands(tmp_path, home, "alice")
    (tmp_path / "package" / "src" / "pause.py").write_text(PAUSE.format(day="2026-01-29"))
    main = tmp_path / "package" / "main.sch.yaml"
    text = main.read_text()
    first, template = text.split("  - template:\n")
    main.write_text(f"{first}{STEP}\n  - template:\n{template.replace('metadata -> wap', 'metadata -> pause -> wap')}")
    command.src = tmp_path / "package" / "src"
    return command


@pytest.fixture
def start():
    """Start a command and let it run, until the test is over at the latest."""
    started = []

    def begin(command, *arguments):
        started.append(begun(command, *arguments))
        return started[-1]

    yield begin
    for it in started:
        it.kill()
        it.communicate()


def begun(command, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "dataflow", *arguments],
        cwd=command.folder,
        env=command.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(path, seconds=90):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.05)


def run_of(text):
    return re.search(r"^run (\S+) of ", text, re.M)[1]


def steps(run):
    return {step["id"]: (step["status"], step["detail"]) for step in run["steps"]}


def test_a_backfill_is_met_stopped_logged_and_goes_on(package, start):
    span = ("--from", "2026-01-28", "--to", "2026-01-30")
    (package.src / "slow").touch()
    running = start(package, "workflow", "backfill", "package", *span, "--parallel", "1")
    wait_for(package.src / "began")

    # A run of the same day waits, without a JVM, until it is stopped; one of another day goes on.
    waiting = start(package, "workflow", "run", "package", "--date", "2026-01-29")
    said = ""
    while "waits for" not in said:
        said += waiting.stderr.readline()
    backfill = json.loads(package("workflow", "runs", "--output", "json").stdout)[1]["run_id"]
    assert re.search(rf"waits for run {backfill}_2 of alice since \d\d:\d\d\n$", said)
    listed = package.json("workflow", "runs", "--all")
    assert {run["run_id"]: run["status"] for run in listed}[run_of(said)] == "waiting"
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=120)
    assert (waiting.returncode, out) == (130, "")
    assert err.endswith("stopped: nothing half-written is visible\n")
    assert package.json("workflow", "show", run_of(said))["status"] == "cancelled"

    # From another terminal.
    done = package("workflow", "cancel", backfill[:20])
    assert done.stdout == f"run {backfill} of alice.package.main.backfill was cancelled\n"
    out, err = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "stops: cancelled by alice" in err
    assert "1 of 3 days succeeded" in out
    logged = package("workflow", "logs", backfill).stdout
    assert re.search(rf"^{backfill}_1/wap \| succeeded in [\d.]+ s: \d", logged, re.M)
    assert re.search(rf"^{backfill}_2/pause \| cancelled in [\d.]+ s: cancelled by alice$", logged, re.M)

    # The same command goes on with what is left.
    (package.src / "slow").unlink()
    done = package("workflow", "backfill", "package", *span, "--parallel", "1")
    assert "2 of 3 days: 1 succeeded with these definitions · 1 at a time" in done.stderr
    assert "2 of 2 days succeeded" in done.stdout
    done = package("workflow", "backfill", "package", *span)
    assert done.stdout == (
        "nothing to do: 0 of 3 days: 3 succeeded with these definitions; --only all runs them again\n"
    )


def test_a_retry_does_what_did_not_succeed_and_all_from_a_step(package):
    (package.src / "broken").touch()
    failed = package.json(
        "workflow", "run", "package", "--date", DAY, "-p", "SOURCE_TABLE=dataflow_demo.playback", code=1
    )
    assert [status for status, _ in steps(failed).values()] == [
        "succeeded",
        "succeeded",
        "failed",
        "skipped",
        "skipped",
    ]
    (package.src / "broken").unlink()
    again = package.json("workflow", "retry", "last")
    before = f"done by run {failed['run_id']}"
    assert again["status"] == "succeeded"
    assert steps(again)["ddl"] == steps(again)["metadata"] == ("succeeded", before)
    assert [steps(again)[step][0] for step in ("pause", "wap", "hwm")] == ["succeeded"] * 3
    assert again["params"] == failed["params"]
    assert package("workflow", "retry", again["run_id"], code=2).stderr.startswith(
        f"error: run {again['run_id']} has succeeded: nothing of it is left to do"
    )
    third = package.json("workflow", "retry", again["run_id"], "--from", "hwm")
    done = f"done by run {again['run_id']}"
    assert [detail == done for _, detail in steps(third).values()] == [True] * 4 + [False]
    assert (
        "has no step 'whap'; did you mean 'wap'?"
        in package("workflow", "retry", "last", "--from", "whap", code=2).stderr
    )
