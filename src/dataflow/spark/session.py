"""The Spark session of a command, and the one behind `dataflow.session()`."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.home import UMASK, subfolder
from dataflow.report import Report, silent
from dataflow.spark import jars
from dataflow.spark.config import is_local, spark_conf
from dataflow.spark.errors import message_of
from dataflow.spark.guard import EVERYTHING, Scope, open_session, scope_for_people
from dataflow.spark.guard import SETTING as SCOPE_SETTING
from dataflow.spark.java import Java, find_java
from dataflow.spark.jvm import Jvm
from dataflow.tables.catalog import ensure_catalog, is_embedded
from dataflow.workflow.project import environment, find_project

if TYPE_CHECKING:
    from types import TracebackType

    from pyspark.sql import SparkSession

    from dataflow.workflow.project import Environment


class Engine:
    """The one Spark session of a command. Used with `with`, it ends with the block."""

    def __init__(
        self,
        environment: Environment,
        log: Path,
        *,
        small: bool = False,
        train: bool = True,
        scope: Scope | None = None,
        interactive: bool = False,
        report: Report = silent,
    ) -> None:
        """Prepare a session; nothing is started yet.

        Args:
            environment: Where to run.
            log: Where Spark's and the JVM's output goes.
            small: The data is small: start fast rather than run long.
            train: Whether the work is typical enough for the class-data archive to be made from.
            scope: What all sessions of this JVM may write that are given nothing else; nothing when omitted.
            interactive: Ctrl-C cancels Spark's jobs, as PySpark has it; else it stops the command.
            report: Told of what takes a while, such as a one-time download.
        """
        self.environment = environment
        self._log = log
        self._small = small
        self._train = train
        self._scope = scope
        self._interactive = interactive
        self._report = report
        self._conf: dict[str, str] = {}
        self._java: Java | None = None
        self._jvm: Jvm | None = None
        self._address: tuple[int, str] | None = None
        self._gateway: Any = None
        self._spark: SparkSession | None = None
        self._reader: SparkSession | None = None

    def begin(self) -> None:
        """Start the JVM and return at once, so that imports go on meanwhile. Once is enough.

        Raises:
            DataflowError: There is no Java, or a jar can't be had.
        """
        if self._jvm is None:
            self._start()

    @property
    def spark(self) -> SparkSession:
        """The engine's own session, which may write everything; waits until it is there.

        Raises:
            DataflowError: There is no Java, or the JVM died.
        """
        if self._spark is None:
            self._spark = self.reader if self._scope is not None else open_session(self.reader, EVERYTHING)
        return self._spark

    @property
    def reader(self) -> SparkSession:
        """The JVM's first session, which people's code can reach: it writes what the engine's `scope` allows.

        Raises:
            DataflowError: There is no Java, or the JVM died.
        """
        if self._reader is None:
            jvm = self._jvm or self._start()
            try:
                self._gateway = connect(*self.connection())
                self._reader = _session(self._gateway, local=is_local(self._conf), interactive=self._interactive)
            except (DataflowError, KeyboardInterrupt):
                self.close()
                raise
            except Exception as error:
                failure = self._failure_of_start(jvm, error)
                self.close()
                raise failure from error
        return self._reader

    @property
    def settings(self) -> Mapping[str, str]:
        """What Spark was started with, secrets put in: never print or log it. Empty until it has begun."""
        return self._conf

    @property
    def java_home(self) -> Path | None:
        """The Java that runs it; None until it has begun."""
        return None if self._java is None else self._java.home

    @property
    def is_training(self) -> bool:
        """Whether a class-data archive is made of what it does, when its JVM ends the normal way."""
        return self._jvm is not None and self._jvm.is_training

    @property
    def death(self) -> DataflowError | None:
        """Why the JVM is gone, when it ended before it should, as for want of memory; else None."""
        if self._jvm is None or self._jvm.is_alive:
            return None
        return self._jvm.obituary("Spark's JVM died")

    def connection(self) -> tuple[int, str]:
        """Wait until the JVM listens, for processes that attach to it; return its port and secret.

        Raises:
            DataflowError: There is no Java, or the JVM died.
        """
        if self._address is None:
            self._address = (self._jvm or self._start()).connection()
        return self._address

    def close(self, within: float | None = None) -> None:
        """Stop the session. The JVM ends by itself, behind us; a class-data archive is written by then.

        Args:
            within: Seconds after which it is killed, and until which it is waited for.
        """
        if self._jvm is None:
            return
        if self._reader is not None and self._jvm.is_alive:
            with contextlib.suppress(Exception):  # it is going away either way
                self._reader.stop()
        if self._gateway is not None:
            _forget(self._gateway)
        self._jvm.end(within)
        self._jvm = self._address = self._gateway = self._spark = self._reader = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> Jvm:
        if _has_a_session():
            raise _one_is_enough()
        self._java = java = find_java(self._report)
        self._conf = spark_conf(self.environment, small=self._small)
        if self._scope is not None:
            self._conf[SCOPE_SETTING] = self._scope.as_json()
        if is_embedded(self.environment):
            ensure_catalog()
        jars.ensure(java, self.environment.spark, self._report)
        umask = UMASK if is_embedded(self.environment) else -1  # a warehouse elsewhere is as its team wants it
        self._jvm = Jvm(java, self._conf, self._log, train=self._train, umask=umask)
        return self._jvm

    def _failure_of_start(self, jvm: Jvm, error: Exception) -> DataflowError:
        if jvm.is_alive:
            return DataflowError(f"Spark did not start: {message_of(error)}", f"see {display_path(self._log)}")
        return jvm.obituary("Spark did not start")


_interactive: Engine | None = None


def interactive_session(env: str | None, conf: Mapping[str, str], *, write: bool = False) -> SparkSession:
    """Return a session that lives until Python ends, or until its own `stop()`.

    Called again it returns the same one, with session settings applied; another environment needs another
    process.

    Args:
        env: Name of an environment of the nearest `dataflow.yaml`.
        conf: Spark settings that win over the environment's.
        write: Whether it may write all that the catalog's login may write, beyond the sandbox's database.

    Raises:
        DataflowError: Spark can't be started, or this process has another session already.
    """
    global _interactive  # noqa: PLW0603  # Spark allows one context in a process
    wanted = environment(find_project(Path.cwd()), env)
    if not _has_a_session():
        if _interactive is not None:  # its session was stopped by hand
            _interactive.close()
        wanted = dataclasses.replace(wanted, spark={**wanted.spark, **conf})
        log = subfolder("logs") / f"session-{os.getpid()}.log"
        scope = scope_for_people(wanted, write=write)
        _interactive = Engine(wanted, log, train=False, scope=scope, interactive=True, report=_tell)
        return _interactive.spark
    if _interactive is None or _interactive.environment.name != wanted.name:
        raise _one_is_enough()
    spark = _interactive.spark
    for key, value in conf.items():
        if spark.conf.isModifiable(key):
            spark.conf.set(key, value)
    return spark


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _has_a_session() -> bool:
    pyspark = sys.modules.get("pyspark")  # where it is not imported there is none
    return pyspark is not None and pyspark.SparkContext._active_spark_context is not None


def _one_is_enough() -> UsageError:
    return UsageError("this process has another Spark session already", "use that one, or stop it first: spark.stop()")


def connect(port: int, secret: str) -> Any:
    """Connect to a JVM by pyspark's own code; return its gateway."""
    from pyspark.java_gateway import launch_gateway

    quieten()
    with _variables(PYSPARK_GATEWAY_PORT=str(port), PYSPARK_GATEWAY_SECRET=secret):
        return launch_gateway()  # type: ignore[no-untyped-call]  # with these it connects, and launches nothing


