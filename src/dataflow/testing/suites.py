"""A project's unit tests, whatever they are written with: found below a folder, run, and counted."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.workflow.folders import package_of, walk

Kind = Literal["pytest", "sbt", "testthat"]
Status = Literal["passed", "failed", "skipped"]
Listener = Callable[[str], None]

_PYTHON_TESTS = re.compile(r"test_.*\.py|.*_test\.py")
_R_TESTS = re.compile(r"test.*\.[rR]")
_NO_TESTS_COLLECTED = 5

_TESTTHAT = """\
results <- testthat::test_dir("tests/testthat", reporter = "check", stop_on_failure = FALSE)
found <- as.data.frame(results)
failed <- found$failed > 0 | found$error
files <- list.files("tests/testthat", "^test.*[.][rR]$")
left_out <- length(setdiff(files, found$file))  # by a skip() outside its tests, a file is not even listed
writeLines(as.character(left_out + c(nrow(found), sum(found$skipped))), commandArgs(TRUE)[1])
quit(status = as.integer(any(failed)))
"""


@dataclass(frozen=True)
class Suite:
    """Unit tests that one program runs at once.

    Attributes:
        kind: The program.
        folder: Where it runs.
        package: The nearest folder above with a `*.sch.yaml`; `folder` when there is none.
        only: Folders to which it is restricted; empty for all that it finds.
        ignored: Folders below that are suites of their own.
    """

    kind: Kind
    folder: Path
    package: Path
    only: tuple[Path, ...] = ()
    ignored: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a suite ended.

    Attributes:
        suite: Which.
        status: `skipped` when nothing was tested, for the reason given.
        seconds: How long it took.
        tests: How many there were, those skipped among them.
        skipped: How many of them were skipped.
        reason: Why the suite was skipped, and what to do about it.
        output: What it printed, line by line.
    """

    suite: Suite
    status: Status
    seconds: float
    tests: int = 0
    skipped: int = 0
    reason: str | None = None
    output: Sequence[str] = ()


def find_suites(paths: Sequence[Path]) -> list[Suite]:
    """Find the suites below folders, in the order of their names.

    Args:
        paths: The folders; each has to hold some.

    Raises:
        UsageError: A folder does not exist or holds no tests.
    """
    asked: dict[tuple[Path, Kind], set[Path]] = {}
    for path in paths:
        if not path.is_dir():
            wrong = "is a file: name a folder" if path.exists() else "does not exist"
            raise UsageError(f"{display_path(path)} {wrong}")
        top = path.resolve()
        found = set(_below(top))
        if not found:
            raise UsageError(
                f"{display_path(path)} holds no unit tests",
                "looked for test_*.py, build.sbt and tests/testthat, but not in hidden or generated folders",
            )
        for key in found:
            asked.setdefault(key, set()).add(top)
    return [_suite(folder, kind, tops, asked) for (folder, kind), tops in sorted(asked.items())]


def run_suite(suite: Suite, report: Listener) -> Outcome:
    """Run a suite to its end.

    Args:
        suite: Which.
        report: Told of what takes a while before the tests can start, such as a one-time download.
    """
    began = time.monotonic()
    lines: list[str] = []
    try:
        code, tests, skipped = _RUNNERS[suite.kind](suite, lines.append, report)
    except _MissingError as error:
        return Outcome(suite, "skipped", time.monotonic() - began, reason=error.message)
    except DataflowError as error:
        code, tests, skipped = 1, 0, 0
        lines += [error.message, *([f"→ {error.hint}"] if error.hint else [])]
    seconds = time.monotonic() - began
    if code:
        return Outcome(suite, "failed", seconds, tests, skipped, output=lines)
    if tests == skipped:
        reason = "all its tests were skipped" if tests else "no tests in it"
        return Outcome(suite, "skipped", seconds, tests, skipped, reason, lines)
    return Outcome(suite, "passed", seconds, tests, skipped, output=lines)


