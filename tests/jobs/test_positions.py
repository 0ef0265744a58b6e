"""INSERTs by position into a table whose columns are on the move."""

from __future__ import annotations

import pytest
from pyspark.errors import AnalysisException

from dataflow.errors import DataflowError
from dataflow.jobs.guard import WriteGuard, guarding
from dataflow.jobs.script import run_script
from dataflow.tables.moving import MOVING

pytestmark = pytest.mark.spark


@pytest.fixture
def table(spark):
    spark.sql("CREATE NAMESPACE IF NOT EXISTS positions")
    spark.sql("DROP TABLE IF EXISTS positions.plays")
    spark.sql(
        "CREATE TABLE positions.plays (id INT, hours DOUBLE, view_hours DOUBLE, date DATE) USING iceberg "
        f"PARTITIONED BY (date) TBLPROPERTIES ('{MOVING}' = '{{\"hours\": \"view_hours\"}}')"
    )
    return "positions.plays"


def rows(spark, table):
    return sorted(tuple(row) for row in spark.sql(f"SELECT id, hours, view_hours FROM {table}").collect())


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} SELECT 1, 2.0D, DATE '2026-01-01'",
        "INSERT INTO {} VALUES (1, 2.0, DATE '2026-01-01')",
        "INSERT OVERWRITE {} PARTITION (date = DATE '2026-01-01') SELECT 1, 2.0D",
        "INSERT OVERWRITE {} PARTITION (date = DATE '2026-01-01') WITH a AS (SELECT 1, 2.0D) SELECT * FROM a",
        "WITH a AS (SELECT 1, 2.0D, DATE '2026-01-01') INSERT INTO {} SELECT * FROM a",
        "INSERT INTO {} (id, hours, date) SELECT 1, 2.0D, DATE '2026-01-01'",
        "INSERT INTO {} BY NAME SELECT 1 AS id, 2.0D AS hours, DATE '2026-01-01' AS date",
    ],
)
def test_an_insert_that_knows_nothing_of_the_new_column_goes_on(spark, table, tmp_path, statement):
    script = tmp_path / "write.sql"
    script.write_text(statement.format(table) + ";\n")
    run_script(spark, script, {})
    assert rows(spark, table) == [(1, 2.0, None)]


def test_an_insert_from_python_goes_on_as_well(spark, table):
    with guarding(WriteGuard("spark_catalog", None, "sandbox"), spark):
        spark.sql(f"INSERT INTO {table} SELECT 1, 2.0D, DATE '2026-01-01'")
    assert rows(spark, table) == [(1, 2.0, None)]


def test_an_insert_with_arguments_fails_for_its_columns_and_not_for_its_arguments(spark, table):
    with (
        guarding(WriteGuard("spark_catalog", None, "sandbox"), spark),
        pytest.raises(AnalysisException, match="not enough data columns"),
    ):
        spark.sql(f"INSERT INTO {table} SELECT :id, 2.0D, DATE '2026-01-01'", args={"id": 1})
    assert rows(spark, table) == []


def test_too_few_columns_are_still_a_mistake_with_its_line(spark, table, tmp_path):
    script = tmp_path / "write.sql"
    script.write_text(f"INSERT INTO {table} SELECT 1;\n")
    with pytest.raises(DataflowError, match=r"write\.sql:1.*not enough data columns"):
        run_script(spark, script, {})
    assert rows(spark, table) == []
