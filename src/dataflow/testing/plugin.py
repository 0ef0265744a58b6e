"""The pytest plugin: fixtures `spark` and `dataflow`. Costs nothing in a test run that asks for neither."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.testing.fixture import Dataflow

_LOG = pytest.StashKey[Path]()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[SparkSession]:
    """One small Spark session for the whole test run, with an empty Iceberg catalog in a temporary folder."""
    from dataflow.errors import DataflowError
    from dataflow.testing.session import small_session

    folder = tmp_path_factory.mktemp("dataflow")
    request.config.stash[_LOG] = log = folder / "spark.log"
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")  # None in a worker of xdist
    report = terminal.write_line if terminal else print
    with contextlib.ExitStack() as stack:
        try:
            session = stack.enter_context(small_session(folder / "warehouse", log, report))
        except DataflowError as error:
            pytest.fail("\n".join(filter(None, (error.message, error.hint))), pytrace=False)
        yield session


@pytest.fixture
def dataflow(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[Dataflow]:
    """Mocks, tables, scripts and assertions for one test, in names that no other test has."""
    from dataflow.testing.fixture import Dataflow

    bench = Dataflow(spark, request.path.parent)
    yield bench
    bench.close()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect `*.test.yaml` files."""
    if not file_path.name.endswith(".test.yaml"):
        return None
    from dataflow.testing.collect import DataFile

    return DataFile.from_parent(parent, path=file_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[pytest.TestReport]:
    """Name Spark's log below a failure that came out of Spark."""
    report: pytest.TestReport = yield  # type: ignore[misc,assignment]  # pluggy sends the inner result
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
