"""Collects the lineage of Spark sessions from the listener in the JVM, for SQL and DataFrame writers alike."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from dataflow.lineage.model import TableWrite
from dataflow.lineage.spark_plan.plan_lineage import RecordedLineage, SnapshotRead
from dataflow.spark.comet import Executed
from dataflow.spark.errors import short_message
from dataflow.tables.iceberg import java_class

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession


class LineageListener:
    """Collects what the sessions of a run or a job read and write, as the listener in the JVM reports it.

    A listener observes one session only, so each session of the run is watched.
    """

    def __init__(self, run: LineageListener | None = None) -> None:
        """Start with no lineage.

        Args:
            run: The listener of the run, where this is one of a job: it receives the same lines.
        """
        self._run = run
        self._recorded = RecordedLineage()
        self._lock = threading.Lock()
        self._listeners: dict[int, tuple[JavaObject, str]] = {}

    def watch(self, spark: SparkSession, *, runs_user_code: bool = True) -> None:
        """Start listening to a session.

        Args:
            spark: The session.
            runs_user_code: Whether user code has it, which may read tables in ways that no query shows.
        """
        listener = java_class(spark, "dataflow.lineage.SessionListener").open(spark._jsparkSession, runs_user_code)
        with self._lock:
            self._listeners[id(spark)] = (listener, str(spark.conf.get("spark.sql.defaultCatalog")))

    def unwatch(self, spark: SparkSession) -> None:
        """Collect the rest of a session, and stop listening, so that its listener does not outlive the run."""
        with self._lock:
            listener, catalog = self._listeners.pop(id(spark))
        self._add_line(listener, catalog)
        with self._noting_errors():
            listener.close()

    def reads(self) -> tuple[SnapshotRead, ...]:
        """Return what was read so far; waits for pending events."""
        self.collect()
        with self._lock:
            return tuple(self._recorded.reads.values())

    def sources(self) -> Mapping[str, tuple[int, int]]:
        """Return for each source the sequence number and id of the oldest snapshot read.

        Tables that the run wrote itself are not included.
        """
        reads = self.reads()
        written = {read.written for read in reads}
        found: dict[str, tuple[int, int]] = {}
        for read in reads:
            if read.source not in written:
                snapshot = (read.sequence, read.snapshot)
                found[read.source] = min(found.get(read.source, snapshot), snapshot)
        return found

    def flows(self) -> tuple[TableWrite, ...]:
        """Return the write of each table with its flows; waits as `reads` does."""
        self.collect()
        with self._lock:
            return self._recorded.flows()

    def native(self) -> Executed:
        """Return what Comet executed so far; waits as `reads` does."""
        self.collect()
        with self._lock:
            return self._recorded.native

    def errors(self) -> tuple[str, ...]:
        """Return errors of collecting lineage; waits as `reads` does."""
        self.collect()
        with self._lock:
            return tuple(dict.fromkeys(self._recorded.errors))

    def add(self, lines: Iterable[str], catalog: str) -> None:
        """Add lines that the listener of another Spark wrote; see `plan_lineage`."""
        lines = list(lines)
        with self._lock:
            self._recorded.add_lines(lines, catalog)
        if self._run is not None:
            self._run.add(lines, catalog)

    def collect(self) -> None:
        """Collect the lines of all watched sessions; waits for pending events."""
        with self._lock:
            listeners = list(self._listeners.values())
        for listener, catalog in listeners:
            self._add_line(listener, catalog)

    def _add_line(self, listener: JavaObject, catalog: str) -> None:
        with self._noting_errors():
            self.add(filter(None, str(listener.drain()).split("\n")), catalog)

    @contextlib.contextmanager
    def _noting_errors(self) -> Iterator[None]:
        """Record errors of the listener; that the JVM ended is reported elsewhere."""
        from py4j.protocol import Py4JError, Py4JNetworkError

        try:
            yield
        except Py4JNetworkError:
            return
        except Py4JError as error:
            with self._lock:
                self._recorded.errors.append(short_message(error))
