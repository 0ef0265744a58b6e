"""Two packages with helpers of one name and other versions of a dependency: each gets its own, however it is run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.support.packages import definition, identity, spark
from tests.support.repositories import commit, git

pytestmark = [pytest.mark.spark, pytest.mark.long]

MAIN = definition(spark("src/write.py"))
BOTH = """\
version: 1
workflow:
  id: ${dataflow.package_id}.both
jobs:
  - job:
      id: north
      type: Subworkflow
      subworkflow:
        file: ./main.sch.yaml
  - job:
      id: south
      type: Subworkflow
      subworkflow:
        file: ../south/main.sch.yaml
dag: []
"""
SCRIPT = """\
import dfcolours
import helpers
from pyspark.sql import functions as F


def told(_):
    return f"{helpers.NAME} {dfcolours.VERSION}"


def main(args, spark):
    print("on the driver:", told(None))
    print("on a worker:", spark.range(1).select(F.udf(told)("id")).first()[0])
"""
TEST = """\
import dfcolours
import helpers


def test_it():
    assert (helpers.NAME, dfcolours.VERSION) == ("%s", "%s")
"""
PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "%s"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["dfcolours==%s"]

[tool.hatch.build.targets.wheel]
packages = ["lib/helpers"]

"""


COMPASS = """\
version: 1
project: compass
environments:
  production:
    branch: main
    params:
      TARGET_DB: prod
"""


class World:
    """A repository with two packages, and the command in it."""

    def __init__(self, command, index):
        self.command, self.index = command, index
        self.folder = command.folder
        git(self.folder, "init", "--quiet")
        self.write("dataflow.yaml", COMPASS)
        for name, version in (("north", "1.0"), ("south", "2.0")):
            self.needs(name, version)
            self.write(f"{name}/main.sch.yaml", MAIN)
            self.write(f"{name}/identity.yaml", identity("alice", name))
            self.write(f"{name}/src/write.py", SCRIPT)
            self.write(f"{name}/src/test_write.py", TEST % (name, version))
            self.write(f"{name}/lib/helpers/__init__.py", f"NAME = {name!r}\n")

    def needs(self, name, version):
        self.write(f"{name}/pyproject.toml", PROJECT % (name, version) + self.index.table())

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def deploy(self):
        commit(self.folder)
        return self.command("project", "deploy")

    def watched(self):
        """Return how each test ended, by folder, when the watcher has run them all."""
        argv = [sys.executable, "-m", "dataflow", "project", "test", "--watch", "--output", "json"]
        process = subprocess.Popen(argv, cwd=self.folder, env=self.command.environ, stdout=subprocess.PIPE, text=True)
        try:
            events = []
            for line in process.stdout:
                events.append(json.loads(line))
                if events[-1]["event"] == "verdict":
                    break
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=120)
        return {it["folder"].rpartition("/")[2]: it["outcome"] for it in events if it["event"] == "test"}


@pytest.fixture
def world(spark_command, index):
    return World(spark_command, index)


def said(done):
    return [line for line in done.stdout.splitlines() if line.startswith("on ")]


def by(name, version):
    return [f"on the driver: {name} {version}", f"on a worker: {name} {version}"]


def test_run_tested_and_watched_each_has_its_own_code_and_versions(world):
    command = world.command
    first = command("workflow", "run", "north")
    assert said(first) == by("north", "1.0")
    assert "made north/pylock.toml: commit it" in first.stderr
    tested = command("project", "test").stdout
    assert "PASSED  ./north (pytest)  1 test" in tested
    assert "PASSED  ./south (pytest)  1 test" in tested
    assert world.watched() == {"north": "passed", "south": "passed"}
    second = command("workflow", "run", "south")
    assert said(second) == by("south", "2.0")
    assert "lock" not in second.stderr
    assert "making" not in second.stderr


def test_deployed_each_has_its_own_code_and_the_versions_that_were_committed(world, tmp_path):
    world.command("project", "lock")
    deployed = world.deploy()
    assert "DEPLOYED AS dataflow.wheel.north.alice." in deployed.stdout
    assert "locking" not in deployed.stderr
    world.folder.rename(tmp_path / "gone")
    world.folder.mkdir()
    for name, version in (("north", "1.0"), ("south", "2.0")):
        assert said(world.command("workflow", "run", "--deployed", f"{name}.main")) == by(name, version)


def test_in_one_workflow_those_that_disagree_are_refused_by_name_and_others_run_side_by_side(world):
    command = world.command
    world.write("north/both.sch.yaml", BOTH)
    refused = command("workflow", "run", "north/both.sch.yaml", code=2)
    assert "north/pylock.toml has dfcolours 1.0, south/pylock.toml has 2.0: a run has one Python" in refused.stderr
    git(world.folder, "add", "-A")
    git(world.folder, "commit", "-q", "-m", "they disagree")
    told = command("project", "deploy", code=2).stderr
    assert "dfcolours 1.0" in told
    assert "2.0: a run has one Python environment" in told
    world.needs("south", "1.0")
    stale = command("workflow", "run", "north/both.sch.yaml", code=2).stderr
    assert "south/pylock.toml is stale: south/pyproject.toml asks for something else" in stale
    assert "dataflow project lock south" in stale
    command("project", "lock", "south")
    expected = sorted(by("north", "1.0") + by("south", "1.0"))
    assert sorted(said(command("workflow", "run", "north/both.sch.yaml"))) == expected
    world.deploy()
    assert sorted(said(command("workflow", "run", "--deployed", "north.both"))) == expected
