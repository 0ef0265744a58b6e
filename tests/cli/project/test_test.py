from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.trees import write_file

pytestmark = pytest.mark.slow

WORKFLOW = """\
version: 1
workflow:
  id: ${dataflow.package_id}.main
params:
  EXECUTION_DATE: ${dataflow.yesterday}
jobs:
  - job:
      id: hwm
      type: HWM
      hwm:
        table: ${TARGET_DB}.titles
        datetime: ${EXECUTION_DATE}
"""
PASSES = "def test_it(): pass\n"
FAILS = "def test_sum():\n    assert 1 + 1 == 3\n"
WAITS = """\
import os, pathlib, time

def test_it():
    pathlib.Path("pid").write_text(str(os.getpid()))
    time.sleep(60)
"""
REPORT = '<testsuite name="WriteTest" tests="4" failures="0" errors="0" skipped="1"/>'


@pytest.fixture
def folder(dataflow_command):
    # The suites need no plugins, and without them start in a third of the time.
    dataflow_command.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return dataflow_command.folder


def test_each_suite_is_a_line_and_a_failure_shows_what_was_printed(dataflow_command, folder):
    for name, text in (("good", PASSES), ("bad", FAILS)):
        write_file(folder, f"{name}/main.sch.yaml", WORKFLOW)
        write_file(folder, f"{name}/src/test_{name}.py", text)

    bad, *shown, good, one, other, summary = dataflow_command("project", "test", code=1).stdout.splitlines()

    assert bad.startswith("FAILED  ./bad (pytest)  1 test, ")
    assert all(line.startswith("    ") or not line for line in shown)
    assert any("assert (1 + 1) == 3" in line for line in shown)
    assert good.startswith("PASSED  ./good (pytest)  1 test, ")
    assert good.endswith(" s")
    assert one == "PASSED  ./bad/main.sch.yaml (workflow)"
    assert other == "PASSED  ./good/main.sch.yaml (workflow)"
    assert summary == "Summary: 3 successful, 1 failed"


def test_of_passing_suites_nothing_else_is_shown(dataflow_command, folder):
    write_file(folder, "test_a.py", "def test_it(): print('seen by nobody')\n")
    done = dataflow_command("project", "test", ".")
    assert done.stdout.startswith("PASSED  . (pytest)  1 test, ")
    assert len(done.stdout.splitlines()) == 2
    assert not done.stderr


def test_scripts_get_the_same_as_json(dataflow_command, folder):
    write_file(folder, "etl/main.sch.yaml", WORKFLOW)
    write_file(folder, "etl/src/test_a.py", FAILS)
    write_file(folder, "other/test_b.py", PASSES)

    answer = dataflow_command.json("project", "test", code=1)

    assert {key: answer[key] for key in ("successful", "failed", "skipped")} == {
        "successful": 2,  # the workflow is one of them
        "failed": 1,
        "skipped": 0,
    }
    failed, passed = answer["suites"]
    assert failed | {"seconds": 0, "output": []} == {
        "package": "etl",
        "folder": "etl",
        "kind": "pytest",
        "status": "failed",
        "tests": 1,
        "tests_skipped": 0,
        "seconds": 0,
        "unchanged": False,
        "reason": None,
        "output": [],
    }
    assert any("1 failed" in line for line in failed["output"])
    assert passed["output"] == []


def test_a_path_without_tests_or_none_at_all_is_a_mistake_in_what_was_asked(dataflow_command, folder):
    (folder / "empty").mkdir()
    assert "empty contains no unit tests" in dataflow_command("project", "test", "empty", code=2).stderr
    assert "nowhere does not exist" in dataflow_command("project", "test", "nowhere", code=2).stderr


def test_the_sbt_of_the_path_is_used_and_its_reports_are_counted(dataflow_command, folder):
    fake_sbt(dataflow_command, f"mkdir -p target/test-reports; echo '{REPORT}' > target/test-reports/TEST-a.xml")
    write_file(folder, "jar/main.sch.yaml", WORKFLOW)
    write_file(folder, "jar/build.sbt")
    write_file(folder, "jar/target/test-reports/TEST-old.xml", REPORT)
    os.utime(folder / "jar/target/test-reports/TEST-old.xml", (0, 0))

    assert dataflow_command("project", "test").stdout.startswith("PASSED  ./jar (sbt)  4 tests, 1 skipped, ")


def test_a_failing_sbt_build_shows_its_log(dataflow_command, folder):
    fake_sbt(dataflow_command, "echo '[error] not found: value rank'; exit 1")
    write_file(folder, "jar/build.sbt")

    shown = dataflow_command("project", "test", code=1).stdout
    assert shown.startswith("FAILED  ./jar (sbt)  ")
    assert "    [error] not found: value rank" in shown


def test_without_r_its_suite_is_skipped_with_the_reason_and_the_rest_runs(dataflow_command, folder):
    dataflow_command.environ["PATH"] = str(folder)
    write_file(folder, "r/tests/testthat/test-a.R")
    write_file(folder, "p/test_a.py", PASSES)

    passed, skipped, summary = dataflow_command("project", "test").stdout.splitlines()

    assert passed.startswith("PASSED  ./p")
    assert skipped.startswith("SKIPPED ./r (testthat)  (")
    assert "install it: " in skipped
    assert summary == "Summary: 1 successful, 0 failed, 1 skipped"


