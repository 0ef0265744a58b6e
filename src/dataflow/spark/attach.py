"""A session in a JVM that another process started and keeps: for one process at a time.

py4j shares its objects, and Spark shares jobs, caches and global views, between all processes that a JVM serves. So a
process that attaches first removes what the one before it left, however that one ended.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.spark.gateway import connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTINGS = {
    # A kept worker would have what the code of the process before left in it.
    "spark.python.worker.reuse": "false",
}

_PY4J_S_OWN = ("j", "t", "GATEWAY_SERVER")
_STOP_TIMEOUT = 3.0


def attach(port: int, secret: str) -> SparkSession:
    """Open a session of this process's own in a running JVM.

    Args:
        port: The port of its gateway.
        secret: The secret that the gateway asks for.

    Raises:
        DataflowError: Work that another process left there can't be stopped.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    gateway = connect(port, secret)
    jvm = gateway.jvm
    gateway.java_gateway_server.getGateway().getBindings().keySet().retainAll(list(_PY4J_S_OWN))
    conf = SparkConf(_jvm=jvm)
    scala_context = getattr(jvm, "org.apache.spark.SparkContext").getOrCreate(conf._jconf)
    _stop_work(scala_context)
    java_context = jvm.JavaSparkContext.fromSparkContext(scala_context)
    for cached in list(java_context.getPersistentRDDs().values()):
        cached.unpersist()
    context = SparkContext(conf=conf, gateway=gateway, jsc=java_context)
    context.pythonExec = sys.executable
    first = getattr(jvm, "org.apache.spark.sql.classic.SparkSession").builder().getOrCreate()
    _clear(jvm, first)
    return SparkSession(context, first.newSession())


def set_working_directory(spark: SparkSession, folder: Path) -> None:
    """Make a folder the one that relative paths start from."""
    context = spark.sparkContext
    jvm: Any = context._jvm
    hadoop = getattr(jvm, "org.apache.hadoop.fs.FileSystem").get(context._jsc.hadoopConfiguration())
    hadoop.setWorkingDirectory(getattr(jvm, "org.apache.hadoop.fs.Path")(str(folder)))


def _stop_work(context: Any) -> None:
    """Stop what runs, and wait until it has stopped."""
    context.cancelAllJobs()
    deadline = time.monotonic() + _STOP_TIMEOUT
    while any(it.numRunningTasks() for it in context.statusTracker().getExecutorInfos()):
        if time.monotonic() > deadline:
            raise DataflowError("work of the previous run could not be stopped")
        time.sleep(0.02)


def _clear(jvm: Any, session: Any) -> None:
    """Clear what the sessions of one JVM share."""
    shared = session.sharedState()
    for query in list(shared.activeStreamingQueries().values()):
        with contextlib.suppress(Exception):
            query.stop()
    shared.globalTempViewManager().clear()
    shared.cacheManager().clearCache()
    files = getattr(jvm, "java.lang.Class").forName("org.apache.iceberg.inmemory.InMemoryFileIO")
    held = files.getDeclaredField("IN_MEMORY_FILES")  # tables of catalogs that are gone
    held.setAccessible(True)
    held.get(None).clear()
