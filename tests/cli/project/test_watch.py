"""`project test --watch` as a user runs it: a process that hears of saves, and what is left when it ends."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.places import EXAMPLE

TICK = 0.01
"""Seconds that a file's time may be behind the clock: Linux takes it from the last tick of its timer."""
PASSES = "def test_it(): pass\n"
FAILS = "def test_it(): assert 1 + 1 == 3\n"
LOOPS = """\
import os, pathlib

def test_it():
    pathlib.Path(os.environ["PID"]).write_text(str(os.getpid()))
    while True:
        pass
"""

WRITES = """\
import uuid

def test_it():
    open("out/named.txt", "w").write("x")
    open(str(uuid.uuid4()), "w").close()
"""


class Watcher:
    """A watcher that runs, and the events that it prints."""

    def __init__(self, command, folder, **environ):
        argv = [sys.executable, "-m", "dataflow", "project", "test", "--watch", "--output", "json"]
        self.errors = (command.folder.parent / "stderr").open("w+")
        self.process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**command.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.events = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put({"event": "end of output"})

    def until(self, kind, within=120):
        """Return the events up to the next one of a kind."""
        seen, deadline = [], time.monotonic() + within
        while True:
            try:
                seen.append(self.events.get(timeout=max(0.1, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"no {kind} in {within} s, but {seen}; {self.said()}") from None
            if seen[-1]["event"] == kind:
                return seen
            assert seen[-1]["event"] != "end of output", f"the watcher ended after {seen}: {self.said()}"

    def verdict(self, **counts):
        """Wait for a verdict, expect some counts, and return what was said about the tests before it."""
        seen = self.until("verdict")
        said = "\n".join(it["text"] for it in seen if it["event"] in {"test", "note"})
        assert {word: seen[-1][word] for word in counts} == counts, said
        return said

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def close(self):
        """End it, if it still runs, and let go of what it wrote to."""
        self.process.kill()
        self.process.wait()
        self.reader.join(timeout=10)
        self.process.stdout.close()
        self.errors.close()

    def family(self):
        """Return the processes that it started, and those that these started."""
        return below(self.process.pid)


@pytest.fixture
def watch(dataflow_command):
    """Return how to start a watcher; none outlives its test."""
    started = []

    def start(folder, **environ):
        started.append(Watcher(dataflow_command, folder, **environ))
        return started[-1]

    yield start
    for watcher in started:
        watcher.close()


def below(pid):
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found += [child, *below(child)]
    return found


def gone(pids, within=120):
    """Wait until processes have ended; a zombie that nobody asks after is none any more."""
    deadline = time.monotonic() + within
    while living := [pid for pid in pids if alive(pid)]:
        assert time.monotonic() < deadline, f"still there: {living}"
        time.sleep(0.05)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def waited_for(file, within=120):
    deadline = time.monotonic() + within
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, f"{file} was not written"
        time.sleep(0.05)
    return int(file.read_text())


def save(file, text):
    """Write a file as an editor does: beside it, then in its place."""
    draft = file.with_name(f".{file.name}.draft")
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text(text)
    draft.replace(file)


@pytest.mark.slow
def test_each_save_runs_what_it_affects_and_a_loop_harms_only_its_own_run(dataflow_command, watch, tmp_path):
    folder = dataflow_command.folder
    one, other, pid = folder / "test_one.py", folder / "test_other.py", tmp_path / "pid"
    save(one, PASSES)
    save(other, PASSES)
    watcher = watch(folder, PID=str(pid))
    watcher.verdict(passed=2, failed=0)

    save(one, FAILS)
    assert "assert (1 + 1) == 3" in watcher.verdict(passed=0, failed=1)
    save(other, "import nothing_of_that_name\n")
    seen = watcher.until("verdict")
    assert any("nothing_of_that_name" in it.get("text", "") for it in seen)
    assert seen[-1]["still_failing"] == ["test_one.py::test_it"]

    save(other, "import os\n\ndef test_it(): os._exit(3)\n")
    assert "in the midst of them, with exit code 3" in watcher.verdict(failed=1)
    save(other, "import os\n\ndef test_it(): os.kill(os.getpid(), 11)\n")
    assert "by SIGSEGV" in watcher.verdict(failed=1)

    save(other, LOOPS)
    looping = waited_for(pid)
    save(one, PASSES)  # the one that was cut short runs again too
    save(other, PASSES)
    watcher.verdict(passed=2, failed=0)
    gone([looping])

    pid.unlink()
    save(other, LOOPS)
    family = [waited_for(pid), *watcher.family()]
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.process.wait(120) == 130
    gone(family)


@pytest.mark.slow
def test_a_rerun_s_time_is_that_from_the_save_whatever_time_an_editor_gives_the_file(dataflow_command, watch, tmp_path):
    one, other, pid = (
        dataflow_command.folder / "test_one.py",
        dataflow_command.folder / "test_other.py",
        tmp_path / "pid",
    )
    save(one, PASSES)
    watcher = watch(dataflow_command.folder, PID=str(pid))
    watcher.verdict(passed=1)
    for age in (0, 3_000):
        begun = time.time()
        draft = one.with_name(".draft")
        draft.write_text(f"{PASSES}# {age}\n")
        os.utime(draft, (begun - age, begun - age))
        draft.replace(one)
        verdict = watcher.until("verdict")[-1]
        assert -TICK <= time.time() - begun - verdict["seconds"] < 60
        assert verdict["seconds"] == verdict["seconds_from_first"]

    first = time.time()
    save(other, LOOPS)
    waited_for(pid)
    time.sleep(1)
    last = time.time()
    save(other, PASSES)
    verdict = watcher.until("verdict")[-1]
    assert -TICK <= time.time() - last - verdict["seconds"] < 60
    between = verdict["seconds_from_first"] - verdict["seconds"]
    assert between == pytest.approx(last - first, abs=0.9)  # they are more than a second apart


@pytest.mark.slow
def test_a_test_that_writes_files_is_not_run_for_ever(dataflow_command, watch):
    folder = dataflow_command.folder
    (folder / "out").mkdir()
    save(folder / "test_a.py", WRITES)
    watcher = watch(folder)
    watcher.verdict(passed=1)
    time.sleep(3)
    assert len([it for it in folder.iterdir() if it.name.count("-") == 4]) <= 2


def wait_for_text(file, words):
    deadline = time.monotonic() + 120
    while words not in (text := file.read_text()):
        assert time.monotonic() < deadline, text
        time.sleep(0.1)


def test_a_file_that_is_printed_to_is_not_taken_for_a_save(dataflow_command):
    folder = dataflow_command.folder
    save(folder / "src" / "test_a.py", PASSES)
    argv = [sys.executable, "-m", "dataflow", "project", "test", "--watch"]
    printed = folder / "src" / "watch.txt"
    with printed.open("w") as stream:
        watcher = subprocess.Popen(argv, cwd=folder, env=dataflow_command.environ, stdout=stream, stderr=stream)
    try:
        wait_for_text(printed, "1 passed")
        save(folder / "src" / "test_a.py", FAILS)
        wait_for_text(printed, "1 failed")
    finally:
        watcher.terminate()
        watcher.wait()
    assert "watch.txt saved" not in printed.read_text()


def test_people_see_each_test_and_the_time_from_the_save(dataflow_command):
    folder = dataflow_command.folder
    save(folder / "src" / "test_a.py", FAILS)
    argv = [sys.executable, "-m", "dataflow", "project", "test", "--watch"]
    environ, lines = dataflow_command.environ, []
    with subprocess.Popen(argv, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as started:
        while not lines or not lines[-1].endswith(" s from the start"):
            lines.append(next(started.stdout).rstrip())
        started.terminate()

        assert started.wait(120) == 130
    assert lines[0] == "Watching ./src (pytest); Ctrl-C ends it"
    assert lines[2].endswith("  all tests")
    assert re.fullmatch(r"FAILED  test_a\.py::test_it  \d+\.\d\d s", lines[3])
    assert "        def test_it(): assert 1 + 1 == 3" in lines
    assert "  1 failed, " in lines[-1]


def test_an_sbt_is_named_by_its_path_with_what_is_quicker_than_to_start_it_anew(dataflow_command, watch, tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sbt").write_text("#!/bin/sh\nexit 0\n")
    (programs / "sbt").chmod(0o755)
    jar = dataflow_command.folder / "my jar"
    save(jar / "build.sbt", "")
    save(jar / "src/test/scala/ATest.scala", "")
    watcher = watch(dataflow_command.folder, PATH=f"{programs}:{os.environ['PATH']}")
    (note,) = [it["text"] for it in watcher.until("rerun") if it["event"] == "note"]
    assert note == (
        f"{programs / 'sbt'} starts anew for each rerun; quicker for Scala alone:  cd 'my jar' && sbt '~test'"
    )
    watcher.until("verdict")


@pytest.mark.tools("R's testthat")
def test_a_testthat_suite_runs_again_as_a_whole(dataflow_command, watch):
    folder = dataflow_command.folder
    save(folder / "tests" / "testthat" / "test-a.R", 'test_that("a", expect_equal(1, 1))\n')
    watcher = watch(folder)
    watcher.verdict(passed=1, failed=0)
    save(folder / "R" / "a.R", "x <- 1\n")
    watcher.verdict(passed=1, failed=0)


ISOLATED = """\
from pyspark.sql.functions import udf

import size


def test_it_finds_nothing_of_the_run_before(spark, dataflow):
    assert spark.conf.get("spark.sql.shuffle.partitions") == "1"
    spark.range(1).createGlobalTempView("left")  # would fail if there were one
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    spark.range(3).cache().count()
    number = size.SIZE
    assert spark.range(1).select(udf(lambda _: number, "int")("id")).first()[0] == 1
"""


@pytest.mark.spark
@pytest.mark.long
def test_spark_tests_run_again_in_one_jvm_that_nothing_outlives(spark_command, watch):
    package = spark_command.folder / "titles"
    shutil.copytree(EXAMPLE, package)
    script, test = package / "src" / "sparksql_write.sql", package / "src" / "test_isolated.py"
    right = script.read_text()
    watcher = watch(package)
    watcher.verdict(passed=6, failed=0)
    (jvm,) = [pid for pid in watcher.family() if is_java(pid)]

    save(script, right.replace("ORDER BY view_hours DESC", "ORDER BY view_hours"))
    assert '102       "US"          2 -> 100' in watcher.verdict(passed=3, failed=3)
    save(script, right.replace("GROUP BY title_id", "GROUP BY title_ix"))
    said = watcher.verdict(failed=4)
    assert "GROUP BY title_ix, country_code" in said
    assert Path(said.splitlines()[-1]).exists()  # Spark's log
    save(script, right)
    watcher.verdict(passed=6, failed=0)

    save(package / "size.py", "SIZE = 1\n")
    watcher.verdict(failed=0)
    save(test, ISOLATED)
    watcher.verdict(passed=1, failed=0)
    save(package / "size.py", "SIZE = 2\n")
    watcher.verdict(passed=0, failed=1)
    save(package / "size.py", "SIZE = 1\n")
    watcher.verdict(passed=1, failed=0)
    assert [pid for pid in watcher.family() if is_java(pid)] == [jvm]

    save(test, "def test_it(spark):\n    spark.sql('SELECT count(*) FROM range(1e7) a, range(1e7) b').collect()\n")
    watcher.until("rerun")
    time.sleep(3)
    save(test, "def test_it(spark): assert spark.range(3).count() == 3\n")
    watcher.verdict(passed=1, failed=0)

    os.kill(jvm, signal.SIGKILL)
    assert any("starting another one" in it["text"] for it in watcher.until("note"))
    save(script, right + "\n-- again\n")
    watcher.verdict(passed=6, failed=0)

    family = watcher.family()
    assert any(map(is_java, family))
    watcher.process.kill()
    gone(family)


def is_java(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(b"java")
    except OSError:
        return False
