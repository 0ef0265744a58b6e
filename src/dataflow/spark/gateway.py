"""The connection to Spark's JVM through py4j, and the first session in it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def connect(port: int, secret: str) -> Any:
    """Connect to a JVM by pyspark's own code, and return the gateway."""
    from pyspark.java_gateway import launch_gateway

    quieten()
    with _environment_variables(PYSPARK_GATEWAY_PORT=str(port), PYSPARK_GATEWAY_SECRET=secret):
        return launch_gateway()  # type: ignore[no-untyped-call]  # with these it connects, and launches nothing


def first_session(gateway: Any, *, python: str | None, interactive: bool) -> SparkSession:
    """Open the first session in a JVM.

    Args:
        gateway: The connection.
        python: The Python of workers; PySpark's own choice, `PYSPARK_PYTHON` or the PATH's `python3`, when None.
        interactive: Whether Ctrl-C cancels Spark's jobs, as PySpark has it; else it stops the command.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    SparkContext._gateway = SparkContext._jvm = None  # that of a stopped session would win over ours
    with _interrupt_handler(keep=interactive):
        context = SparkContext(conf=SparkConf(_jvm=gateway.jvm), gateway=gateway)
    if python is not None:
        context.pythonExec = python  # where Spark runs here: ours, whose workers import what we can import
    return SparkSession(context)


@contextlib.contextmanager
def _interrupt_handler(*, keep: bool) -> Iterator[None]:
    """Undo PySpark's handler of Ctrl-C unless it is wanted: it calls the JVM in the middle of another call."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if not keep and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def quieten() -> None:
    """Keep PySpark and py4j from printing what they raise."""
    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        # They print every SQL error, Java stack and all, on the terminal, before it is raised.
        PySparkLogger.getLogger(name).disabled = True
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # it prints what it raises, here and on the root logger
    logging.getLogger().addFilter(_is_not_py4j)


def _is_not_py4j(record: logging.LogRecord) -> bool:
    return "py4j" not in record.pathname


def disconnect(gateway: Any) -> None:
    """Close a connection, and make pyspark forget its JVM, so that the next session gets another."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._gateway is gateway:
        SparkContext._active_spark_context = SparkContext._gateway = SparkContext._jvm = None
        SparkSession._instantiatedSession = SparkSession._activeSession = None
    with contextlib.suppress(Exception):
        gateway.shutdown()


@contextlib.contextmanager
def _environment_variables(**values: str) -> Iterator[None]:
    """Set environment variables for a moment."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
