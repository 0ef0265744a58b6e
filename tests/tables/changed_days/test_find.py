"""Days that changed, found in metadata: held to a comparison of all rows by day, at both snapshots."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import StaticTable
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, IntegerType, LongType, NestedField, StringType, TimestampType, TimestamptzType

from benchmarks.changed_days import TableFiles
from dataflow.errors import DataflowError
from dataflow.tables.changed_days.day_values import Grain
from dataflow.tables.changed_days.find import changed_days, day_column, holds_period
from dataflow.tables.reader.manifests import _rows
from dataflow.workflow.periods import Cadence

pytestmark = pytest.mark.slow

LONG = settings.get_current_profile_name() == "long"
FIRST = dt.date(2026, 1, 1)
COLUMNS = {
    "id": LongType(),
    "day": DateType(),
    "at": TimestamptzType(),
    "local": TimestampType(),
    "text": StringType(),
    "number": IntegerType(),
    "arrived": DateType(),
}
SCHEMA = Schema(*(NestedField(n, name, type_) for n, (name, type_) in enumerate(COLUMNS.items(), 1)))
_numbers = itertools.count(1)


def day(number):
    return FIRST + dt.timedelta(days=number)


def period(number):
    return Cadence.DAILY.at(day(number))


def rows(*days, start=0, arrived=0):
    """Return rows of some days, by their numbers; None is a row without a day."""
    dates = [None if it is None else day(it) for it in days]
    at = [it and dt.datetime.combine(it, dt.time(23, 59, 59, 999999)) for it in dates]
    return pa.table(
        {
            "id": pa.array(range(start, start + len(days)), pa.int64()),
            "day": pa.array(dates, pa.date32()),
            "at": pa.array([it and it.replace(tzinfo=dt.UTC) for it in at], pa.timestamp("us", "UTC")),
            "local": pa.array(at, pa.timestamp("us")),
            "text": pa.array([it and it.isoformat() for it in dates], pa.string()),
            "number": pa.array([it and int(f"{it:%Y%m%d}") for it in dates], pa.int32()),
            "arrived": pa.array([day(arrived)] * len(days), pa.date32()),
        }
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    made = InMemoryCatalog("memory", warehouse=tmp_path_factory.mktemp("warehouse").as_uri())
    made.create_namespace("db")
    return made


def create(catalog, *by, properties=None):
    ids = {name: SCHEMA.find_field(name).field_id for name in by}
    fields = (PartitionField(id_, 1000 + id_, IdentityTransform(), f"p_{name}") for name, id_ in ids.items())
    spec = PartitionSpec(*fields)
    return catalog.create_table(f"db.t{next(_numbers)}", SCHEMA, partition_spec=spec, properties=properties or {})


def by_day(table, snapshot):
    found = {}
    for row in table.scan(snapshot_id=snapshot).to_arrow().to_pylist():
        found.setdefault(row["day"], Counter())[row["id"]] += 1
    return found


def differing(table, old, new):
    before, after = by_day(table, old), by_day(table, new)
    return {it for it in before.keys() | after.keys() if it is not None and before.get(it) != after.get(it)}


def head(table):
    return table.current_snapshot().snapshot_id


days_of_rows = st.lists(st.one_of(st.none(), st.integers(-400, 400)), min_size=1, max_size=4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), days_of_rows),
        st.tuples(st.just("delete"), st.lists(st.integers(0, 15), min_size=1, max_size=3)),
        st.tuples(st.just("overwrite"), days_of_rows),
    ),
    min_size=1,
    max_size=4,
)
KINDS = {
    "by date": (("day",), None),
    "by text": (("text",), "text"),
    "by number": (("number",), "number"),
    "by an instant": (("at",), None),
    "by local time": (("local",), None),
    "by arrival": (("arrived",), "day"),
    "by nothing, the day a date": ((), "day"),
    "by nothing, the day an instant": ((), "at"),
    "by nothing, the day a text": ((), "text"),
    "by nothing, the day a number": ((), "number"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metrics", ["full", "truncate(4)", "none"])
@settings(max_examples=25 if LONG else 2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
@pytest.mark.filterwarnings("ignore:Delete operation did not match any records")
def test_every_day_whose_rows_differ_is_found(catalog, kind, metrics, history):
    by, column = KINDS[kind]
    table = create(catalog, *by, properties={"write.metadata.metrics.default": metrics})
    table.append(rows(0, 1, 200, None))
    snapshots, ids = [head(table)], 4
    for what, given_ in history:
        if what == "append":
            table.append(rows(*given_, start=ids, arrived=ids))
        elif what == "delete":
            table.delete(f"id in ({', '.join(map(str, given_))})")
        else:
            table.overwrite(rows(*given_, start=ids, arrived=ids), overwrite_filter=f"id <= {ids // 2}")
        ids += len(given_)
        snapshots.append(head(table))
    for since in snapshots:
        differ = differing(table, since, head(table))
        for cadence in Cadence:
            found = changed_days(table, since, column, Grain(cadence))
            assert (found.lost, found.head[1]) == (None, head(table))
            assert {part for it in differ for part in parts_of(it, column or by[0], cadence)} <= found.days.keys()


def parts_of(day_, column, cadence):
    """Return the periods that rows of a day are of: of a moment the last one of the day; of a date any of its hours."""
    last = dt.datetime.combine(day_, dt.time(23, 59))
    return [cadence.at(last)] if column in {"at", "local"} else cadence.range(*[Cadence.DAILY.at(day_)] * 2)


def test_only_the_days_of_late_rows_are_found_with_how_many_came_and_when(catalog):
    table = create(catalog, "day")
    table.append(rows(0, 1, 2, 3))
    since = head(table)
    table.append(rows(1, 1, 3, start=10))
    late = table.current_snapshot()
    table.delete("day = '2026-01-03'")
    found = changed_days(table, since)
    told = {it: [(its.snapshot, its.came, its.went) for its in changes] for it, changes in found.days.items()}
    assert told == {
        period(1): [(late.snapshot_id, 2, 0)],
        period(2): [(head(table), 0, 1)],
        period(3): [(late.snapshot_id, 1, 0)],
    }
    assert found.days[period(1)][0].at == dt.datetime.fromtimestamp(late.timestamp_ms / 1000, dt.UTC)


def test_a_snapshot_that_has_expired_or_was_rolled_back_is_told_as_lost(catalog):
    table = create(catalog, "day")
    table.append(rows(0))
    first = head(table)
    table.append(rows(1))
    second = head(table)
    table.manage_snapshots().rollback_to_snapshot(first).commit()
    table.append(rows(2))
    assert changed_days(table, second).lost == (
        f"snapshot {second}, which the mark remembers, is not an ancestor of the current one"
    )
    assert changed_days(table, 4711).lost == "snapshot 4711, which the mark remembers, has expired"
    assert changed_days(table, None).lost == "no snapshot of it is remembered"


def test_a_table_without_rows_and_one_that_did_not_change_have_no_changed_days(catalog):
    table = create(catalog, "day")
    assert changed_days(table, None).head is None
    assert changed_days(table, 4711).lost == "snapshot 4711 is gone: the table has none"
    table.append(rows(0))
    found = changed_days(table, head(table))
    assert (found.days, found.lost, found.snapshots) == ({}, None, ())


def test_the_column_of_the_day_is_the_one_of_time_in_the_partition(catalog):
    assert day_column(create(catalog, "id", "day").metadata, "t").name == "day"
    assert day_column(create(catalog, "number", "text").metadata, "t", "TEXT").name == "TEXT"
    for by, why in (((), "its partition has none"), (("day", "at"), "its partition has several: day, at")):
        with pytest.raises(DataflowError) as failed:
            day_column(create(catalog, *by).metadata, "db.plays")
        assert failed.value.message == f"nobody can tell which column of db.plays is the day of a row: {why}"
    with pytest.raises(DataflowError, match=r"^db\.plays has no column 'days'; did you mean 'day'\?$"):
        day_column(create(catalog).metadata, "db.plays", "days")


def files_read(table, since):
    """Return how many of a table's metadata files are read to find the days since, and how many days there are."""
    read = []
    table.io.new_input, original = (lambda path: read.append(path) or original(path)), table.io.new_input
    try:
        found = changed_days(table, since)
    finally:
        del table.io.new_input
    assert found.lost is None
    return len(read), len(found.days)


