"""Tables in a catalog of the test's own, written by PyIceberg: what pages and previews show without a JVM."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.conversions import to_bytes
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import (
    DateType,
    DoubleType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
)

from tests.support.hostile import HOSTILE

PLAYS = Schema(
    NestedField(1, "id", LongType(), required=True, doc="the title's number"),
    NestedField(2, "hours", DoubleType(), doc=HOSTILE[0]),
    NestedField(3, "date", DateType(), doc="the day of the play"),
    NestedField(4, "at", TimestampType()),
    NestedField(
        5,
        "viewer",
        StructType(
            NestedField(6, "country", StringType(), doc="ISO 3166"),
            NestedField(7, "tags", ListType(8, StringType(), element_required=False)),
        ),
        doc="who looked",
    ),
)


def day(text):
    return dt.date.fromisoformat(text)


def plays(*days, per_day=2):
    """Return rows of some days; None is a row without a day."""
    dates = [None if it is None else day(it) for it in days for _ in range(per_day)]
    at = [it and dt.datetime.combine(it, dt.time(5, 30)) for it in dates]
    viewer = pa.struct([("country", pa.string()), ("tags", pa.list_(pa.string()))])
    fields = [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("hours", pa.float64()),
        pa.field("date", pa.date32()),
        pa.field("at", pa.timestamp("us")),
        pa.field("viewer", viewer),
    ]
    rows = [
        {"id": n, "hours": 1.5, "date": date, "at": moment, "viewer": {"country": "DE", "tags": ["a"]}}
        for n, (date, moment) in enumerate(zip(dates, at, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


BY_DATE = (("date", IdentityTransform()),)


def create(catalog, name, *, by=BY_DATE, schema=PLAYS, properties=None, location=None):
    """Make a table, its database too; `by` are columns with their transforms."""
    namespace = name[:-1] if isinstance(name, tuple) else tuple(name.split(".")[:-1])
    catalog.create_namespace_if_not_exists(namespace)
    fields = (
        PartitionField(schema.find_field(column).field_id, 1000 + n, transform, f"p_{n}")
        for n, (column, transform) in enumerate(by)
    )
    spec = PartitionSpec(*fields)
    return catalog.create_table(name, schema, location=location, partition_spec=spec, properties=properties or {})


@pytest.fixture
def catalog(tmp_path):
    made = InMemoryCatalog("lake", warehouse=(tmp_path / "warehouse").as_uri())
    yield made
    made.close()


def add_files(table, *files):
    """Commit files that hold no data, as metadata tells of them; PyIceberg itself writes no transformed partitions.

    Args:
        table: The table.
        files: For each the value of its partition, its rows, and the least and the greatest value of some columns.
    """
    with table.transaction() as change, change.update_snapshot().fast_append() as update:
        for number, (partition, rows, bounds) in enumerate(files):
            types = {name: table.schema().find_field(name) for name in bounds}
            lower, upper = (
                {types[name].field_id: to_bytes(types[name].field_type, ends[at]) for name, ends in bounds.items()}
                for at in (0, 1)
            )
            found = DataFile.from_args(
                content=DataFileContent.DATA,
                file_path=f"{table.location()}/data/{number}.parquet",
                file_format=FileFormat.PARQUET,
                partition=Record(partition),
                record_count=rows,
                file_size_in_bytes=1000,
                column_sizes={},
                value_counts=dict.fromkeys(lower, rows),
                null_value_counts=dict.fromkeys(lower, 0),
                nan_value_counts={},
                lower_bounds=lower,
                upper_bounds=upper,
                key_metadata=None,
                split_offsets=[4],
                equality_ids=None,
                sort_order_id=0,
            )
            found.spec_id = table.spec().spec_id
            update.append_data_file(found)


def micros(text):
    """Return a moment as a timestamp's value."""
    return (dt.datetime.fromisoformat(text) - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)


def days(text):
    """Return a date as its value."""
    return (day(text) - dt.date(1970, 1, 1)).days
