"""A clock that stands still and chance that comes again, whatever language and spelling asks for them."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from dataflow.errors import UsageError
from dataflow.testing import Dataflow

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.spark

NOON = "2026-01-31 12:30:00.5"


@pytest.fixture
def bench(spark: SparkSession, tmp_path: Path) -> Any:
    bench = Dataflow(spark, tmp_path)
    yield bench
    bench.close()


def cells(frame: DataFrame) -> list[str]:
    texts = frame.select([f.col(f"`{name}`").cast("string") for name in frame.columns])
    return [cell for row in texts.collect() for cell in row]


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("current_date()", "2026-01-31"),
        ("current_date", "2026-01-31"),
        ("CURRENT_DATE", "2026-01-31"),
        ("curdate()", "2026-01-31"),
        ("now()", NOON),
        ("current_timestamp()", NOON),
        ("CURRENT_TIMESTAMP", NOON),
        ("localtimestamp()", NOON),
        ("unix_timestamp()", "1769862600"),
        ("current_time(0)", "12:30:00"),
        ("to_unix_timestamp(now())", "1769862600"),
        ("CAST('today' AS DATE)", "2026-01-31"),
        ("CAST('tomorrow' AS TIMESTAMP)", "2026-02-01 00:00:00"),
        ("CAST('now' AS TIMESTAMP_NTZ)", NOON),
        ("date_add(current_date, 1)", "2026-02-01"),
        ("datediff(now(), DATE '2026-01-01')", "30"),
        ("(SELECT max(current_date()) FROM range(2))", "2026-01-31"),
        ("exists(array(1), x -> current_date() = DATE '2026-01-31')", "true"),
    ],
)
def test_whatever_asks_for_the_time_in_sql_gets_the_moment(bench: Dataflow, sql: str, shown: str) -> None:
    bench.freeze(now=NOON)

    assert cells(bench.spark.sql(f"SELECT {sql} AS it FROM VALUES (1)")) == [shown]
    assert cells(bench.spark.range(1).select(f.expr(sql).alias("it"))) == [shown]


def test_inline_tables_views_ctes_and_writes_get_it_too_and_names_stay_as_they_are(bench: Dataflow) -> None:
    bench.freeze(now="2026-01-31")
    spark = bench.spark
    spark.sql("CREATE OR REPLACE TEMPORARY VIEW frozen_view AS SELECT current_date() FROM VALUES (now()) AS t(n)")

    assert spark.table("frozen_view").columns == ["current_date()"]
    assert cells(spark.table("frozen_view")) == ["2026-01-31"]
    assert cells(spark.sql("SELECT * FROM VALUES (now(), current_date)")) == ["2026-01-31 00:00:00", "2026-01-31"]
    assert cells(spark.sql("WITH a AS (SELECT now() AS n) SELECT n FROM a WHERE n = now()")) == ["2026-01-31 00:00:00"]
    spark.sql("CREATE NAMESPACE IF NOT EXISTS frozen")
    spark.sql("CREATE OR REPLACE TABLE frozen.t USING iceberg AS SELECT current_date() AS d")
    spark.sql("INSERT INTO frozen.t SELECT current_date() - 1")
    spark.sql("UPDATE frozen.t SET d = current_date() + 1 WHERE d = current_date()")
    assert sorted(cells(spark.table("frozen.t"))) == ["2026-01-30", "2026-02-01"]


def test_the_session_s_zone_decides_the_day(bench: Dataflow) -> None:
    bench.freeze(now="2026-01-31 23:30:00+00:00")
    bench.spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        shown = cells(bench.spark.sql("SELECT current_date(), localtimestamp(), now()"))
    finally:
        bench.spark.conf.set("spark.sql.session.timeZone", "UTC")
    assert shown == ["2026-02-01", "2026-02-01 08:30:00", "2026-02-01 08:30:00"]


RANDOM = [
    "rand()", "random()", "randn()", "uuid()", "shuffle(array(1, 2, 3, 4, 5, 6, 7, 8))", "uniform(0, 1000000)",
    "randstr(12)",
]  # fmt: skip


@pytest.mark.parametrize("sql", RANDOM)
def test_chance_comes_again_in_sql_and_is_another_for_each_that_asks(bench: Dataflow, sql: str) -> None:
    query = f"SELECT {sql} AS a, {sql} AS b FROM range(3)"
    bench.freeze(seed=7)
    first = cells(bench.spark.sql(query))

    assert cells(bench.spark.sql(query)) == first
    assert len(set(first)) == 6
    bench.freeze(seed=8_000)
    assert cells(bench.spark.sql(query)) != first


def test_chance_comes_again_in_dataframes_step_by_step(bench: Dataflow) -> None:
    def made() -> list[str]:
        bench.freeze(seed=7)
        frame = bench.spark.range(4).withColumn("a", f.rand()).withColumn("b", f.rand()).withColumn("c", f.uuid())
        frame = frame.withColumn("d", f.expr("rand()")).withColumn("e", f.expr("rand()"))
        frame = frame.withColumn("f", f.randn()).withColumn("g", f.shuffle(f.array(*map(f.lit, range(9)))))
        return [*cells(frame), str(frame.sample(0.5).count()), str(random.random())]  # noqa: S311

    first = made()

    assert made() == first
    assert len(set(first[:32])) == 32


@pytest.mark.parametrize(
    "sql", ["rand(5)", "randn(5)", "shuffle(array(1, 2, 3, 4), 5)", "uniform(0, 99, 5)", "uuid(5)"]
)
def test_a_seed_that_the_script_gives_is_kept(bench: Dataflow, sql: str) -> None:
    query = f"SELECT {sql} AS it FROM range(3)"
    before = cells(bench.spark.sql(query))
    bench.freeze(seed=7)

    assert cells(bench.spark.sql(query)) == before


def test_time_and_chance_go_on_when_the_test_ends(spark: SparkSession, tmp_path: Path) -> None:
    bench = Dataflow(spark, tmp_path)
    bench.freeze(now="2000-01-01", seed=1)
    bench.close()

    assert cells(spark.sql("SELECT current_date()")) == [str(dt.datetime.now(dt.UTC).date())]
    assert cells(spark.sql("SELECT rand()")) != cells(spark.sql("SELECT rand()"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"now": "noon"}, "now: 'noon' is not a timestamp: write \"2026-01-31 12:30:00\""),
        ({"seed": 2**63}, f"{2**63} is not a seed: Spark's are of 64 bits"),
    ],
)
def test_what_is_no_moment_and_no_seed_is_refused(bench: Dataflow, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        bench.freeze(**wrong)
    assert caught.value.message == message


def test_a_data_test_says_what_is_frozen_for_the_file_or_for_itself(package: pytest.Pytester) -> None:
    (package.path / "src/test_write.py").unlink()
    (package.path / "src/when.sql").write_text(
        "INSERT INTO ${TARGET_TABLE} WITH it AS (SELECT current_date AS d, rand() AS x, uuid() AS u)\n"
        "SELECT 1, 1, x, d FROM it;\n"
    )
    (package.path / "src/when.test.yaml").write_text(
        """\
script: when.sql
now: "2026-01-31 23:59:59"
seed: 1
tests:
  of the file: {expect: {it: {columns: [d], rows: [["2026-01-31"]]}}}
  its own: {now: "2000-02-29", seed: 2, expect: {it: {columns: [D], rows: [["2000-02-29"]]}}}
  chance: {expect: {it: {columns: [x], rows: [[0.6363787615254752]]}}}
  as a whole:
    given: {TARGET_TABLE: ../ddl/titles.sql}
    expect: {TARGET_TABLE: {columns: [date], rows: [["2026-01-31"]]}}
"""
    )

    package.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=4)
