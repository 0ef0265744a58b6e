"""Manifests are read by the ids of their fields as PyIceberg reads them, however they are packed."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import BooleanType, DateType, IntegerType, LongType, NestedField, StringType, TimestamptzType

from dataflow.tables.catalog import open_catalog
from dataflow.tables.reader.manifests import entries, manifests
from dataflow.workflow.project import Environment

SCHEMA = Schema(
    NestedField(1, "n", IntegerType()),
    NestedField(2, "big", LongType()),
    NestedField(3, "s", StringType()),
    NestedField(4, "d", DateType()),
    NestedField(5, "at", TimestamptzType()),
    NestedField(6, "b", BooleanType()),
)
ROWS = pa.table(
    {
        "n": pa.array([1, None, -7], pa.int32()),
        "big": pa.array([2**40, -1, None], pa.int64()),
        "s": ["ö", "", None],
        "d": [dt.date(1969, 12, 31), None, dt.date(2026, 2, 28)],
        "at": pa.array([dt.datetime(2026, 1, 31, 23, 59, tzinfo=dt.UTC)] * 2 + [None], pa.timestamp("us", "UTC")),
        "b": [True, False, None],
    }
)


@pytest.mark.parametrize("codec", ["null", "gzip", "zstd", "bzip2"])
@pytest.mark.parametrize("version", ["1", "2"])
def test_entries_are_those_that_pyiceberg_reads(tmp_path, monkeypatch, codec, version):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    catalog = open_catalog(Environment("sandbox"))
    catalog.create_namespace("db")
    fields = [PartitionField(id_, 1000 + id_, IdentityTransform(), f"p{id_}") for id_ in (1, 2, 3, 4, 5, 6)]
    spec = PartitionSpec(*fields)
    properties = {"write.avro.compression-codec": codec, "format-version": version}
    place = str(tmp_path / "t")
    table = catalog.create_table("db.t", SCHEMA, partition_spec=spec, properties=properties, location=place)
    table.append(ROWS)
    table.delete("n = 1")
    io = PyArrowFileIO()
    listed = manifests(io, table.current_snapshot().manifest_list)
    theirs = table.current_snapshot().manifests(io)
    assert [(it.path, it.spec, it.snapshot) for it in listed] == [
        (it.manifest_path, it.partition_spec_id, it.added_snapshot_id) for it in theirs
    ]
    ours = [entry for manifest in listed for entry in entries(io, manifest)]
    expected = [entry for it in theirs for entry in it.fetch_manifest_entry(io, discard_deleted=False)]
    assert len(ours) == len(expected) > 2
    for mine, other in zip(ours, expected, strict=True):
        file = other.data_file
        assert (mine.status, mine.snapshot, mine.path, mine.rows) == (
            other.status, other.snapshot_id, file.file_path, file.record_count,
        )  # fmt: skip
        assert mine.partition == tuple(file.partition._data)
        assert (mine.values, mine.nulls) == (file.value_counts, file.null_value_counts)
        assert (mine.lower, mine.upper) == (file.lower_bounds, file.upper_bounds)
