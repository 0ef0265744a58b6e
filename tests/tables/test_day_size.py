"""How much of a table some days are, held to what PyIceberg plans to read for them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.expressions import EqualTo
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, HourTransform, IdentityTransform, MonthTransform, YearTransform
from pyiceberg.types import DateType, LongType, NestedField, StringType, StructType, TimestamptzType

from dataflow.tables import day_size
from dataflow.tables.day_size import Size, day_columns, size_of_days, whole_size
from dataflow.tables.reader.avro import records

FIRST = dt.date(2026, 1, 30)  # two days before a month ends
SCHEMA = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "day", DateType()),
    NestedField(3, "at", TimestamptzType()),
    NestedField(4, "text", StringType()),
    NestedField(5, "inside", StructType(NestedField(6, "deep", DateType()))),
)
WAYS = {
    "day": (2, IdentityTransform()),
    "at by day": (3, DayTransform()),
    "at by hour": (3, HourTransform()),
    "at by month": (3, MonthTransform()),
    "day by year": (2, YearTransform()),
    "text": (4, IdentityTransform()),
    "deep": (6, IdentityTransform()),
}


def day(number):
    return FIRST + dt.timedelta(days=number)


def rows(*numbers):
    days = [None if it is None else day(it) for it in numbers]
    at = [it and dt.datetime.combine(it, dt.time(23, 59, 59), dt.UTC) for it in days]
    return pa.table(
        {
            "id": pa.array(range(len(days)), pa.int64()),
            "day": pa.array(days, pa.date32()),
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "text": pa.array([it and it.isoformat() for it in days], pa.string()),
            "inside": pa.array([{"deep": it} for it in days], pa.struct([("deep", pa.date32())])),
        }
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    made = InMemoryCatalog("memory", warehouse=tmp_path_factory.mktemp("warehouse").as_uri())
    made.create_namespace("db")
    return made


def create(catalog, *ways, version="2"):
    fields = (PartitionField(WAYS[way][0], 1000 + n, WAYS[way][1], f"p{n}") for n, way in enumerate(ways))
    name = f"db.t{len(catalog.list_tables('db'))}"
    properties = {"format-version": version}
    return catalog.create_table(name, SCHEMA, partition_spec=PartitionSpec(*fields), properties=properties)


def metadata(table):
    return json.loads(Path(urlsplit(table.metadata_location).path).read_text())


def planned(table, column, days):
    """Return what PyIceberg reads of a day column for days, no file twice."""
    tasks = [it for day in days for it in table.scan(row_filter=EqualTo(column, day.isoformat())).plan_files()]
    found = {it.file.file_path: Size(it.file.record_count, it.file.file_size_in_bytes) for it in tasks}
    return sum(found.values(), start=Size())


def add(table, folder, *numbers):
    """Add a file of rows; their partition is reckoned from the file's bounds, whatever the transform."""
    file = folder / f"{table.name()[-1]}-{'-'.join(map(str, numbers))}.parquet"
    pq.write_table(rows(*numbers), file)
    table.add_files([str(file)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Delete operation did not match")
@pytest.mark.parametrize("version", ["1", "2"])
@given(
    ways=st.lists(st.sampled_from(["day", "text", "deep"]), min_size=1, max_size=1),
    appends=st.lists(st.lists(st.none() | st.integers(0, 4), min_size=1, max_size=5), max_size=4),
    wanted=st.sets(st.integers(-1, 5), min_size=1),
    drop=st.none() | st.integers(0, 4),
)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_days_are_as_large_as_the_files_that_a_filter_by_them_reads(catalog, version, ways, appends, wanted, drop):
    table = create(catalog, *ways, version=version)
    for numbers in appends:
        table.append(rows(*numbers))
    if drop is not None and appends:
        table.delete(EqualTo("day", day(drop).isoformat()))
    column = "inside.deep" if ways == ["deep"] else ways[0]
    days = sorted(map(day, wanted))
    found = size_of_days(metadata(table), [column.rpartition(".")[2]], days)
    assert found == planned(table, column, days)
    assert whole_size(metadata(table)).rows == len(table.scan().to_arrow())


@pytest.mark.parametrize(
    ("way", "column", "of_january_31"),
    [("at by hour", "at", 1), ("at by day", "at", 1), ("at by month", "at", 2), ("day by year", "day", 5)],
)
def test_a_day_is_as_large_as_the_partitions_that_hold_it(catalog, tmp_path, way, column, of_january_31):
    table = create(catalog, way)
    for number in (0, 1, 2, 3, 4):
        add(table, tmp_path, number)
    assert size_of_days(metadata(table), [column], [day(1)]).rows == of_january_31
    assert size_of_days(metadata(table), [column], [day(-400), day(400)]) == Size()


def test_a_spec_that_changed_prunes_the_files_of_each_spec_by_its_own_fields(catalog, tmp_path):
    table = create(catalog, "at by month")
    add(table, tmp_path, 0, 0, 0)
    add(table, tmp_path, 5, 5)
    with table.update_spec() as update:
        update.add_field("day", IdentityTransform(), "p_day")
    table = catalog.load_table(table.name())
    add(table, tmp_path, 1, 1)
    add(table, tmp_path, 0)
    assert day_columns(metadata(table)) == {"day", "at"}
    assert size_of_days(metadata(table), ["day", "at"], [day(1)]).rows == 3 + 2
    assert size_of_days(metadata(table), ["day"], [day(1)]).rows == 5 + 2  # the old files are not kept by `day`


def test_a_table_that_nothing_prunes_counts_whole_and_one_without_rows_is_empty(catalog):
    table = create(catalog)
    assert whole_size(metadata(table)) == size_of_days(metadata(table), ["day"], [day(0)]) == Size()
    table.append(rows(0, 1))
    assert day_columns(metadata(table)) == frozenset()
    assert size_of_days(metadata(table), ["day"], [day(0)]) == whole_size(metadata(table))
    assert whole_size(metadata(table)).rows == 2


def test_manifests_beyond_what_is_read_count_by_their_sums(catalog, monkeypatch):
    table = create(catalog, "day")
    table.append(rows(0, 0, 0, 4, 5, 6))
    table.append(rows(0, 5))
    table.append(rows(6, 6))  # its manifest has no file of the day
    monkeypatch.setattr(day_size, "_MOST_READ", 0)
    assert size_of_days(metadata(table), ["day"], [day(5)]).rows == 6 + 2


@pytest.mark.parametrize("content", [b"", b"PAR1", b"Obj\x01", b"Obj\x01\x02\x08none"])
def test_what_is_no_avro_file_is_refused(content):
    with pytest.raises((ValueError, EOFError, KeyError)):
        list(records(content, frozenset({1})))
