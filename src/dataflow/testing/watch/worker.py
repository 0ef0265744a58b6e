"""A worker: runs one rerun in a process of its own, with a session of its own in the watcher's JVM."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dataflow.testing.engines import NAME, Engines, left_lines
from dataflow.testing.watch.protocol import Event, decode, send

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.sail.server import Sail
    from dataflow.testing.engines import Verdict

JVM_LOST = 71
"""The exit code of a worker that found the JVM dead, or too busy to use."""

_QUIET = (
    # Reports come from hooks; what pytest prints is shown only where it ends without any.
    "-q",
    "--tb=short",
    "--color=no",
    # Ours are imported before pytest starts, and have no assertions to be rewritten.
    "-Wignore::pytest.PytestAssertRewriteWarning",
)


def serve(order: Event, orders: int, output: Path) -> int:
    """Prepare, wait for what is to be run, and run it.

    Args:
        order: The number of the worker, and `gateway`: where the JVM listens, if there is one.
        orders: A descriptor to read the order from.
        output: File for all that is printed.

    Returns:
        The exit code.
    """
    number = order["number"]
    events = _redirect_streams(output)

    def report(event: Event) -> None:
        with contextlib.suppress(BrokenPipeError):
            send(events, {**event, "number": number})

    spark = None
    if order.get("gateway"):
        try:
            spark = _attached_session(*order["gateway"])
        except Exception as error:
            report({"event": "jvm_lost", "text": str(error)})
            return JVM_LOST
    sail = _connected_sail(order["sail"]) if order.get("sail") else None
    report({"event": "ready"})
    with os.fdopen(orders, "rb") as stream:
        request = decode(stream.readline())
    if request is None:  # the watcher is gone
        return 0
    if request["kind"] == "pytest":
        engines = None if sail is None else Engines(order["engine"], sail, _SailReporter(report))
        return _run_pytest(request, spark, report, engines)
    return _run_suite(request, report)


def _redirect_streams(output: Path) -> int:
    """Give the process a standard input and output of its own; return the descriptor for events."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    events = os.dup(1)
    nothing, file = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, target)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", buffering=1), open(2, "w", buffering=1)  # noqa: SIM115
    return events


def _attached_session(port: int, secret: str) -> SparkSession:
    from dataflow.spark.attach import attach
    from dataflow.testing.session import work_in_one_thread

    spark = attach(port, secret)
    work_in_one_thread(spark)
    spark.sql("SHOW NAMESPACES").collect()  # the catalog is opened now, not while somebody waits
    return spark


def _connected_sail(address: str) -> Sail | None:
    """Connect to the watcher's Sail, and ask it something: now, while nobody waits."""
    from dataflow.sail.server import Sail, SailError

    try:
        sail = Sail(address=address).__enter__()
        sail.query("SELECT 1 AS one")
    except SailError:  # Spark runs all
        return None
    return sail


def _run_pytest(
    request: Event, spark: SparkSession | None, report: Callable[[Event], None], engines: Engines | None
) -> int:
    from dataflow.testing.session import lend
    from dataflow.testing.suites.runners import python_path

    folder = request["folder"]
    os.chdir(folder)
    sys.path.insert(0, folder)  # as `python -m pytest` has it
    own = python_path(Path(folder))
    sys.path[1:1] = filter(None, own.split(os.pathsep))
    os.environ["PYTHONPATH"] = own
    sys.dont_write_bytecode = True  # files saved twice within a second would look unchanged
    importlib.invalidate_caches()
    if spark is not None:
        from dataflow.spark.attach import set_working_directory

        set_working_directory(spark, Path(folder))
        spark.sparkContext.environment["PYTHONPATH"] = own  # of Spark's workers
        lend(spark, Path(request["log"]))
    plugins = [_ResultReporter(report), _NoXdist(), *([_WithEngines(engines)] if engines is not None else [])]
    code = pytest.main([*_QUIET, *request["arguments"]], plugins=plugins)
    sys.stdout.flush()
    report({"event": "finished"})
    return int(code)


def _run_suite(request: Event, report: Callable[[Event], None]) -> int:
    """Run a suite of another program, which ends with this process when that is asked to end."""
    from dataflow.provided_files import refresh
    from dataflow.testing.suites.model import Suite
    from dataflow.testing.suites.run import run_suite

    def end(*_: object) -> None:
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, end)
    suite = Suite(request["kind"], Path(request["folder"]), Path(request["package"]))
    refresh([suite.folder])
    outcome = run_suite(suite, lambda line: report({"event": "output", "text": line}))
    report(
        {
            "event": "suite",
            "outcome": outcome.status,
            "tests": outcome.tests,
            "skipped": outcome.skipped,
            "seconds": outcome.seconds,
            "reason": outcome.reason,
            "text": "\n".join(outcome.output) if outcome.status == "failed" else "",
        }
    )
    report({"event": "finished"})
    return 0


class _WithEngines:
    """A pytest plugin that puts in the one for engines, before the fixtures look for it."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._engines, NAME)


class _SailReporter:
    """Reports what Sail says, and what Spark says of that."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report

    def by_sail(self, nodeid: str, verdict: Verdict) -> None:
        facts = {"outcome": verdict.outcome, "seconds": verdict.seconds, "text": verdict.text}
        self._report({"event": "sail_test", "id": nodeid, **facts})

    def sail_is_done(self, verdicts: Mapping[str, Verdict]) -> None:
        if verdicts:
            self._report({"event": "sail_done", "left": left_lines(verdicts)})

    def compared(self, nodeid: str, sail: Verdict, difference: str) -> None:
        self._report({"event": "compared", "id": nodeid, "outcome": sail.outcome, "difference": difference})


class _NoXdist:
    """A pytest plugin that keeps xdist, where a project asks for it, from starting processes without our session."""

    @pytest.hookimpl(wrapper=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, object, object]:
        if hasattr(config.option, "numprocesses"):  # before xdist looks
            config.option.numprocesses, config.option.dist, config.option.tx = 0, "no", []
        return (yield)


class _ResultReporter:
    """A pytest plugin that reports the result of each test."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report
        self._seconds = 0.0
        self._worst: pytest.TestReport | None = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._report(
                {"event": "test", "id": report.nodeid, "outcome": "failed", "seconds": 0.0, **_failure_text(report)}
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds += report.duration
        if self._worst is None or report.failed or (report.skipped and not self._worst.failed):
            self._worst = report
        if report.when == "teardown":
            worst, seconds = self._worst, self._seconds
            self._worst, self._seconds = None, 0.0
            expected = worst.skipped and hasattr(worst, "wasxfail")
            outcome = "passed" if expected else worst.outcome
            failure = _failure_text(worst) if worst.failed else {"text": ""}
            self._report({"event": "test", "id": report.nodeid, "outcome": outcome, "seconds": seconds, **failure})


def _failure_text(report: pytest.TestReport | pytest.CollectReport) -> dict[str, Any]:
    captured = [f"{title}:\n{content.rstrip()}" for title, content in report.sections if content.strip()]
    return {"text": "\n".join([report.longreprtext.rstrip(), *captured])}
