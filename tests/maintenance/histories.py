"""Histories of a table, made of metadata alone: snapshots by their parents, ages in days, branches and tags."""

from __future__ import annotations

import datetime as dt

from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadataV2
from pyiceberg.table.refs import SnapshotRef
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.sorting import SortOrder
from pyiceberg.types import IntegerType, NestedField

from dataflow.maintenance.promises import Promises

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def snapshot(id_, parent, days_ago, operation="overwrite", **summary):
    """Return a snapshot that was committed so many days ago."""
    told = {key.replace("_", "-") if "." not in key else key: value for key, value in summary.items()}
    return Snapshot(
        snapshot_id=id_,
        parent_snapshot_id=parent,
        sequence_number=id_,
        timestamp_ms=round((NOW - days_ago * DAY).timestamp() * 1000),
        manifest_list=f"/{id_}.avro",
        summary=Summary(Operation(operation), **{f"dataflow.{key}": value for key, value in told.items()}),
        schema_id=0,
    )


def history(*snapshots, main=None, refs=None, **properties):
    """Return the metadata of a table; its head is the last snapshot unless `main` says another."""
    head = main if main is not None else (snapshots[-1].snapshot_id if snapshots else None)
    named = {} if head is None else {"main": SnapshotRef(snapshot_id=head, snapshot_ref_type="branch")}
    for name, (kind, id_, *age) in (refs or {}).items():
        named[name] = SnapshotRef(snapshot_id=id_, snapshot_ref_type=kind, max_ref_age_ms=age[0] if age else None)
    return TableMetadataV2(
        location="/table",
        last_column_id=1,
        schemas=[Schema(NestedField(1, "id", IntegerType(), required=False))],
        partition_specs=[PartitionSpec()],
        sort_orders=[SortOrder(order_id=0)],
        last_sequence_number=max((it.sequence_number for it in snapshots), default=0),
        current_snapshot_id=head,
        snapshots=list(snapshots),
        refs=named,
        properties=properties,
    )


def promises(run="over", keep=30, marks=None, campaign=None, now=NOW):
    """Return promises of which only what is told differs from none."""
    of = run if callable(run) else lambda _: run
    return Promises(now, keep, of, marks or {}, campaign)
