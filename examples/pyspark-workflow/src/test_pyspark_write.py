"""Each step on a handful of rows, then the whole script on tables made of mocks."""

import pytest
from dataflow.testing import Dataflow
from pyspark.sql import DataFrame, SparkSession

from pyspark_write import add_title_rank, keep_top_titles, viewing_by_title_country

SOURCE = "mocks/dataflow_demo.playback.yaml"
EXPECTED = "mocks/pyspark_workflow_results.yaml"
DDL = "../ddl/pyspark_workflow_results.sql"

VIEWING = "title_id int, country_code string, view_hours double"


def test_hours_are_summed_per_title_and_country(spark: SparkSession) -> None:
    source = spark.createDataFrame(
        [(1, "US", 1.5), (1, "US", 2.0), (1, "BR", 4.0), (2, "US", 8.0)], VIEWING
    )

    viewing = viewing_by_title_country(source)

    assert rows(viewing) == [(1, "BR", 4.0), (1, "US", 3.5), (2, "US", 8.0)]


@pytest.mark.parametrize("row", [(None, "US", 8.0), (1, "US", 0.0), (1, "US", -1.0)])
def test_without_a_title_or_hours_a_row_does_not_count(
    spark: SparkSession, row: tuple[int | None, str, float]
) -> None:
    source = spark.createDataFrame([row], VIEWING)

    assert rows(viewing_by_title_country(source)) == []


def test_equal_hours_share_a_rank_and_the_next_is_skipped(spark: SparkSession) -> None:
    hours = [(1, "US", 4.0), (2, "US", 9.0), (3, "US", 4.0), (4, "US", 1.0)]
    viewing = spark.createDataFrame([*hours, (1, "BR", 1.0)], VIEWING)

    ranked = add_title_rank(viewing).select("country_code", "title_rank", "title_id")

    assert rows(ranked) == [
        ("BR", 1, 1),
        ("US", 1, 2),
        ("US", 2, 1),
        ("US", 2, 3),
        ("US", 4, 4),
    ]


def test_ranks_after_the_hundredth_are_left_out(spark: SparkSession) -> None:
    ranked = spark.createDataFrame([(99,), (100,), (101,)], "title_rank int")

    assert rows(keep_top_titles(ranked)) == [(99,), (100,)]


def test_the_top_titles_of_each_day(dataflow: Dataflow) -> None:
    source, target = dataflow.mock(SOURCE), dataflow.table(DDL)

    write_days(dataflow, source, target, "2026-01-30", "2026-01-31")

    dataflow.assert_rows(target, EXPECTED)


def test_writing_a_day_again_changes_neither_it_nor_others(dataflow: Dataflow) -> None:
    source, target = dataflow.mock(SOURCE), dataflow.table(DDL)

    write_days(dataflow, source, target, "2026-01-31", "2026-01-30", "2026-01-31")

    dataflow.assert_rows(target, EXPECTED)


def write_days(dataflow: Dataflow, source: str, target: str, *days: str) -> None:
    for day in days:
        dataflow.run_script(
            "pyspark_write.py",
            SOURCE_TABLE=source,
            TARGET_TABLE=target,
            EXECUTION_DATE=day,
        )


def rows(frame: DataFrame) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in frame.collect())
