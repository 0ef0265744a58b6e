"""What each write read, as Spark resolved it: SQL and DataFrame writers alike, views seen through."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dataflow.engine.planlineage import WRITES, named_in, writes_of
from dataflow.engine.planprint import instructions_of
from dataflow.workflow.flow import Name, Written, with_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

_EVERYTHING = 1_000_000
"""No list of a plan's print is cut short."""


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
        self._written: dict[str, Written] = {}
        self._named: set[Name] = set()
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

    def flows(self) -> tuple[Written, ...]:
        """Return for each table written which columns of which tables went into it; waits as `reads` does.

        What other queries of the run named goes to each. Of the tables that it writes they tell nothing: our own
        audits are among them, and an owner's move is seen by what is written.
        """
        self.reads()
        with self._lock:
            names = {name for name in self._named if name[0] not in self._written}
            return tuple(with_names((written for _, written in sorted(self._written.items())), names))

    def add(self, writes: Iterable[Written], names: Iterable[Name] = ()) -> None:
        """Take what another Spark told of: its writes, and the columns that its other queries name."""
        with self._lock:
            self._named.update(names)
            for write in writes:
                before = self._written.get(write.target)
                self._written[write.target] = write if before is None else before | write

    def onSuccess(self, function: str, execution: JavaObject, nanoseconds: int) -> None:  # noqa: ARG002, N802
        """Take what a finished query read; Spark tells a write twice, as a command and as its result."""
        plan = execution.analyzed()
        name = str(plan.nodeName())
        if name in WRITES:
            self._take_reads(plan)
        elif not (name == "Union" and str(plan.children().apply(0).nodeName()) in WRITES):  # a multiple insert
            self._take_names(execution, plan)
            return
        self.add(_writes(execution, plan))

    def _take_names(self, execution: JavaObject, plan: JavaObject) -> None:
        """Keep what a query that writes nothing names: the job fails without it all the same."""
        if plan.children().isEmpty() and plan.innerChildren().isEmpty():  # SET and its like
            return
        session = execution.sparkSession()
        text = _printed(session, plan)
        if "RelationV2[" in text:
            named = named_in(text, str(session.conf().get("spark.sql.defaultCatalog")), _statement(plan))
            self.add((), named)

    def _take_reads(self, plan: JavaObject) -> None:
        written = _target(plan)
        for leaf in _leaves(plan):
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


def _writes(execution: JavaObject, plan: JavaObject) -> tuple[Written, ...]:
    """Return a plan's writes with their columns: one print of the plan, as each look at one of its nodes is a call."""
    session = execution.sparkSession()
    text = _printed(session, plan)
    with _active(session):
        instructions = [line for part in _merge_instructions(plan) for line in instructions_of(part)]
    return writes_of(text, str(session.conf().get("spark.sql.defaultCatalog")), instructions, _statement(plan))


def _printed(session: JavaObject, plan: JavaObject) -> str:
    with _active(session):  # long function calls are printed as its settings say
        return str(plan.treeString(True, False, _EVERYTHING, False, False))


def _statement(plan: JavaObject) -> str:
    """Return the SQL that a plan was parsed from; empty for what came from a DataFrame."""
    while str(plan.nodeName()) in {"GlobalLimit", "LocalLimit"}:  # around what a script only asks, to have it heard
        plan = plan.children().apply(0)
    found = plan.origin().sqlText()
    return str(found.get()) if found.isDefined() else ""


@contextlib.contextmanager
def _active(session: JavaObject) -> Iterator[None]:
    """Make a session the one of Spark's listener thread for a moment."""
    from pyspark import SparkContext

    sessions: Any = SparkContext._jvm
    sessions = sessions.org.apache.spark.sql.classic.SparkSession
    sessions.setActiveSession(session)
    try:
        yield
    finally:
        sessions.clearActiveSession()


def _merge_instructions(plan: JavaObject) -> Iterator[str]:
    if str(plan.nodeName()) not in {"ReplaceData", "WriteDelta"}:
        return
    node = plan.query()
    while str(node.nodeName()) != "MergeRows":
        if node.children().size() != 1:
            return
        node = node.children().apply(0)
    for part in (node.matchedInstructions(), node.notMatchedInstructions(), node.notMatchedBySourceInstructions()):
        yield str(part.toString())


def _leaves(plan: JavaObject) -> Iterator[JavaObject]:
    """Yield the tables that a write's query reads, those of subqueries as well."""
    inside = plan.query().subqueriesAll()
    for query in (plan.query(), *(inside.apply(i) for i in range(inside.size()))):
        leaves = query.collectLeaves().iterator()
        while leaves.hasNext():
            leaf = leaves.next()
            if leaf.nodeName() == "DataSourceV2Relation":
                yield leaf


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
