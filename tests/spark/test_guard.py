"""Whatever way a job's code writes: the own table's rows land on the run's branch, and nothing else changes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dataflow.spark.guard import WriteScope, scoped_session
from tests.support.attack_world import PASSES, REFUSED, WRITTEN
from tests.support.attacks import ATTACKS
from tests.support.places import ROOT

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Try all ways to write, in a Spark that was started as a run's is."""
    folder = tmp_path_factory.mktemp("attacks") / "world"
    command = [sys.executable, "-m", "tests.support.attacks", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("kind", ["plain", "wap"])
def test_a_write_lands_where_it_may_or_is_refused_and_nothing_else_changes(outcomes, name, kind):
    expected, found = getattr(ATTACKS[name], kind), outcomes[name][kind]
    assert not found["others"], found
    if kind == "wap":
        assert not found["main"], found
    if expected == REFUSED:
        assert found["refused"] or "WriteRefused" in found["said"], found
        assert not found["main"], found
        assert not found["branch"], found
    else:
        assert not found["refused"], found
        assert not found["said"], found
    if expected == WRITTEN:
        assert found["main" if kind == "plain" else "branch"], found
        assert not found["branch" if kind == "plain" else "main"], found
    assert expected in {REFUSED, WRITTEN, PASSES}


def test_a_refusal_says_what_would_be_written_and_what_to_do(outcomes):
    said = {name: outcomes[name]["plain"]["refused"] for name in ("sql insert: foreign", "drop: another package's")}
    assert said == {
        "sql insert: foreign": "INSERT would write prod.victim, which is outside mine, the database of environment "
        "sandbox",
        "drop: another package's": "DROP TABLE would write table mine.theirs, which belongs to package bob.plays of "
        "bob",
    }
    inside = {
        name: outcomes[name]["wap"]["refused"] for name in ("sql insert: foreign", "wap add column", "mergeInto: own")
    }
    assert inside == {
        "sql insert: foreign": "INSERT inside wap would write prod.victim, without audits and straight to its readers",
        "wap add column": "ADD COLUMNS inside wap would reach readers of mine.t before its audits",
        "mergeInto: own": "MERGE inside wap changes rows of mine.t that are there, and the run replaces them all",
    }


# ---------------------------------------------------------------------------------- the job's own session


def test_a_script_that_fetches_its_own_session_gets_the_job_s(spark):
    from pyspark.sql import SparkSession

    with scoped_session(spark, WriteScope("nothing")) as own:
        assert SparkSession.builder.appName("mine").getOrCreate() is own


def test_a_script_that_stops_its_session_stops_nothing(spark):
    with scoped_session(spark, WriteScope("nothing")) as own:
        own.stop()
        spark.stop()
    assert spark.range(3).count() == 3
