"""What a test run says of tools that are missing, and what `nox` says before it begins."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.optional_tools import TOOLS, missing
from tests.support.places import ROOT

TESTS = """\
import pytest
from optional_tools import require

@pytest.mark.tools("Maven")
def test_a(): raise AssertionError

@pytest.mark.tools("R's yaml", "Gradle")
@pytest.mark.parametrize("x", [1, 2])
def test_b(x): raise AssertionError

@pytest.mark.tools("Gradle", needed=False)
def test_c(request):
    print("as far as it goes")
    require(request.node, "Gradle")
    raise AssertionError

@pytest.mark.skip(reason="another reason")
def test_d(): raise AssertionError

def test_e(): pass
"""


@pytest.fixture
def run(tmp_path):
    """Return how to run those tests in a process of its own, whose PATH holds the given programs alone."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    tools\n")

    def run(*arguments, programs=()):
        path = tmp_path / "bin"
        path.mkdir(exist_ok=True)
        for name in programs:
            (path / name).write_text("#!/bin/sh\nexit 1\n")
            (path / name).chmod(0o755)
        command = [sys.executable, "-m", "pytest", "-p", "optional_tools", "-p", "no:cacheprovider", *arguments]
        own = {"PATH": str(path), "PYTHONPATH": str(ROOT / "tests"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        environ = {**os.environ, **own}
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")])
def test_each_missing_tool_is_told_at_the_end_with_its_reason_and_its_number_of_tests(run, workers):
    done = run(*workers)
    assert done.returncode == 0, done.stdout
    told = done.stdout.partition("skipped, as a tool is missing")[2].splitlines()[1:4]
    assert told == [
        "1 test: Gradle is not installed: sudo apt-get install gradle",
        "1 test: Maven is not installed: sudo apt-get install maven",
        "2 tests: R is not installed: sudo apt-get install r-base-core",
    ]
    assert re.search(r"1 passed, 5 skipped", done.stdout)


def test_where_a_tool_is_its_tests_run(run):
    done = run(programs=["mvn"])
    assert done.returncode == 1
    assert "FAILED tests/test_it.py::test_a - AssertionError" in done.stdout
    assert "Maven" not in done.stdout.partition("skipped, as a tool is missing")[2]


def test_an_r_without_a_package_is_told_by_the_package(run):
    done = run(programs=["R", "Rscript"])
    assert "2 tests: R's yaml is not installed: sudo apt-get install r-cran-yaml\n" in done.stdout


def test_where_all_tools_are_demanded_a_missing_one_is_a_failure(run):
    done = run("--all-tools", "-k", "test_a or test_c")
    assert done.returncode == 1
    assert "\nMaven is not installed: sudo apt-get install maven\n" in done.stdout
    assert "\nGradle is not installed: sudo apt-get install gradle\n" in done.stdout
    assert "1 failed, 4 deselected, 1 error" in done.stdout


@pytest.mark.slow
def test_skips_of_several_runs_are_added_up(run, tmp_path):
    file = tmp_path / "skips.jsonl"
    add_up = [sys.executable, ROOT / "tests" / "optional_tools.py", "skips", file]
    assert subprocess.check_output(add_up, text=True) == "no test was skipped for want of a tool\n"
    run("--skips", file)
    run("--skips", file, "-k", "test_a or test_e")
    run("--skips", file, "-k", "test_e")
    assert subprocess.check_output(add_up, text=True).splitlines()[1:] == [
        "2 tests: Maven is not installed: sudo apt-get install maven",
        "2 tests: R is not installed: sudo apt-get install r-base-core",
    ]


def test_every_tool_says_how_to_get_it():
    assert all(tool.remedy for tool in TOOLS.values())
    with pytest.raises(KeyError):
        missing("Mavne")


@pytest.mark.slow
def test_the_gate_hides_the_programs_and_nothing_else(tmp_path):
    for folder, names in {"one": ["gradle", "other"], "two": ["mvn", "gradle"], "a three": ["kept"]}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text("#!/bin/sh\necho $0\n")
            (tmp_path / folder / name).chmod(0o755)
    path = os.pathsep.join([*(str(tmp_path / name) for name in ("one", "two", "a three")), os.environ["PATH"]])
    look = "command -v gradle mvn; other && kept && exit 3"
    command = [ROOT / ".ci" / "without", "gradle", "mvn", "R", "--", "sh", "-c", look]
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert [Path(line).name for line in done.stdout.splitlines()] == ["other", "kept"]


def nox(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "nox", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )


@pytest.mark.slow
def test_nox_says_first_what_it_runs_and_for_about_how_long(tmp_path):
    first, *running, last = [it["name"] for it in json.loads(nox("--list", "--json").stdout)]
    assert (first, last) == ("plan", "skips")
    said = nox("--session", "plan", "--envdir", str(tmp_path)).stderr
    told = re.findall(r"^nox > (\w+) +about +(\d+) min: [A-Z].*\.$", said, re.M)
    assert [name for name, _ in told] == running
    total = sum(int(minutes) for _, minutes in told)
    assert f"nox > all      about {total} min, on two cores; `nox -s tests` is the short proof\n" in said
