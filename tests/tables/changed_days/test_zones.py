"""Days of instants where clocks are, on days when they are changed as well; and days of rows that arrived lately."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, HourTransform, IdentityTransform, MonthTransform, YearTransform
from pyiceberg.types import DateType, LongType, NestedField, StringType, TimestamptzType

from dataflow.errors import DataflowError
from dataflow.tables.changed_days.day_values import DayColumn, Grain, zone_of
from dataflow.tables.changed_days.file_days import period_counts
from dataflow.tables.changed_days.find import Arrival, changed_days, holds_period
from dataflow.workflow.periods import Cadence

pytestmark = pytest.mark.slow

SCHEMA = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "at", TimestamptzType()),
    NestedField(3, "event_date", DateType()),
    NestedField(4, "arrived", DateType()),
    NestedField(5, "kind", StringType()),
)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_numbers = itertools.count(1)
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Kiritimati",
     "Africa/Cairo", "America/Santiago"]
)  # fmt: skip
# around the days in 2026 on which clocks are changed, and before 1970
instants = st.one_of(
    *(
        st.datetimes(dt.datetime(2026, month, day), dt.datetime(2026, month, day) + dt.timedelta(days=3))
        for month, day in ((3, 7), (3, 28), (4, 4), (10, 24), (10, 31))
    ),
    st.datetimes(dt.datetime(1969, 12, 30), dt.datetime(1970, 1, 2)),
).map(lambda it: it.replace(tzinfo=dt.UTC))


def micros(instant):
    return (instant - EPOCH) // dt.timedelta(microseconds=1)


def table_of(*found):
    """Return rows: an instant, the day of an event, the day of its arrival."""
    at, events, arrived = zip(*found, strict=True)
    return pa.table(
        {
            "id": pa.array(range(len(found)), pa.int64()),
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "event_date": pa.array(events, pa.date32()),
            "arrived": pa.array(arrived, pa.date32()),
            "kind": pa.array(["x"] * len(found), pa.string()),
        }
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    made = InMemoryCatalog("memory", warehouse=tmp_path_factory.mktemp("warehouse").as_uri())
    made.create_namespace("db")
    return made


def create(catalog, by=None):
    fields = [] if by is None else [PartitionField(SCHEMA.find_field(by).field_id, 1000, IdentityTransform(), "part")]
    return catalog.create_table(f"db.t{next(_numbers)}", SCHEMA, partition_spec=PartitionSpec(*fields))


def head(table):
    return table.current_snapshot().snapshot_id


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=st.lists(instants, max_size=3), new=st.lists(instants, min_size=1, max_size=5), name=zones, by=st.booleans())
def test_the_days_of_late_rows_are_those_that_clocks_show_with_how_many_came(catalog, old, new, name, by):
    table = create(catalog, "at" if by else None)
    none = dt.date(2026, 1, 1)
    table.append(table_of(*((it, none, none) for it in [*old, EPOCH])))
    since = head(table)
    table.append(table_of(*((it, none, none) for it in new)))
    zone = zone_of(name)
    found = changed_days(table, since, "at", Grain(zone=zone))
    wanted = Counter(it.astimezone(zone).date() for it in new)
    assert {day.date: sum(it.came for it in changes) for day, changes in found.days.items()} == wanted
    assert found.notes == (f"a day of at is one of {name}",)
    assert all(holds_period(table, Cadence.DAILY.at(day), "at", zone=zone) for day in wanted)


@given(instant=instants, name=zones)
@pytest.mark.parametrize(
    ("transform", "most"), [(HourTransform(), 2), (DayTransform(), 2), (MonthTransform(), 32), (YearTransform(), 367)]
)
def test_a_partition_holds_the_local_days_of_its_instants_and_hardly_more(transform, most, instant, name):
    zone = zone_of(name)
    column = DayColumn(2, "at", TimestamptzType(), grain=Grain(zone=zone))
    spec = PartitionSpec(PartitionField(2, 1000, transform, "part"))
    value = transform.transform(TimestamptzType())(micros(instant))
    found = column.partition(spec, [value])
    day = instant.astimezone(zone).date()
    assert found.first.date <= day <= found.last.date
    assert len(found.periods()) <= (1 if name == "UTC" and most == 2 else most)
    assert column.partition(spec, [None]).periods() == []


@example(found=[dt.datetime(1969, 12, 30, 23, 59, 59, 1, dt.UTC)], name="UTC")
@given(found=st.lists(st.one_of(st.none(), instants), max_size=20), name=zones)
def test_instants_are_counted_by_the_day_that_clocks_show(found, name):
    zone = zone_of(name)
    wanted = Counter(it.astimezone(zone).date() for it in found if it is not None)
    for unit in ("s", "us", "ns"):
        moments = pa.array(found, pa.timestamp("us", "UTC"))
        if unit == "s":  # a cast would round moments before 1970 up
            moments = pc.floor_temporal(moments, unit="second")
        values = pa.chunked_array([moments.cast(pa.timestamp(unit, "UTC"), safe=False)])
        assert {it.date: rows for it, rows in period_counts(values, Grain(zone=zone)).items()} == wanted


def test_a_day_of_23_or_25_hours_begins_and_ends_where_clocks_do():
    berlin = zone_of("Europe/Berlin")
    for day, first, following in (
        (dt.date(2026, 3, 29), dt.datetime(2026, 3, 28, 23), dt.datetime(2026, 3, 29, 22)),
        (dt.date(2026, 10, 25), dt.datetime(2026, 10, 24, 22), dt.datetime(2026, 10, 25, 23)),
    ):
        begins, ends = (micros(it.replace(tzinfo=dt.UTC)) for it in (first, following))
        column = DayColumn(2, "at", TimestamptzType(), grain=Grain(zone=berlin))
        seen = [column.range_of(it).first.date for it in (begins - 1, begins, ends - 1, ends)]
        assert seen == [day - dt.timedelta(days=1), day, day, day + dt.timedelta(days=1)]


def arrivals(catalog):
    """Return a table that is partitioned by arrival: each day brings rows of that day, and late ones."""
    table, at = create(catalog, "arrived"), EPOCH
    for day in range(1, 11):
        arrived = dt.date(2026, 1, day)
        late = [dt.date(2026, 1, 2)] if day == 9 else []
        table.append(table_of(*((at, event, arrived) for event in [arrived, *late])))
    return table


@pytest.mark.parametrize("since", [None, 42])
def test_where_snapshots_can_t_tell_the_days_of_rows_that_arrived_lately_are_told_by_their_column(catalog, since):
    table = arrivals(catalog)
    arrival = Arrival("arrived", Cadence.DAILY.parse("2026-01-08"))
    found = changed_days(table, since, "event_date", arrival=arrival)
    assert found.lost is not None
    assert [it.date.day for it in found.arrived] == [2, 8, 9, 10]
    assert changed_days(table, since, "event_date").arrived == ()
    exactly = changed_days(table, head(table), "event_date", arrival=arrival)
    assert (exactly.lost, exactly.days, exactly.arrived) == (None, {}, ())


@pytest.mark.parametrize(
    ("column", "said"),
    [("arived", "has no column 'arived'; did you mean 'arrived'?"),
     ("kind", "column 'kind' of db.t{n} is not a time of arrival: it is string")],
)  # fmt: skip
def test_an_arrival_that_is_no_time_or_not_there_is_one_message(catalog, column, said):
    table = create(catalog)
    table.append(table_of((EPOCH, dt.date(2026, 1, 1), dt.date(2026, 1, 1))))
    with pytest.raises(DataflowError) as error:
        changed_days(table, head(table), "event_date", arrival=Arrival(column, Cadence.DAILY.parse("2026-01-01")))
    assert said.format(n=table.name()[-1][1:]) in error.value.message