def _session(gateway: Any, *, local: bool, interactive: bool) -> SparkSession:
    """Open the session in a JVM."""
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    SparkContext._gateway = SparkContext._jvm = None  # that of a stopped session would win over ours
    with _interrupts(pyspark_s=interactive):
        context = SparkContext(conf=SparkConf(_jvm=gateway.jvm), gateway=gateway)
    if local:
        context.pythonExec = sys.executable  # workers import what we can import; no `python3` of the PATH
    return SparkSession(context)


@contextlib.contextmanager
def _interrupts(*, pyspark_s: bool) -> Iterator[None]:
    """Undo PySpark's handler of Ctrl-C unless it is wanted: it speaks to the JVM in the midst of a question."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if not pyspark_s and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def quieten() -> None:
    """Keep PySpark and py4j from printing what they raise."""
    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        # They print every SQL error, Java stack and all, on the terminal, before it is raised.
        PySparkLogger.getLogger(name).disabled = True
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # it prints what it raises, here and on the root logger
    logging.getLogger().addFilter(_is_not_py4j_s)


def _is_not_py4j_s(record: logging.LogRecord) -> bool:
    return "py4j" not in record.pathname


def _forget(gateway: Any) -> None:
    """Make pyspark forget a JVM, so that the next session gets another."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if SparkContext._gateway is gateway:
        SparkContext._active_spark_context = SparkContext._gateway = SparkContext._jvm = None
        SparkSession._instantiatedSession = SparkSession._activeSession = None
    with contextlib.suppress(Exception):
        gateway.shutdown()


@contextlib.contextmanager
def _variables(**values: str) -> Iterator[None]:
    """Set environment variables for a moment."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
