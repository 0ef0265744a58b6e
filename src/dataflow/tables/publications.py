"""What a table's own snapshots tell of what was published to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dataflow.tables.iceberg import load
from dataflow.tables.properties import PART, PARTITION, ROWS, RUN_ID, SOURCES

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

    from dataflow.tables.partition import Partition


Told = Mapping[str, str]
"""What a snapshot says of its publication: its sources, and what it holds."""


def newest_publications(spark: SparkSession, table: str, labels: Collection[str] | None = None) -> dict[str, Told]:
    """Return what the snapshots say that published partitions last, or said that they stay as they are.

    Args:
        spark: The session.
        table: The table.
        labels: The partitions; all that the history tells of when None.

    Returns:
        By partition. One that was never published, or whose snapshot has expired, is not among them.
    """
    found: dict[str, Told] = {}
    for snapshot in _history(load(spark, table)):
        if labels is not None and len(found) == len(set(labels)):
            break
        label = _summary_value(snapshot, PARTITION)
        if label is not None and (labels is None or label in labels):
            found.setdefault(label, {SOURCES: _summary_value(snapshot, SOURCES) or "{}"})
    return found


def written_past(spark: SparkSession, table: str, base: int, applications: Collection[str]) -> int | None:
    """Return a snapshot of main that certain Sparks wrote since a base, and that no run published.

    Spark's writes carry its application's id; publishing says whose run it was instead.

    Args:
        spark: The session.
        table: The table.
        base: The snapshot of main to look back to.
        applications: The ids of those Sparks.

    Returns:
        The newest such snapshot; None where there is none.
    """
    for snapshot in _history(load(spark, table)):
        if int(snapshot.snapshotId()) == base:
            break
        if _summary_value(snapshot, "spark.app.id") in applications and _summary_value(snapshot, RUN_ID) is None:
            return int(snapshot.snapshotId())
    return None


def published_part(spark: SparkSession, table: str, part: str) -> dict[str, str] | None:
    """Return what main's history says of what a part of a run published; None where it has not."""
    for snapshot in _history(load(spark, table)):
        if _summary_value(snapshot, PART) == part:
            return {str(key): str(value) for key, value in dict(snapshot.summary()).items()}
    return None


def row_history(spark: SparkSession, table: str, partition: Partition, limit: int) -> list[int]:
    """Return the row counts of other partitions as last published, newest first.

    They stand in the snapshots' summaries, so the table itself tells them to every environment.
    """
    counts: dict[str, int] = {}
    for snapshot in _history(load(spark, table)):
        label, rows = _summary_value(snapshot, PARTITION) or "", _summary_value(snapshot, ROWS)
        if rows is not None and label != partition.label:
            counts.setdefault(label, int(rows))
        if len(counts) == limit:
            break
    return list(counts.values())


def row_history_of(metadata: Mapping[str, Any], label: str, limit: int) -> list[int]:
    """Return what `row_history` does, of a table's metadata file.

    Args:
        metadata: What the file says.
        label: The partition that is left out.
        limit: How many at most.
    """
    snapshots = {it["snapshot-id"]: it for it in metadata.get("snapshots", ())}
    counts: dict[str, int] = {}
    snapshot = snapshots.get(metadata.get("current-snapshot-id"))
    while snapshot is not None and len(counts) < limit:
        summary = snapshot.get("summary", {})
        if ROWS in summary and summary.get(PARTITION, "") != label:
            counts.setdefault(summary.get(PARTITION, ""), int(summary[ROWS]))
        snapshot = snapshots.get(snapshot.get("parent-snapshot-id"))
    return list(counts.values())


def _history(table: JavaObject) -> Iterator[JavaObject]:
    """Yield main's snapshots, newest first."""
    snapshot = table.currentSnapshot()
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parentId()
        snapshot = None if parent is None else table.snapshot(parent)


def _summary_value(snapshot: JavaObject, key: str) -> str | None:
    value = snapshot.summary().get(key)
    return None if value is None else str(value)
