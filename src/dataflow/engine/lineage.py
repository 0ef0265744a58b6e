"""What each write read, as Spark resolved it: SQL and DataFrame writers alike, views seen through."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

_WRITES = frozenset(
    {
        "AppendData",
        "OverwriteByExpression",
        "OverwritePartitionsDynamic",
        "ReplaceData",
        "WriteDelta",
        "CreateTableAsSelect",
        "ReplaceTableAsSelect",
    }
)


@dataclass(frozen=True)
class Read:
    """One table that a write read.

    Attributes:
        written: The table written, with its catalog.
        source: The table read, with its catalog.
        sequence: Sequence number of the snapshot that was read; 0 where the table has none.
        snapshot: That snapshot's id.
    """

    written: str
    source: str
    sequence: int
    snapshot: int


class Lineage:
    """A query-execution listener in Python that collects what one run's sessions read.

    Spark tells a listener of one session only, so each session that works for the run is watched.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Read] = {}
        self._lock = threading.Lock()
        self._spark: SparkSession | None = None

    def watch(self, spark: SparkSession) -> None:
        """Listen to a session."""
        from pyspark.java_gateway import ensure_callback_server_started

        ensure_callback_server_started(spark.sparkContext._gateway)  # type: ignore[no-untyped-call]
        spark._jsparkSession.listenerManager().register(self)
        self._spark = spark

    def unwatch(self, spark: SparkSession) -> None:
        """Hear a session out, and stop listening, so that its listener does not outlive the run."""
        self.reads()
        with contextlib.suppress(Exception):
            spark._jsparkSession.listenerManager().unregister(self)

    def reads(self) -> tuple[Read, ...]:
        """Return what was read so far; waits until Spark has told all."""
        if self._spark is not None:
            with contextlib.suppress(Exception):  # the JVM may be gone, which is told where it shows
                self._spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()
        with self._lock:
            return tuple(self._found.values())

    def sources(self) -> Mapping[str, tuple[int, int]]:
        """Return for each source the sequence number and id of the oldest snapshot read.

        Tables that the run wrote itself are no sources of it.
        """
        reads = self.reads()
        written = {read.written for read in reads}
        found: dict[str, tuple[int, int]] = {}
        for read in reads:
            if read.source not in written:
                snapshot = (read.sequence, read.snapshot)
                found[read.source] = min(found.get(read.source, snapshot), snapshot)
        return found

    def onSuccess(self, function: str, execution: JavaObject, nanoseconds: int) -> None:  # noqa: ARG002, N802
        """Take what a finished query read; Spark tells a write twice, as a command and as its result."""
        plan = execution.analyzed()
        if plan.nodeName() not in _WRITES:
            return
        written = _target(plan)
        leaves = plan.query().collectLeaves().iterator()
        while leaves.hasNext():
            leaf = leaves.next()
            if leaf.nodeName() == "DataSourceV2Relation":
                sequence, snapshot = _snapshot(leaf)
                read = Read(written, str(leaf.name()), sequence, snapshot)
                with self._lock:
                    key = (written, read.source)
                    before = self._found.get(key, read)
                    self._found[key] = min(before, read, key=lambda r: (r.sequence, r.snapshot))

    def onFailure(self, function: str, execution: JavaObject, error: JavaObject) -> None:  # noqa: N802
        """A failed query wrote nothing."""

    class Java:
        """Tells py4j which interface this is."""

        implements: ClassVar[list[str]] = ["org.apache.spark.sql.util.QueryExecutionListener"]


def _target(plan: JavaObject) -> str:
    named = plan.name() if str(plan.nodeName()).endswith("AsSelect") else plan.table()
    return str(named.name())


def _snapshot(leaf: JavaObject) -> tuple[int, int]:
    """Return the snapshot of an Iceberg relation as it was resolved: later commits are not in it."""
    try:
        snapshot = leaf.table().table().currentSnapshot()
    except Exception:  # not an Iceberg table: py4j finds no such method
        return 0, 0
    return (0, 0) if snapshot is None else (int(snapshot.sequenceNumber()), int(snapshot.snapshotId()))
