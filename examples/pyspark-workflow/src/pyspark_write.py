"""The 100 most watched titles of each country on one day.

Dataflow calls `main` with the parameters of the definition. Without it, the same
file runs in Spark, and takes them as arguments:

    spark-submit pyspark_write.py EXECUTION_DATE=2026-01-31 SOURCE_TABLE=... TARGET_TABLE=...
"""

import datetime as dt
import sys
from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

TOP = 100


def main(args: Mapping[str, str], spark: SparkSession) -> None:
    """Compute the day EXECUTION_DATE of SOURCE_TABLE and write it to TARGET_TABLE."""
    day = dt.date.fromisoformat(args["EXECUTION_DATE"])
    source = read_source_table(spark, args["SOURCE_TABLE"], day)
    ranked = add_title_rank(viewing_by_title_country(source))
    write_viewing(keep_top_titles(ranked), args["TARGET_TABLE"], day)


def read_source_table(spark: SparkSession, table: str, day: dt.date) -> DataFrame:
    """Read what was played on one day."""
    return spark.table(table).where(F.col("date") == F.lit(day))


def viewing_by_title_country(source: DataFrame) -> DataFrame:
    """Sum the hours watched per title and country.

    Rows without a title, or without hours, are players that were opened and left.
    """
    return (
        source.where(F.col("title_id").isNotNull() & (F.col("view_hours") > 0))
        .groupBy("title_id", "country_code")
        # A sum of doubles depends on the order of summation, which differs from
        # run to run. Rounding makes equal sums equal, so that ties stay ties.
        .agg(F.round(F.sum("view_hours"), 6).alias("view_hours"))
    )


def add_title_rank(viewing: DataFrame) -> DataFrame:
    """Rank the titles of each country, most watched first.

    Titles with equal hours share a rank, and the next rank is skipped: 1, 2, 2, 4.
    """
    by_hours = Window.partitionBy("country_code").orderBy(F.desc("view_hours"))
    return viewing.withColumn("title_rank", F.rank().over(by_hours))


def keep_top_titles(ranked: DataFrame) -> DataFrame:
    """Keep the best ranks: more than 100 rows where titles share the last one."""
    return ranked.where(F.col("title_rank") <= TOP)


def write_viewing(viewing: DataFrame, table: str, day: dt.date) -> None:
    """Replace one day of a table, however often it runs."""
    (
        viewing.select(
            "title_id",
            "country_code",
            "title_rank",
            "view_hours",
            F.lit(day).alias("date"),
        )
        .writeTo(table)
        .overwrite(F.col("date") == F.lit(day))
    )


if __name__ == "__main__":
    main(
        dict(argument.split("=", 1) for argument in sys.argv[1:]),
        SparkSession.builder.getOrCreate(),
    )
