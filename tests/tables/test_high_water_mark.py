from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.tables.high_water_mark import HighWater, move, read, remember
from dataflow.workflow.periods import Cadence

FIRST = dt.date(2026, 1, 1)


def day(number):
    return Cadence.DAILY.at(FIRST + dt.timedelta(days=number))


def finish(water, *numbers, first=None):
    for number in numbers:
        water = water.finished(day(number), {}, first=None if first is None else day(first))
    return water


def test_the_first_day_sets_the_mark():
    assert finish(HighWater(), 3).mark == day(3)


def test_a_lone_later_day_does_not_declare_the_earlier_ones_complete():
    water = finish(HighWater(), 0, 2)
    assert water.mark == day(0)
    assert set(water.ahead) == {day(2)}


def test_closing_a_gap_moves_the_mark_over_the_days_that_waited():
    water = finish(HighWater(), 0, 3, 2, 1)
    assert water.mark == day(3)
    assert not water.ahead


def test_a_range_that_begins_out_of_order_waits_for_its_first_day():
    water = finish(HighWater(), 1, 2, first=0)
    assert water.mark is None
    assert finish(water, 0, first=0).mark == day(2)


def test_a_day_done_again_changes_nothing():
    water = finish(HighWater(), 0, 1)
    assert finish(water, 0) == water


def test_no_day_up_to_the_mark_is_older_than_the_sources_and_newer_ones_are_remembered_by_themselves():
    water = HighWater().finished(day(0), {"s": (5, 50)})
    water = water.finished(day(2), {"s": (6, 60)}).finished(day(1), {"s": (9, 90)})
    assert water.sources == {"s": (5, 50)}
    assert water.later == {day(1): {"s": (9, 90)}, day(2): {"s": (6, 60)}}
    assert water.finished(day(0), {"s": (7, 70)}).read_for(day(0)) == {"s": (7, 70)}
    assert water.finished(day(0), {"s": (4, 40)}).sources == {"s": (4, 40)}, "as a query for an older snapshot reads"


def test_what_was_looked_at_takes_the_place_of_what_was_remembered_unless_somebody_was_faster():
    water = HighWater().finished(day(0), {"s": (5, 50), "t": (1, 10)}).finished(day(1), {"s": (9, 90)})
    after = water.looked_at({"s": (8, 80)}, water.sources, [day(0), day(1)])
    assert (after.sources, after.later) == ({"s": (8, 80), "t": (1, 10)}, {day(1): {"s": (9, 90)}})
    assert after.looked_at({"s": (12, 120)}, water.sources, []) == after, "another run had looked further"
    older = after.finished(day(2), {"s": (10, 100)}).looked_at({"s": (12, 120)}, after.sources, [day(2)])
    assert (older.sources["s"], older.later) == ((10, 100), {}), "a day that read less than was seen decides"


def test_a_day_of_hours_was_computed_from_the_oldest_of_them():
    water = HighWater().finished(hour(23), {"s": (5, 50)}, first=day(0))
    for number in range(23):
        water = water.finished(hour(number), {"s": (6 + number, number)}, first=day(0))
    assert water.sources == {"s": (5, 50)}
    assert water.read_for(day(0)) == {}, "its last hour is as old as the sources"
    again = water.finished(hour(23), {"s": (40, 400)}).finished(hour(0), {"s": (41, 410)})
    assert again.read_for(day(0)) == {"s": (7, 1)}


def test_few_days_are_remembered_by_themselves():
    water = HighWater().finished(day(0), {"s": (1, 1)})
    for number in range(1, 500):
        water = water.finished(day(number), {"s": (1 + number, number)})
    assert (len(water.later), min(water.later), water.mark) == (400, day(100), day(499))


@given(st.permutations(range(8)))
def test_any_order_of_a_range_ends_at_its_last_day(order):
    assert finish(HighWater(), *order, first=0).mark == day(7)


