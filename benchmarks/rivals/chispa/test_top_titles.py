"""The unit test as PySpark's and chispa's users write it: one session, frames from lists, frames compared."""

import datetime as dt

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

PLAYBACK = "title_id int, country_code string, view_hours double, date date"
TOP = "title_id int, country_code string, title_rank int, view_hours double"
DAYS = [dt.date(2026, 1, day) for day in range(1, 11)]


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    return SparkSession.builder.appName("tests").getOrCreate()


def top_titles(playback: DataFrame, day: dt.date) -> DataFrame:
    viewing = (
        playback.where((F.col("date") == F.lit(day)) & F.col("title_id").isNotNull() & (F.col("view_hours") > 0))
        .groupBy("title_id", "country_code")
        .agg(F.round(F.sum("view_hours"), 6).alias("view_hours"))
    )
    by_hours = Window.partitionBy("country_code").orderBy(F.desc("view_hours"))
    ranked = viewing.withColumn("title_rank", F.rank().over(by_hours))
    return ranked.where(F.col("title_rank") <= 100).select("title_id", "country_code", "title_rank", "view_hours")


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_titles_are_ranked_by_the_hours_of_a_day(spark: SparkSession, day: dt.date) -> None:
    hours = float(day.day)
    rows = [
        (1, "US", hours, day),
        (1, "US", 1.0, day),
        (2, "US", hours + 1.0, day),
        (3, "US", 0.5, day),
        (None, "US", 9.0, day),
        (4, "BR", 0.0, day),
        (5, "BR", 2.5, day),
    ]
    playback = spark.createDataFrame(rows, PLAYBACK)

    actual = top_titles(playback, day)

    expected = [(1, "US", 1, hours + 1.0), (2, "US", 1, hours + 1.0), (3, "US", 3, 0.5), (5, "BR", 1, 2.5)]
    assert_df_equality(actual, spark.createDataFrame(expected, TOP), ignore_row_order=True, ignore_nullable=True)
