"""Running a suite by the program that it is for, and counting its tests."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from dataflow.errors import DataflowError
from dataflow.workflow.pyproject import project_of

if TYPE_CHECKING:
    from dataflow.report import Report
    from dataflow.testing.suites.model import Kind, Suite

IsStopped = Callable[[], bool]
ExitAndCounts = tuple[int, int, int]
"""Exit code, number of tests, and how many of them were skipped."""

_NO_TESTS_COLLECTED = 5
_TICK = 0.1  # seconds that a file's time may lag behind the clock

_TESTTHAT = """\
results <- testthat::test_dir("tests/testthat", reporter = "check", stop_on_failure = FALSE)
found <- as.data.frame(results)
failed <- found$failed > 0 | found$error
files <- list.files("tests/testthat", "^test.*[.][rR]$")
left_out <- length(setdiff(files, found$file))  # by a skip() outside its tests, a file is not even listed
writeLines(as.character(left_out + c(nrow(found), sum(found$skipped))), commandArgs(TRUE)[1])
quit(status = as.integer(any(failed)))
"""


class MissingToolError(DataflowError):
    """A program that a suite needs is not on this machine."""


def _run_pytest(suite: Suite, output: Report, report: Report, stopped: IsStopped) -> ExitAndCounts:
    from dataflow.process import run_process

    python = python_of(suite, report) or sys.executable
    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        counted = Path(folder) / "tests.xml"
        command = [str(python), "-m", "pytest", "-q", f"--junitxml={counted}"]
        command += [f"--ignore={it}" for it in suite.ignored]
        command += ["--update-mocks"] if suite.update else []
        command += [] if suite.engine == "spark" else [f"--dataflow-engine={suite.engine}"]
        command += map(str, suite.only)
        env = {**os.environ, "PYTHONPATH": python_path(suite.folder)}
        code = run_process(command, cwd=suite.folder, env=env, output=output, stopped=stopped)
        counts = _counts([counted] if counted.exists() else [])
    return (0 if code == _NO_TESTS_COLLECTED else code, *counts)


def python_of(suite: Suite, report: Report) -> Path | None:
    """Return the Python that a suite's tests need; None where Dataflow's own will do.

    Raises:
        DataflowError: It is not available.
    """
    if suite.kind != "pytest" or project_of(suite.folder) is None:
        return None
    from dataflow.build.python.environment import python_for

    return python_for([suite.folder], report)


def python_path(folder: Path) -> str:
    """Return the `PYTHONPATH` by which tests import the modules of the project that they belong to."""
    project = project_of(folder)
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(filter(None, [*(map(str, project.roots()) if project is not None else ()), *given]))


def _run_sbt(suite: Suite, output: Report, report: Report, stopped: IsStopped) -> ExitAndCounts:
    from dataflow.build.sbt import run_sbt
    from dataflow.workflow.project import environment, find_project

    began = time.time()
    settings = environment(find_project(suite.folder), None).spark
    code = run_sbt(suite.folder, ["test"], output, spark=settings, report=report, stopped=stopped)
    return (code, *_counts(_reports(suite.folder, "target/test-reports", began)))


def _run_jvm(suite: Suite, output: Report, report: Report, stopped: IsStopped) -> ExitAndCounts:
    """Run `gradle test` or `mvn test` where the build begins."""
    from dataflow.build.gradle_maven import GRADLE, TOOLS, command_of, environ, find_tool
    from dataflow.process import run_process

    del report
    tool = TOOLS[suite.kind]
    try:
        program = find_tool(tool, suite.folder, suite.folder)
    except DataflowError as error:
        raise MissingToolError(f"{error.message}: {error.hint}") from error
    began = time.time()
    # Without cleanTest, Gradle runs no test that it knows as passed, and there would be no report to count.
    arguments = ["cleanTest", "test", "--continue"] if tool is GRADLE else ["test", "--fail-at-end"]
    command = [*command_of(tool, program), *arguments]
    code = run_process(command, cwd=suite.folder, env=environ(), output=output, stopped=stopped)
    return (code, *_counts(_reports(suite.folder, tool.reports, began)))


def _reports(folder: Path, below: str, began: float) -> list[Path]:
    """Return the reports that were written since a moment: older ones are of tests that may be gone."""
    found = [*folder.rglob(f"{below}/TEST-*.xml"), *folder.rglob(f"{below}/*/TEST-*.xml")]
    return [it for it in found if it.stat().st_mtime >= began - _TICK]


def _run_testthat(suite: Suite, output: Report, report: Report, stopped: IsStopped) -> ExitAndCounts:
    from dataflow.jobs.spark.r_script import require_r
    from dataflow.process import run_process

    try:
        rscript = require_r(["testthat"]).executable
    except DataflowError as error:
        raise MissingToolError(error.message) from error
    with tempfile.TemporaryDirectory(prefix="dataflow-") as folder:
        counted = Path(folder) / "counts"
        command = [str(rscript), "-e", _TESTTHAT, str(counted)]
        code = run_process(command, cwd=suite.folder, env=_with_spark(report), output=output, stopped=stopped)
        tests, skipped = map(int, counted.read_text("utf-8").split()) if counted.exists() else (0, 0)
    return code, tests, skipped


def _with_spark(report: Report) -> dict[str, str]:
    """Return the variables by which sparklyr, where it is installed, tests on the Spark that a run uses."""
    from dataflow.spark.java import find_java
    from dataflow.spark.launch_env import SparkLaunch

    try:
        java_home = find_java(report).home
    except DataflowError:  # tests without Spark need none
        java_home = None
    return SparkLaunch({"spark.master": "local"}, java_home=java_home).variables()


def _counts(reports: Sequence[Path]) -> tuple[int, int]:
    """Return the number of tests in JUnit reports, and how many of them were skipped."""
    tests = skipped = 0
    for file in reports:
        for suite in ElementTree.parse(file).iter("testsuite"):  # noqa: S314  # written by the user's own tests
            tests += int(suite.get("tests", 0))
            skipped += int(suite.get("skipped", 0))
    return tests, skipped


RUNNERS: dict[Kind, Callable[[Suite, Report, Report, IsStopped], ExitAndCounts]] = {
    "pytest": _run_pytest,
    "sbt": _run_sbt,
    "gradle": _run_jvm,
    "maven": _run_jvm,
    "testthat": _run_testthat,
}