def test_days_that_are_run_again_alone_do_not_pass_the_day_that_failed():
    water = finish(HighWater(), 2, 3, first=1)
    assert finish(water, 2).mark is None
    assert finish(water, 3).mark is None
    assert finish(water, 2, 3, 4, first=2).mark is None
    assert finish(water, 1).mark == day(3)


def test_an_earlier_range_moves_the_first_day_back():
    water = finish(HighWater(), 6, first=5)
    assert finish(water, 1, 2, first=1).mark == day(2)


@given(st.lists(st.tuples(st.integers(0, 12), st.one_of(st.none(), st.integers(0, 12))), max_size=20))
def test_the_mark_never_lies_beyond_a_missing_day(runs):
    """The first run belongs to a range that begins at day 0; later ones may be single days or parts of it."""
    water = finish(HighWater(), 5, first=0)
    for number, first in runs:
        water = finish(water, number, first=None if first is None else min(first, number))
    done = {5, *(number for number, _ in runs)}
    complete = next(n for n in range(14) if n not in done)
    assert water.mark == (day(complete - 1) if complete else None)


@pytest.mark.spark
def test_the_mark_stands_in_the_table_s_properties(spark, namespace):
    table = f"{namespace}.marked"
    spark.sql(f"CREATE TABLE {table} (id INT) USING iceberg")
    move(spark, table, day(0), timezone="UTC", sources={"c.db.s": (1, 10)})
    move(spark, table, day(0), timezone="UTC", sources={"c.db.s": (2, 20)})
    move(spark, table, day(2), timezone="UTC", sources={"c.db.s": (3, 30)})
    found = read(spark, table)
    assert found.later == {day(0): {"c.db.s": (2, 20)}}
    remember(spark, table, {"c.db.s": (2, 20)}, {"c.db.s": (4, 40)}, [])
    assert read(spark, table) == found
    remember(spark, table, {"c.db.s": (2, 20)}, found.sources, [day(0)])
    moved = read(spark, table)
    assert (moved.sources, moved.later, moved.ahead) == ({"c.db.s": (2, 20)}, {}, found.ahead)
    assert (found.mark, found.sources, dict(found.ahead)) == (
        day(0),
        {"c.db.s": (1, 10)},
        {day(2): {"c.db.s": (3, 30)}},
    )
    shown = {row.key: row.value for row in spark.sql(f"SHOW TBLPROPERTIES {table}").collect()}
    assert shown["dataflow.hwm"] == "2026-01-01"
    assert shown["dataflow.hwm.timezone"] == "UTC"


@pytest.mark.spark
def test_days_finished_side_by_side_are_all_recorded(spark, namespace):
    import threading

    table = f"{namespace}.side_by_side"
    spark.sql(f"CREATE TABLE {table} (id INT) USING iceberg TBLPROPERTIES ('commit.retry.num-retries' = '40')")
    threads = [
        threading.Thread(
            target=move, args=(spark, table, day(n)), kwargs={"timezone": "UTC", "sources": {}, "first": day(0)}
        )
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(spark, table).mark == day(5)


def hour(number):
    return Cadence.HOURLY.at(dt.datetime(2026, 1, 1) + dt.timedelta(hours=number))


def test_hours_and_days_of_one_table_are_told_in_hours():
    water = HighWater().finished(day(0), {}).finished(hour(24), {})
    assert (water.mark, water.shown, water.day) == (hour(24), "2026-01-02T00:00", day(0).date)
    assert water.finished(day(1), {}).mark == hour(47)
    assert water.finished(day(1), {}).day == day(1).date
    assert HighWater().finished(hour(5), {}, first=day(0)).mark is None


@given(st.permutations(range(30)))
def test_any_order_of_hours_ends_at_the_last(order):
    water = HighWater()
    for number in order:
        water = water.finished(hour(number), {}, first=day(0))
    assert (water.mark, water.ahead) == (hour(29), {})