def test_what_is_read_grows_with_the_snapshots_since_and_not_with_the_table(catalog):
    counts = []
    for size in (3, 30):
        table = create(catalog, "day")
        for number in range(size):
            table.append(rows(number))
        since = head(table)
        for number in range(5):
            table.append(rows(number, start=100))
        counts.append(files_read(table, since))
    assert counts == [(6, 5), (6, 5)], "the newest list, and a manifest of each snapshot since"


@pytest.mark.parametrize("merging", [False, True])
def test_lists_of_snapshots_whose_manifests_stand_in_later_ones_are_not_read(tmp_path, merging):
    """They are not even there."""
    table = StaticTable.from_metadata(str(TableFiles(tmp_path / "table", merging=merging).write(3000, 450)))
    lists = 5 if merging else 1  # one for each time that manifests were merged since, and the newest
    assert files_read(table, 1) == (450 + lists, 450)
    assert files_read(table, 441) == (10 + 1, 10)
    assert files_read(table, 451) == (0, 0)


def test_a_manifest_that_is_gone_or_broken_is_named(catalog, tmp_path):
    table = create(catalog, "day")
    table.append(rows(0))
    since = head(table)
    table.append(rows(1))
    broken = tmp_path / "broken.avro"
    broken.write_bytes(b"Obj\x01")
    for path in (str(broken), str(tmp_path / "gone.avro")):
        with pytest.raises(DataflowError, match=r"^can't read .*/(broken|gone)\.avro: "):
            list(_rows(table.io, path, frozenset()))
    Path(urlsplit(table.current_snapshot().manifest_list).path).unlink()
    with pytest.raises(DataflowError, match=r"^can't read .*snap-.*\.avro: "):
        changed_days(table, since)


