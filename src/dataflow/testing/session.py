"""The Spark session of a test run: small, and with a catalog that nothing else can see."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.engine.session import Engine
from dataflow.workflow.project import Environment

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SETTINGS = {
    # With a handful of rows it is planning and generating code that costs; xdist brings its own processes.
    "spark.master": "local[1]",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    # A jar belongs to the job that runs it, as in production.
    "spark.sql.artifact.isolation.enabled": "true",
}


@contextlib.contextmanager
def small_session(warehouse: Path, log: Path, report: Callable[[str], None]) -> Iterator[SparkSession]:
    """Open the session that a test run's Spark tests share, and sweep their tables away at the end.

    Args:
        warehouse: Folder of the catalog, which is called as in production but has nothing in it.
        log: Where Spark writes what it has to say.
        report: Told of what takes a while, such as a one-time download.
    """
    environment = Environment(
        name="test",
        params={},
        catalog={"type": "hadoop", "warehouse": str(warehouse)},
        spark=_SETTINGS,
        state=None,
        branch=None,
        smtp=None,
        owners={},
    )
    try:
        # Mocks take other paths through Spark than a pipeline does: a run makes the better archive.
        with Engine(environment, log, small=True, train=False, report=report) as engine:
            yield engine.spark
    finally:
        shutil.rmtree(warehouse, ignore_errors=True)
