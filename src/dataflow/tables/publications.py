"""What a table's own snapshots tell of what was published to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.tables.iceberg import load

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import SparkSession

    from dataflow.tables.partition import Partition


def newest_publication(spark: SparkSession, table: str, value: str) -> dict[str, str] | None:
    """Return the summary of the snapshot that published a partition last.

    Args:
        spark: The session.
        table: The table.
        value: A value of the partition, such as `2026-01-31`.

    Returns:
        The summary; empty when that partition was never published, or its snapshot has expired; None when the
        table has no published partitions at all, because it is written in other ways.
    """
    publishes = False
    for summary in _summaries(load(spark, table)):
        label = summary.get("dataflow.partition")
        publishes = publishes or label is not None
        if label is not None and value in re.split(r"[=/]", label):
            return summary
    return {} if publishes else None


def _summaries(table: JavaObject) -> Iterator[dict[str, str]]:
    """Yield the summaries of main's snapshots, newest first."""
    snapshot = table.currentSnapshot()
    while snapshot is not None:
        yield {str(key): str(value) for key, value in dict(snapshot.summary()).items()}
        parent = snapshot.parentId()
        snapshot = None if parent is None else table.snapshot(parent)


def row_history(spark: SparkSession, table: str, partition: Partition, limit: int) -> list[int]:
    """Return the row counts of other partitions as last published, newest first.

    They stand in the snapshots' summaries, so the table itself tells them to every environment.
    """
    counts: dict[str, int] = {}
    for summary in _summaries(load(spark, table)):
        label, rows = summary.get("dataflow.partition", ""), summary.get("dataflow.rows")
        if rows is not None and label != partition.label:
            counts.setdefault(label, int(rows))
        if len(counts) == limit:
            break
    return list(counts.values())