@pytest.mark.parametrize("kind", [it for it in KINDS if it != "by arrival"])
def test_a_table_holds_a_day_that_its_files_may_have_rows_of(catalog, kind):
    by, column = KINDS[kind]
    table = create(catalog, *by)
    assert not holds_period(table, period(0), column)
    table.append(rows(0, 2) if by else rows(0))
    assert [number for number in range(-1, 4) if holds_period(table, period(number), column)] == ([0, 2] if by else [0])


@pytest.mark.parametrize("cadence", [Cadence.HOURLY, Cadence.WEEKLY, Cadence.MONTHLY])
@pytest.mark.parametrize("kind", [it for it in KINDS if it != "by arrival"])
def test_a_table_holds_an_hour_a_week_or_a_month_that_its_files_may_have_rows_of(catalog, kind, cadence):
    by, column = KINDS[kind]
    table = create(catalog, *by)
    table.append(rows(0))
    last = cadence.at(dt.datetime.combine(day(0), dt.time(23, 59)))
    assert holds_period(table, last, column)
    assert not holds_period(table, last.next, column)
    assert not holds_period(table, cadence.at(day(0)).previous, column)


def test_a_value_of_a_weekly_source_stands_for_its_week_and_each_day_of_it(catalog):
    table = create(catalog, "day")
    table.append(rows(0))
    since = head(table)
    table.append(rows(4))  # 2026-01-05, a Monday
    week = changed_days(table, since, None, Grain(Cadence.DAILY, Cadence.WEEKLY))
    assert [str(it) for it in week.days] == [f"2026-01-{n:02}" for n in range(5, 12)]
    month = changed_days(table, since, None, Grain(Cadence.MONTHLY, Cadence.WEEKLY))
    assert [it.label for it in month.days] == ["2026-01"]
    assert [it.label for it in changed_days(table, since, "at", Grain(Cadence.DAILY, Cadence.WEEKLY)).days] == [
        "2026-01-05"
    ], "a moment is none of the beginnings that a partition has"
