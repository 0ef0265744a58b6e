"""The pytest plugin: fixtures `spark` and `dataflow`, `*.test.yaml` files, and `--update-mocks`.

Costs nothing in a test run that asks for none of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dataflow.secret import masked
from dataflow.testing.repeated_failures import RepeatedFailures, note_mistake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.testing.diff_report import DiffStyle
    from dataflow.testing.engines import Engines
    from dataflow.testing.fixture import Dataflow
    from dataflow.testing.snapshots import Snapshots

_DATA = ".test.yaml"
_ENGINES = "dataflow-engines"
_LOG = pytest.StashKey[Path]()
_ONCE: pytest.StashKey[RepeatedFailures] = pytest.StashKey()
_SNAPSHOTS: pytest.StashKey[Snapshots] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-mocks`."""
    parser.getgroup("dataflow").addoption(
        "--update-mocks",
        action="store_true",
        help="rewrite expected mock files by what the scripts made, and show what changed; not in CI, not with -n",
    )
    parser.getgroup("dataflow").addoption(
        "--dataflow-engine",
        choices=("spark", "sail", "both"),
        default="spark",
        help="what runs SQL in tests: Spark; Sail, without a JVM, where it can; or both, and where they differ",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to rewrite files where nobody would look at them, or where two processes could at once."""
    config.stash[_ONCE] = RepeatedFailures()
    config.pluginmanager.register(config.stash[_ONCE], "dataflow-repeated-failures")
    engine = config.getoption("dataflow_engine")
    if engine != "spark" and not config.pluginmanager.has_plugin(_ENGINES):
        from dataflow.testing.engines import Engines

        if config.getoption("update_mocks"):
            raise pytest.UsageError(
                "--update-mocks: mocks are what Spark makes of them, whatever --dataflow-engine says"
            )
        if engine == "both" and (config.getoption("numprocesses", None) or hasattr(config, "workerinput")):
            raise pytest.UsageError("--dataflow-engine=both compares both in one process: run it with -n 0")
        config.pluginmanager.register(Engines(engine), _ENGINES)
    if not config.getoption("update_mocks"):
        return
    from dataflow.testing.snapshots import Snapshots, refusal

    if why := refusal():
        raise pytest.UsageError(why)
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError("--update-mocks rewrites files that several tests may share: run it without -n")
    config.stash[_SNAPSHOTS] = Snapshots()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what `--update-mocks` rewrote."""
    config.stash[_ONCE].restore(terminalreporter)  # failures are shown by now, the summary is not
    snapshots = config.stash.get(_SNAPSHOTS, None)
    if snapshots is None:
        return
    from dataflow.testing.snapshots import SECTION

    terminalreporter.section(SECTION)
    for line in snapshots.diff():
        color = {"+": {"green": True}, "-": {"red": True}, "@": {"cyan": True}}.get(line[:1], {})
        terminalreporter.write_line(line, **color)
    terminalreporter.write_line(snapshots.done(), bold=len(snapshots) > 0)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[SparkSession]:
    """One small Spark session for the whole test run, with an empty Iceberg catalog of its own."""
    from dataflow.errors import DataflowError
    from dataflow.testing.session import small_session

    folder = tmp_path_factory.mktemp("dataflow")
    request.config.stash[_LOG] = log = folder / "spark.log"
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")  # None in a worker of xdist
    report = terminal.write_line if terminal else print
    with contextlib.ExitStack() as stack:
        try:
            session = stack.enter_context(small_session(log, report))
        except DataflowError as error:
            pytest.fail("\n".join(filter(None, (error.message, error.hint))), pytrace=False)
        yield session


@pytest.fixture
def dataflow(request: pytest.FixtureRequest) -> Iterator[Dataflow]:
    """Mocks, tables, scripts and assertions for one test, in names that no other test has."""
    from dataflow.testing.assertions import RowAssertion
    from dataflow.testing.fixture import Dataflow

    config = request.config
    engines: Engines | None = config.pluginmanager.get_plugin(_ENGINES)
    note = engines.note if engines is not None else None

    def check(session: SparkSession) -> RowAssertion:
        return RowAssertion(session, config.stash.get(_SNAPSHOTS, None), _style(config), note)

    bench: Dataflow
    if engines is not None and engines.current == "sail":
        from dataflow.testing.sail_fixture import SailDataflow

        bench = SailDataflow(engines.sail(), request.path.parent, check)
    else:
        spark = request.getfixturevalue("spark")
        bench = Dataflow(spark, request.path.parent, check(spark))
    yield bench
    bench.close()


def _style(config: pytest.Config) -> DiffStyle:
    """Return how differences are shown: on a terminal coloured and as wide as it is."""
    from dataflow.testing.diff_report import DiffStyle

    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or not terminal.hasmarkup:
        return DiffStyle()
    margin = len("E           ")
    return DiffStyle(width=max(terminal._tw.fullwidth - margin, 40), colored=True)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect `*.test.yaml` files."""
    if not file_path.name.endswith(_DATA):
        return None
    from dataflow.testing.data_tests.collector import DataFile

    return DataFile.from_parent(parent, path=file_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[pytest.TestReport]:
    """Name Spark's log below a failure that came out of Spark; mask the secrets that the test resolved."""
    report: pytest.TestReport = yield  # type: ignore[misc,assignment]  # pluggy sends the inner result
    report.sections = [(name, masked(text)) for name, text in report.sections]
    if (shown := masked(report.longreprtext)) != report.longreprtext:
        report.longrepr = shown
    if call.excinfo is not None and report.failed:
        note_mistake(report, call.excinfo.value, is_data=item.path.name.endswith(_DATA))
    if call.excinfo is not None and report.failed and _from_spark(call.excinfo.value):
        log = item.config.stash.get(_LOG, None)
        if log is not None:
            report.sections.append(("Spark's log", str(log)))
    return report  # type: ignore[return-value]  # a wrapper returns the hook's result


def _from_spark(error: BaseException | None) -> bool:
    """Say whether an exception, or one that it was raised from, is Spark's."""
    while error is not None:
        if type(error).__module__.startswith(("pyspark.", "py4j.")):
            return True
        error = error.__cause__ or error.__context__
    return False