def test_what_passed_and_has_not_changed_is_not_run_again(dataflow_command, folder):
    for name, text in (("good", PASSES), ("bad", FAILS)):
        write_file(folder, f"{name}/test_{name}.py", text)
    dataflow_command("project", "test", code=1)

    bad, *_, good, summary = dataflow_command("project", "test", code=1).stdout.splitlines()
    assert good == "PASSED  ./good (pytest)  1 test, unchanged"
    assert not bad.endswith("unchanged")
    assert summary == "Summary: 1 successful, 1 failed"
    again = dataflow_command("project", "test", "good", "--all").stdout
    assert "unchanged" not in again

    write_file(folder, "good/helper.py", "A = 1\n")
    assert "unchanged" not in dataflow_command("project", "test", "good").stdout
    assert dataflow_command.json("project", "test", "good")["suites"][0]["unchanged"]


def test_suites_run_side_by_side_and_are_printed_one_after_the_other(dataflow_command, folder):
    meet = "import pathlib, time\n\ndef test_it():\n    pathlib.Path('../{0}').touch()\n    print('of {0}')\n"
    meet += "    for _ in range(200):\n        if pathlib.Path('../{1}').exists(): break\n        time.sleep(0.1)\n"
    meet += "    assert pathlib.Path('../{1}').exists() and not 'to be seen'\n"
    for mine, other in (("a", "b"), ("b", "a")):
        write_file(folder, f"suite-{mine}/test_{mine}.py", meet.format(mine, other))
    lines = dataflow_command("project", "test", "--jobs", "2", code=1).stdout.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("FAILED")]
    assert [lines[it][:18] for it in starts] == ["FAILED  ./suite-a ", "FAILED  ./suite-b "]
    first, second = lines[: starts[1]], lines[starts[1] :]
    assert any("of a" in it for it in first)
    assert not any("of b" in it for it in first)
    assert any("of b" in it for it in second)


def test_ctrl_c_ends_all_tests_that_run(dataflow_command, folder):
    notes = [folder / name / "pid" for name in ("a", "b")]
    for note in notes:
        write_file(note.parent, f"test_{note.parent.name}.py", WAITS)
    started = subprocess.Popen(
        [sys.executable, "-m", "dataflow", "project", "test", "--jobs", "2"], cwd=folder, env=dataflow_command.environ
    )
    until(lambda: all(it.exists() and it.read_text() for it in notes))
    started.send_signal(signal.SIGINT)
    assert started.wait(120) == 130
    until(lambda: not any(alive(int(it.read_text())) for it in notes))


def fake_sbt(command, script):
    """Put an `sbt` on the PATH that does what a few lines of shell say."""
    folder = command.folder.parent / "bin"
    write_file(folder, "sbt", f"#!/bin/sh\n{script}\n").chmod(0o755)
    command.environ["PATH"] = f"{folder}{os.pathsep}{command.environ['PATH']}"


def until(true):
    for _ in range(200):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("waited 20 s in vain")


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


EXPECTS = """\
def test_it(request):
    from pathlib import Path
    from dataflow.testing.plugin import _SNAPSHOTS
    from dataflow.testing.row_diff import RowSet
    snapshots = request.config.stash.get(_SNAPSHOTS, None)
    if snapshots is not None:
        snapshots.create(Path("seen.yaml"), RowSet("it", ("id",), [(2,), (1,)], ("int",)), ["id"])
"""


def test_update_mocks_rewrites_in_every_suite_shows_the_diff_and_says_what_is_left_out(dataflow_command, folder):
    dataflow_command.environ.update(PYTEST_PLUGINS="dataflow.testing.plugin", CI="")
    for name in ("one", "two"):
        write_file(folder, f"{name}/main.sch.yaml", WORKFLOW)
        write_file(folder, f"{name}/test_it.py", EXPECTS)
    write_file(folder, "jvm/build.sbt")

    done = dataflow_command("project", "test", "--update-mocks")

    for name in ("one", "two"):
        assert f"PASSED  ./{name} (pytest)" in done.stdout
        assert (folder / name / "seen.yaml").read_text().endswith("  - [1]\n  - [2]\n")
    assert done.stdout.count("    +  - [1]") == 2
    assert done.stdout.count("→ 1 rewritten: review the diff before you commit it") == 2
    assert "./jvm (sbt) is left out: only tests in Python and YAML have mocks to rewrite" in done.stderr
    facts = dataflow_command.json("project", "test", "one", "--update-mocks")["suites"][0]
    assert facts["rewritten"][-1] == "→ 1 rewritten: review the diff before you commit it"


@pytest.mark.parametrize(
    ("options", "environ", "why"),
    [
        ((), {"CI": "true"}, "--update-mocks rewrites files for you to review: not in CI (the variable CI is set)"),
        (("--watch",), {}, "--update-mocks does not go with --watch"),
        (("-j", "2"), {}, "--update-mocks does not go with --jobs"),
    ],
)
def test_update_mocks_is_refused_where_nobody_would_look(dataflow_command, folder, options, environ, why):
    write_file(folder, "one/test_it.py", PASSES)
    dataflow_command.environ.update({"CI": "", **environ})

    assert why in dataflow_command("project", "test", "--update-mocks", *options, code=2).stderr
