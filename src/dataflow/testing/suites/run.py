"""Running one suite to its end."""

from __future__ import annotations

import time
from collections.abc import Callable

from dataflow.errors import DataflowError
from dataflow.report import Report
from dataflow.testing.suites.model import Suite, SuiteResult
from dataflow.testing.suites.runners import RUNNERS, MissingToolError


def run_suite(suite: Suite, report: Report, stopped: Callable[[], bool] = lambda: False) -> SuiteResult:
    """Run a suite to its end.

    Args:
        suite: Which.
        report: Receives a line about what takes a while before the tests, such as a one-time download.
        stopped: Called while it runs; once it returns true, its program is stopped.
    """
    began = time.monotonic()
    lines: list[str] = []
    try:
        code, tests, skipped = RUNNERS[suite.kind](suite, lines.append, report, stopped)
    except MissingToolError as error:
        return SuiteResult(suite, "skipped", time.monotonic() - began, reason=error.message)
    except DataflowError as error:
        code, tests, skipped = 1, 0, 0
        lines += [error.message, *([f"→ {error.hint}"] if error.hint else [])]
    seconds = time.monotonic() - began
    if code:
        return SuiteResult(suite, "failed", seconds, tests, skipped, output=lines)
    if tests == skipped:
        reason = "all its tests were skipped" if tests else "no tests in it"
        return SuiteResult(suite, "skipped", seconds, tests, skipped, reason, lines)
    return SuiteResult(suite, "passed", seconds, tests, skipped, output=lines)
