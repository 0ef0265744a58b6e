"""The demo source: the same rows for the same day, odd ones among them, made once."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from dataflow.errors import DataflowError
from dataflow.sample.demo_rows import TABLE, TABLE_BY_HOUR
from dataflow.sample.demo_source import create, ensure, existing_dates, prepare
from dataflow.workflow.periods import Cadence

pytestmark = pytest.mark.spark

FIRST = dt.date(2026, 1, 1)
DAYS = [FIRST + dt.timedelta(days=i) for i in range(10)]


@pytest.fixture(autouse=True)
def no_source(spark: SparkSession) -> Iterator[None]:
    spark.sql(f"DROP TABLE IF EXISTS {TABLE} PURGE")
    yield
    spark.sql(f"DROP TABLE IF EXISTS {TABLE} PURGE")


def day(spark: SparkSession, date: dt.date) -> DataFrame:
    return spark.sql(f"SELECT * FROM {TABLE} WHERE date = DATE '{date}'")


def rows_of(spark: SparkSession, date: dt.date) -> list[Any]:
    return sorted(day(spark, date).collect(), key=str)


def snapshots(spark: SparkSession) -> int:
    return spark.sql(f"SELECT * FROM {TABLE}.snapshots").count()


def test_a_day_has_the_same_rows_alone_and_beside_others(spark: SparkSession) -> None:
    ensure(spark, DAYS[:3], rows_per_day=2_000)
    together = rows_of(spark, DAYS[1])
    spark.sql(f"DROP TABLE {TABLE} PURGE")
    ensure(spark, [DAYS[1]], rows_per_day=2_000)
    assert rows_of(spark, DAYS[1]) == together
    assert len(together) == 2_000


def test_days_differ_from_one_another(spark: SparkSession) -> None:
    ensure(spark, DAYS[:2], rows_per_day=1_000)
    one, other = ([row.title_id for row in rows_of(spark, date)] for date in DAYS[:2])
    assert one != other


def test_only_the_missing_days_are_made_and_days_may_lie_apart(spark: SparkSession) -> None:
    lines: list[str] = []
    ensure(spark, [DAYS[2]], rows_per_day=1_000)
    ensure(spark, [DAYS[8], DAYS[2], DAYS[0]], rows_per_day=3_000, report=lines.append)
    assert existing_dates(spark) == {DAYS[0]: 3_000, DAYS[2]: 1_000, DAYS[8]: 3_000}
    assert lines == ["making demo data for 2 days, 2026-01-01 to 2026-01-09, 3,000 rows a day, this once"]


def test_nothing_is_written_or_said_when_all_is_there(spark: SparkSession) -> None:
    lines: list[str] = []
    ensure(spark, DAYS[:2], rows_per_day=1_000)
    before = snapshots(spark)
    ensure(spark, DAYS[:2], rows_per_day=1_000, report=lines.append)
    assert (snapshots(spark), lines) == (before, [])


def test_odd_rows_are_among_them(spark: SparkSession) -> None:
    ensure(spark, [FIRST], rows_per_day=20_000)
    found = day(spark, FIRST).selectExpr(
        "count_if(title_id IS NULL) AS untitled",
        "count_if(view_hours = 0) AS idle",
        "count_if(view_hours < 0) AS negative",
        "count_if(to_date(received_at) > date) AS late",
        "max(date_diff(to_date(received_at), date)) AS latest",
        "min(date_diff(to_date(received_at), date)) AS earliest",
        "count_if(profile_id IS NULL OR country_code IS NULL OR view_hours IS NULL) AS broken",
    )
    assert found.first().asDict() == {  # type: ignore[union-attr]
        "untitled": 200,
        "idle": 400,
        "negative": 100,
        "late": 400,
        "latest": 3,
        "earliest": 0,
        "broken": 0,
    }


def test_each_country_has_a_hundred_titles(spark: SparkSession) -> None:
    ensure(spark, [FIRST])
    titles = spark.sql(
        f"SELECT country_code, count(DISTINCT title_id) FROM {TABLE} WHERE view_hours > 0 GROUP BY country_code"
    ).collect()
    assert len(titles) == 193
    assert min(count for _, count in titles) >= 100


def test_a_few_titles_are_watched_most_and_a_profile_has_one_country(spark: SparkSession) -> None:
    ensure(spark, [FIRST], rows_per_day=20_000)
    counts = [row["count"] for row in spark.table(TABLE).dropna().groupBy("title_id").count().collect()]
    assert sum(sorted(counts)[-20:]) > 0.15 * sum(counts)
    pairs = "count(DISTINCT profile_id, country_code) = count(DISTINCT profile_id)"
    assert spark.table(TABLE).selectExpr(pairs).first() == (True,)


def test_each_day_is_one_file(spark: SparkSession) -> None:
    ensure(spark, DAYS[:3], rows_per_day=1_000)
    assert {row[0] for row in spark.sql(f"SELECT file_count FROM {TABLE}.partitions").collect()} == {1}


def test_the_table_and_every_column_say_what_they_are(spark: SparkSession) -> None:
    ensure(spark, [FIRST], rows_per_day=10)
    described = {row.col_name: row for row in spark.sql(f"DESCRIBE TABLE EXTENDED {TABLE}").collect()}
    columns = spark.table(TABLE).columns
    assert columns == ["profile_id", "title_id", "country_code", "view_hours", "received_at", "date"]
    assert all(described[column].comment for column in columns)
    assert "Demo data" in described["Comment"].data_type
    assert "dataflow.demo=true" in described["Table Properties"].data_type


def test_two_at_once_make_each_day_once(spark: SparkSession) -> None:
    failures: list[BaseException] = []

    def make(session: SparkSession, dates: list[dt.date]) -> None:
        try:
            ensure(session, dates, rows_per_day=1_000)
        except BaseException as error:
            failures.append(error)

    spans = (DAYS[:3], DAYS[1:4], DAYS[2:3])
    threads = [threading.Thread(target=make, args=(spark.newSession(), span)) for span in spans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert existing_dates(spark) == dict.fromkeys(DAYS[:4], 1_000)
    assert spark.table(TABLE).count() == 4_000


def test_a_range_of_another_size_replaces_the_days_and_the_same_again_does_nothing(spark: SparkSession) -> None:
    told: list[int] = []
    ensure(spark, DAYS[:2], rows_per_day=1_000)
    create(spark, 2_500, DAYS[1], DAYS[2], told.append)
    assert existing_dates(spark) == {DAYS[0]: 1_000, DAYS[1]: 2_500, DAYS[2]: 2_500}
    assert told[-1] == 5_000
    before = snapshots(spark)
    create(spark, 2_500, DAYS[1], DAYS[2])
    assert snapshots(spark) == before


def test_a_table_of_that_name_that_is_not_ours_is_left_alone(spark: SparkSession) -> None:
    spark.sql("CREATE NAMESPACE IF NOT EXISTS dataflow_demo")
    spark.sql(f"CREATE TABLE {TABLE} (date DATE) USING iceberg PARTITIONED BY (date)")
    ensure(spark, [FIRST], rows_per_day=10)
    assert spark.table(TABLE).count() == 0
    with pytest.raises(DataflowError, match="was not made by Dataflow"):
        create(spark, 10, FIRST, FIRST)


def workflow(source: str, *dates: str, cadence: Cadence = Cadence.DAILY) -> Any:
    """Return what `prepare` looks at of a workflow: the parameters of it and of those inside."""
    periods = [cadence.parse(date) for date in dates]
    inner = [SimpleNamespace(params={"SOURCE_TABLE": source}, period=period) for period in periods]
    return SimpleNamespace(walk=lambda: [SimpleNamespace(params={"LOOKBACK_DAYS": "3"}, period=None), *inner])


def test_a_run_gets_the_days_that_its_workflows_read(spark: SparkSession) -> None:
    prepare(spark, workflow("db.own", "2026-01-01"), print)
    assert existing_dates(spark) == {}
    ensure(spark, [DAYS[0]], rows_per_day=10)
    prepare(spark, workflow(TABLE, "2026-01-01", "2026-01-03"), print)
    assert existing_dates(spark) == {DAYS[0]: 10, DAYS[2]: 400_000}


def test_a_week_costs_about_as_much_as_a_day(spark: SparkSession) -> None:
    prepare(spark, workflow(TABLE, "2026-W01", cadence=Cadence.WEEKLY), print)
    week = [str(it.date) for it in Cadence.WEEKLY.parse("2026-W01").split(Cadence.DAILY)]
    assert {str(day): rows for day, rows in existing_dates(spark).items()} == dict.fromkeys(week, 400_000 // 7)


def test_an_hour_has_the_same_rows_alone_and_beside_others_and_none_of_another(spark: SparkSession) -> None:
    said: list[str] = []
    spark.sql(f"DROP TABLE IF EXISTS {TABLE_BY_HOUR} PURGE")
    prepare(spark, workflow(TABLE_BY_HOUR, "2026-01-31T05", cadence=Cadence.HOURLY), said.append)
    hour = f"SELECT * FROM {TABLE_BY_HOUR} WHERE date_trunc('hour', played_at) = TIMESTAMP '2026-01-31T05:00:00Z'"
    alone = sorted(map(str, spark.sql(hour).collect()))
    assert len(alone) == spark.table(TABLE_BY_HOUR).count() == 20_000
    spark.sql(f"DROP TABLE {TABLE_BY_HOUR} PURGE")
    prepare(spark, workflow(TABLE_BY_HOUR, "2026-01-31", "2026-01-31"), said.append)
    assert sorted(map(str, spark.sql(hour).collect())) == alone
    assert spark.table(TABLE_BY_HOUR).count() == 24 * 20_000
    assert said == [
        "making demo data for 2026-01-31 05:00:00, 20,000 rows an hour, this once",
        "making demo data for 24 hours, 2026-01-31 00:00:00 to 2026-01-31 23:00:00, 20,000 rows an hour, this once",
    ]
    spark.sql(f"DROP TABLE {TABLE_BY_HOUR} PURGE")
