"""The Spark session of a test run: small, and with a catalog that nothing else can see."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.spark.attach import SETTINGS as WARM
from dataflow.spark.guard import EVERYTHING
from dataflow.spark.session import Engine
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
    # Nobody looks at the plans that Spark would write down and keep for its UI.
    "spark.sql.ui.explainMode": "simple",
    "spark.sql.ui.retainedExecutions": "1",
    "spark.ui.retainedJobs": "1",
    "spark.ui.retainedStages": "1",
    # A jar belongs to the job that runs it, as in production.
    "spark.sql.artifact.isolation.enabled": "true",
}

_CATALOG = {
    # On disk, Hadoop would start a `chmod` for every file: a third of a test's time. The files are real Parquet all
    # the same, and the catalog's semantics are Iceberg's own.
    "catalog-impl": "org.apache.iceberg.inmemory.InMemoryCatalog",
    "warehouse": "memory",
    "table-default.write.parquet.compression-codec": "uncompressed",
}

_TYPICAL = 20_000
"""Classes loaded by a test that writes an Iceberg table and reads it: 22,000. One that only selects: 15,000."""

_lent: tuple[SparkSession, Path] | None = None


@contextlib.contextmanager
def small_session(log: Path, report: Callable[[str], None], warehouse: Path | None = None) -> Iterator[SparkSession]:
    """Open the session that a test run's Spark tests share; its tables live in memory, and go with it.

    Args:
        log: File for Spark's log.
        report: Receives a line about what takes a while, such as a one-time download.
        warehouse: A folder for the tables, where other sessions, each with a memory of its own, have to see them.
    """
    if _lent is not None:
        spark, theirs = _lent
        log.symlink_to(theirs)
        yield spark
        return
    environment = _environment(_SETTINGS)
    if warehouse is not None:
        environment = dataclasses.replace(environment, catalog={"type": "hadoop", "warehouse": str(warehouse)})
    with Engine(environment, log, small=True, train=True, scope=EVERYTHING, report=report) as engine:
        work_in_one_thread(engine.spark)
        yield engine.spark
        if engine.is_training and not _is_typical(engine.spark):
            engine.close(within=0)  # killed, it writes no archive; a later test run makes a better one


def work_in_one_thread(spark: SparkSession) -> None:
    """Have Iceberg do its small tasks at once, in the thread that asks.

    It hands them to a pool and looks every 10 ms whether they are done (`org.apache.iceberg.util.Tasks.waitFor`): a
    commit of a handful of rows spends half of its time asleep. The pool is a constant without a setting.
    """
    jvm: Any = spark._jvm
    with contextlib.suppress(Exception):  # another Iceberg or Java: it is only slower
        lookup = getattr(jvm, "java.lang.Class").forName
        held = lookup("sun.misc.Unsafe").getDeclaredField("theUnsafe")
        held.setAccessible(True)
        memory = held.get(None)
        pool = lookup("org.apache.iceberg.util.ThreadPools").getDeclaredField("WORKER_POOL")
        at_once = getattr(jvm, "org.apache.spark.util.ThreadUtils").sameThreadExecutorService()
        memory.putObject(memory.staticFieldBase(pool), memory.staticFieldOffset(pool), at_once)


def warm_engine(log: Path, report: Callable[[str], None]) -> Engine:
    """Prepare the engine to whose JVM test runs attach, one after the other; nothing is started yet.

    Args:
        log: File for Spark's log.
        report: Receives a line about what takes a while, such as a one-time download.
    """
    return Engine(_environment({**_SETTINGS, **WARM}), log, small=True, train=False, scope=EVERYTHING, report=report)


def lend(spark: SparkSession, log: Path) -> None:
    """Have this process's test run use a session that its caller opened and closes.

    Args:
        spark: The session.
        log: File for the log of its Spark.
    """
    global _lent  # noqa: PLW0603  # fixtures take no arguments: this is how a watcher reaches the one for Spark
    _lent = (spark, log)


def _is_typical(spark: SparkSession) -> bool:
    """Say whether a test run has loaded enough classes for its class data to help other runs."""
    try:
        jvm: Any = spark._jvm
        beans = getattr(jvm, "java.lang.management.ManagementFactory").getClassLoadingMXBean()
        return int(beans.getLoadedClassCount()) >= _TYPICAL
    except Exception:  # stopped, or dead
        return False


def _environment(spark: Mapping[str, str]) -> Environment:
    return Environment(
        name="test", params={}, catalog=_CATALOG, spark=spark, state=None, branch=None, smtp=None, owners={}
    )