class _MissingError(DataflowError):
    """A suite can't run on this machine; no fault of its tests."""


def _below(top: Path) -> Iterator[tuple[Path, Kind]]:
    loose: set[Path] = set()  # Python tests of no package: sub-folders go with the uppermost
    builds: set[Path] = set()
    for folder, _, files in walk(top):
        if any(map(_PYTHON_TESTS.fullmatch, files)):
            package = package_of(folder)
            if package is None:
                package = next((it for it in folder.parents if it in loose), folder)
                loose.add(package)
            yield package, "pytest"
        if "build.sbt" in files and (_is_build(folder) or builds.isdisjoint(folder.parents)):
            builds.add(folder)
            yield folder, "sbt"
        if folder.parts[-2:] == ("tests", "testthat") and any(map(_R_TESTS.fullmatch, files)):
            yield folder.parents[1], "testthat"


def _is_build(folder: Path) -> bool:
    """Say whether a folder with a `build.sbt` is more than a part of the build above it."""
    return (folder / "project" / "build.properties").exists()


def _suite(folder: Path, kind: Kind, tops: set[Path], asked: dict[tuple[Path, Kind], set[Path]]) -> Suite:
    package = package_of(folder) or folder
    if kind != "pytest":
        return Suite(kind, folder, package)
    only = () if any(folder.is_relative_to(top) for top in tops) else tuple(sorted(tops))
    ignored = sorted(it for it, other in asked if other == kind and folder in it.parents)
    return Suite(kind, folder, package, only, tuple(ignored))


def _run_pytest(suite: Suite, output: Listener, report: Listener) -> tuple[int, int, int]:
    from dataflow.jobs.process import run_process

    del report
    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        counted = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={counted}"]
        command += [f"--ignore={it}" for it in suite.ignored]
        code = run_process([*command, *map(str, suite.only)], cwd=suite.folder, env=os.environ, output=output)
        counts = _counts([counted] if counted.exists() else [])
    return (0 if code == _NO_TESTS_COLLECTED else code, *counts)


def _run_sbt(suite: Suite, output: Listener, report: Listener) -> tuple[int, int, int]:
    from dataflow.engine.sbt import run_sbt
    from dataflow.workflow.project import environment, find_project

    began = time.time()
    settings = environment(find_project(suite.folder), None).spark
    code = run_sbt(suite.folder, ["test"], output, spark=settings, report=report)
    reports = suite.folder.rglob("target/test-reports/TEST-*.xml")
    return (code, *_counts([it for it in reports if it.stat().st_mtime >= began]))


def _run_testthat(suite: Suite, output: Listener, report: Listener) -> tuple[int, int, int]:
    from dataflow.jobs.process import run_process
    from dataflow.jobs.rscript import require_r

    del report
    try:
        rscript = require_r(["testthat"]).executable
    except DataflowError as error:
        raise _MissingError(error.message) from error
    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        counted = Path(folder) / "counts"
        command = [str(rscript), "-e", _TESTTHAT, str(counted)]
        code = run_process(command, cwd=suite.folder, env=os.environ, output=output)
        tests, skipped = map(int, counted.read_text("utf-8").split()) if counted.exists() else (0, 0)
    return code, tests, skipped


def _counts(reports: Sequence[Path]) -> tuple[int, int]:
    """Add up how many tests JUnit reports tell of, and how many of them were skipped."""
    tests = skipped = 0
    for file in reports:
        for suite in ElementTree.parse(file).iter("testsuite"):  # noqa: S314  # written by the user's own tests
            tests += int(suite.get("tests", 0))
            skipped += int(suite.get("skipped", 0))
    return tests, skipped


_RUNNERS: dict[Kind, Callable[[Suite, Listener, Listener], tuple[int, int, int]]] = {
    "pytest": _run_pytest,
    "sbt": _run_sbt,
    "testthat": _run_testthat,
}
