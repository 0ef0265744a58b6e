"""Commands in containers of a real engine, which the tests start and end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataflow import container
from dataflow.spark import class_data_archive
from tests.support.docker_engine import IMAGE, CannotRun, DockerEngine, hindrance, is_readable_by_others
from tests.support.packages import definition, spark
from tests.support.places import ROOT
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.long, pytest.mark.tools("Docker")]
ALICE = 12345
WAITING = """\
import pathlib, time

def main(args, spark):
    print("rows:", spark.sql("SELECT 1 + 1").collect())
    pathlib.Path("begun").touch()
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def engine():
    if why := hindrance():
        pytest.skip(why)
    found = DockerEngine()
    try:
        try:
            found.start()
        except CannotRun as error:
            pytest.skip(str(error))
        yield found
    finally:
        found.stop()


class Containers:
    """`dataflow --run-in-docker` in a folder, with a home of its own."""

    def __init__(self, engine, command):
        self.engine, self.folder, home = engine, command.folder, command.folder.parent / "alice"
        home.mkdir()
        self.home = Path(command.environ["DATAFLOW_HOME"])
        self.home.mkdir(exist_ok=True)
        kept = ("PATH", "DATAFLOW_HOME", "DATAFLOW_USER")
        self.environ = {
            **{name: command.environ[name] for name in kept}, **engine.environ, "HOME": str(home), "USER": "alice",
            "LOGNAME": "alice", "TERM": "xterm", "DATAFLOW_CONTAINER_OPTIONS": engine.options,
        }  # fmt: skip
        self.user = os.getuid()

    def belongs_to(self, user):
        """Give all that is there to a user, as whom commands run from now on; this process stays root."""
        self.user = user
        for path in (self.folder, *self.folder.rglob("*"), self.home, Path(self.environ["HOME"])):
            os.chown(path, user, user)

    def start(self, *words):
        patched = f"import os; os.getuid = os.getgid = lambda: {self.user}; os.getgroups = lambda: []"
        script = f"{patched}; from dataflow.__main__ import main; main()"
        command = [sys.executable, "-c", script, "--run-in-docker", "--docker-image", IMAGE, *words]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, env=self.environ, text=True, **streams)

    def __call__(self, *words, code=0):
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, f"{out}\n{err}"
        return out, err


@pytest.fixture
def here(engine, dataflow_command):
    return Containers(engine, dataflow_command)


@pytest.fixture
def on_spark(here, shared_jars):
    """The same with what Spark needs at hand."""
    class_data_archive.folder().mkdir(parents=True, exist_ok=True)
    here.environ["DATAFLOW_CONTAINER_OPTIONS"] += " --volume={0}:{0}".format(class_data_archive.folder())
    (here.home / "class-data").symlink_to(class_data_archive.folder())
    here.environ["DATAFLOW_JARS"] = str(shared_jars)
    return here


def test_what_is_printed_and_the_exit_code_are_the_command_s_own(here):
    out, _ = here("glossary", "--output", "json")
    assert "bundle" in out
    (here.folder / "main.sch.yaml").write_text("version: 1\nworkflw: {}\n")
    _, err = here("workflow", "plan", "main.sch.yaml", code=2)
    assert "main.sch.yaml:2:1: unknown key 'workflw'; did you mean 'workflow'?" in err


@pytest.mark.skipif(
    not is_readable_by_others(), reason="this Python is its owner's alone, and can't run as another user"
)
def test_what_is_written_belongs_to_the_user_in_project_and_home_alike(here):
    (here.folder / "plays.csv").write_text("id,date\n1,2026-01-31\n")
    here.belongs_to(ALICE)
    here("project", "init")
    here("table", "load", "plays.csv", "plays", "--partition", "date")
    written = [
        it
        for top in (here.folder, here.home)
        for it in top.rglob("*")
        if not it.is_relative_to(here.home / "container")
    ]
    assert {"dataflow.yaml", "catalog.db", "warehouse"} <= {it.name for it in written}
    assert {(it.lstat().st_uid, it.lstat().st_gid) for it in written} == {(ALICE, ALICE)}


@pytest.fixture
def waiting(on_spark):
    """A workflow that waits, once it has told Spark something."""
    (on_spark.folder / "main.sch.yaml").write_text(definition(spark("write.py"), name="alice.plays", owner="alice"))
    (on_spark.folder / "write.py").write_text(WAITING)
    return on_spark


def begun(waiting, is_over):
    deadline = time.monotonic() + 300
    while not (waiting.folder / "begun").exists():
        assert time.monotonic() < deadline
        assert not (said := is_over()), said
        time.sleep(0.2)


def assert_stopped(waiting):
    assert waiting.engine.containers() == []
    runs, _ = waiting("workflow", "runs", "--output", "json")
    assert [it["status"] for it in json.loads(runs)] == ["cancelled"]


def test_a_stopped_container_stops_the_run_in_it_as_without_one(waiting):
    process = waiting.start("workflow", "run", "main.sch.yaml")
    begun(waiting, lambda: process.poll() is not None and process.communicate())
    process.terminate()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert "stopped: nothing half-written is visible" in err
    assert_stopped(waiting)


def test_on_a_terminal_the_command_has_it_and_a_key_stops_it_as_a_signal_does_who_reads_along(waiting):
    words = ["--run-in-docker", "--docker-image", IMAGE, "workflow", "run", "main.sch.yaml"]
    shown = Terminal(words, waiting.folder, waiting.environ)
    try:
        begun(waiting, lambda: shown.is_over and shown.raw)
        reader = waiting.start("workflow", "logs", "last", "--follow")
        assert reader.stdout.readline(), reader.communicate()
        reader.send_signal(signal.SIGINT)
        reader.communicate(timeout=120)
        assert reader.returncode == 130
        assert not shown.is_over
        shown.type("\x03")
        shown.until("stopped: nothing half-written is visible")
        assert shown.end(120) == "130"
        assert "\x1b[" in shown.raw  # it draws, as on a terminal
    finally:
        shown.close()
    assert_stopped(waiting)


@pytest.mark.nightly
def test_the_repository_s_image_is_built_and_runs_where_a_registry_can_be_reached(engine, here):
    base = re.search(r"^ARG PYTHON=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1]
    pulled = engine.docker("pull", base, check=False)
    if pulled.returncode:
        pytest.skip(f"{base} can't be pulled: {pulled.stderr.decode().strip().splitlines()[-1]}")
    engine.docker("build", "--network=host", f"--tag={container.default_image()}", str(ROOT))
    here.environ["DATAFLOW_CONTAINER_OPTIONS"] = ""
    words = ["--run-in-docker", "query", "SELECT 1 + 1 AS two", "--output", "csv"]
    done = subprocess.run(
        [sys.executable, "-m", "dataflow", *words], cwd=here.folder, env=here.environ, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["two", "2"]
    alone = ("--rm", "--network=none", "--entrypoint=Rscript", container.default_image())
    engine.docker("run", *alone, "-e", "library(sparklyr)")
