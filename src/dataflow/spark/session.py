"""The Spark session of a command."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.home import UMASK
from dataflow.report import Report, silent
from dataflow.spark import jars
from dataflow.spark.catalog_jars import catalog_jars
from dataflow.spark.comet import NONE, Acceleration, ready
from dataflow.spark.config import is_cluster, is_local, spark_conf
from dataflow.spark.errors import short_message
from dataflow.spark.gateway import connect, disconnect, first_session
from dataflow.spark.guard import EVERYTHING, WriteScope, open_session
from dataflow.spark.guard import SETTING as SCOPE_SETTING
from dataflow.spark.java import Java, find_java
from dataflow.spark.jvm import Jvm
from dataflow.spark.launch_env import SparkLaunch
from dataflow.tables.catalog import ensure_catalog, is_embedded

if TYPE_CHECKING:
    from types import TracebackType

    from pyspark.sql import SparkSession

    from dataflow.workflow.project import Environment

_NOBODY = "All masters are unresponsive"
"""What Spark's log says after a minute in which it got no answer; its exception speaks of a stopped context."""


class Engine:
    """The one Spark session of a command. Used with `with`, it ends with the block."""

    def __init__(
        self,
        environment: Environment,
        log: Path,
        *,
        small: bool = False,
        train: bool = True,
        scope: WriteScope | None = None,
        interactive: bool = False,
        report: Report = silent,
    ) -> None:
        """Prepare a session; nothing is started yet.

        Args:
            environment: Where to run.
            log: Where Spark's and the JVM's output goes.
            small: The data is small: start fast rather than run long.
            train: Whether the work is typical enough to make the class-data archive from.
            scope: What sessions of this JVM may write that have no scope of their own; nothing when omitted.
            interactive: Ctrl-C cancels Spark's jobs, as PySpark has it; else it stops the command.
            report: Receives lines about what takes a while, such as a one-time download.
        """
        self.environment = environment
        self._log = log
        self._small = small
        self.acceleration = NONE
        """Whether Comet executes what it can; not where its jar can't be had, once the JVM was started."""
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

    def accelerate(self, acceleration: Acceleration) -> None:
        """Say whether Comet executes what it can; before the JVM starts."""
        self.acceleration = acceleration

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
        """The JVM's first session, which user code can reach: it writes what the engine's `scope` allows.

        Raises:
            DataflowError: There is no Java, or the JVM died.
        """
        if self._reader is None:
            jvm = self._jvm or self._start()
            try:
                self._gateway = connect(*self.connection())
                python = sys.executable if is_local(self._conf) else self._conf.get("spark.pyspark.python")
                self._reader = first_session(self._gateway, python=python, interactive=self._interactive)
            except (DataflowError, KeyboardInterrupt):
                self.close()
                raise
            except Exception as error:
                failure = self._failure_of_start(jvm, error)
                self.close()
                raise failure from error
        return self._reader

    @property
    def launch(self) -> SparkLaunch:
        """How a program starts a Spark of its own that works like this one; without settings until it has begun."""
        return SparkLaunch(self._conf, java_home=None if self._java is None else self._java.home)

    @property
    def is_training(self) -> bool:
        """Whether a class-data archive is made of what it does, when its JVM ends the normal way."""
        return self._jvm is not None and self._jvm.is_training

    @property
    def exit_error(self) -> DataflowError | None:
        """Why the JVM exited before the session was closed, such as for want of memory; None while it runs."""
        if self._jvm is None or self._jvm.is_alive:
            return None
        return self._jvm.exit_error("Spark's JVM died")

    def connection(self) -> tuple[int, str]:
        """Wait until the JVM listens, for processes that attach to it; return its port and secret.

        Raises:
            DataflowError: There is no Java, or the JVM died.
        """
        if self._address is None:
            self._address = (self._jvm or self._start()).connection()
        return self._address

    def close(self, within: float | None = None) -> None:
        """Stop the session. The JVM ends by itself, in the background, after it has written a class-data archive.

        Args:
            within: Seconds after which it is killed, and until which it is waited for.
        """
        if self._jvm is None:
            return
        if self._reader is not None and self._jvm.is_alive:
            with contextlib.suppress(Exception):  # it ends either way
                self._reader.stop()
        if self._gateway is not None:
            disconnect(self._gateway)
        self._jvm.end(within)
        self._jvm = self._address = self._gateway = self._spark = self._reader = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> Jvm:
        if has_session():
            raise second_session_error()
        _require_shared_catalog(self.environment)
        self._java = java = find_java(self._report)
        jars.ensure(java, self.environment.spark, self._report, catalog_jars(self.environment))
        self.acceleration = ready(self.acceleration, java, self.environment, self._report)
        self._conf = spark_conf(self.environment, small=self._small, comet=self.acceleration.on)
        if self._scope is not None:
            self._conf[SCOPE_SETTING] = self._scope.as_json()
        if is_embedded(self.environment):
            ensure_catalog()
        umask = UMASK if is_embedded(self.environment) else -1  # a warehouse elsewhere is as its team wants it
        self._jvm = Jvm(java, self._conf, self._log, train=self._train, umask=umask)
        return self._jvm

    def _failure_of_start(self, jvm: Jvm, error: Exception) -> DataflowError:
        if jvm.is_alive:
            master = self._conf["spark.master"]
            stopped = "stopped SparkContext" in str(error)  # the log may be of more commands than this one
            if (
                stopped
                and is_cluster(self._conf)
                and _NOBODY in self._log.read_text(encoding="utf-8", errors="replace")
            ):
                hint = (
                    f"look whether it runs and is reachable from here; {self.environment.name} names it as spark.master"
                )
                return DataflowError(f"Spark did not start: nobody answers at {master}", hint)
            return DataflowError(f"Spark did not start: {short_message(error)}", f"see {display_path(self._log)}")
        return jvm.exit_error("Spark did not start")


def _require_shared_catalog(environment: Environment) -> None:
    """Refuse a catalog in this machine's home to executors elsewhere, whose files nobody would find.

    Raises:
        UsageError: The environment has such a catalog, and a cluster.
    """
    if is_embedded(environment) and is_cluster(environment.spark):
        raise UsageError(
            f"the executors of {environment.spark['spark.master']} can't reach the catalog in this Dataflow home",
            f"give {environment.name} a `catalog:` that the whole cluster reaches, and a `warehouse` there",
        )


def has_session() -> bool:
    """Return whether this process has a Spark session."""
    pyspark = sys.modules.get("pyspark")  # where it is not imported there is none
    return pyspark is not None and pyspark.SparkContext._active_spark_context is not None


def second_session_error() -> UsageError:
    """Return the error of a second session in one process."""
    return UsageError("this process has another Spark session already", "use that one, or stop it first: spark.stop()")
