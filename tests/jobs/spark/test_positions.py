"""INSERTs by position into a table whose columns are on the move."""

from __future__ import annotations

import datetime as dt

import pytest
from pyspark.errors import AnalysisException

from dataflow.errors import DataflowError
from dataflow.jobs.spark.script import run_script
from dataflow.tables.properties import MOVING_COLUMNS

pytestmark = pytest.mark.spark
DAY = dt.date(2026, 1, 1)


@pytest.fixture
def table(spark):
    spark.sql("CREATE NAMESPACE IF NOT EXISTS positions")
    spark.sql("DROP TABLE IF EXISTS positions.plays")
    spark.sql(
        "CREATE TABLE positions.plays (id INT, hours DOUBLE, view_hours DOUBLE, date DATE) USING iceberg "
        f"PARTITIONED BY (date) TBLPROPERTIES ('{MOVING_COLUMNS}' = '{{\"hours\": \"view_hours\"}}')"
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
        "INSERT OVERWRITE {} PARTITION (date) SELECT 1, 2.0D, DATE '2026-01-01'",
        "INSERT INTO {} REPLACE WHERE date = DATE '2026-01-01' SELECT 1, 2.0D, DATE '2026-01-01'",
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
    spark.sql(f"INSERT INTO {table} SELECT 1, 2.0D, DATE '2026-01-01'")
    assert rows(spark, table) == [(1, 2.0, None)]


@pytest.mark.parametrize(
    ("select", "args"), [(":id, hours, :day", {"id": 1, "day": DAY}), ("?, hours, ?", [1, DAY])], ids=["named", "by ?"]
)
def test_an_insert_from_python_goes_on_with_its_arguments_and_frames(spark, table, select, args):
    frame = spark.sql("SELECT 2.0D AS hours")
    spark.sql(f"INSERT INTO {table} SELECT {select} FROM {{frame}}", args=args, frame=frame)
    assert rows(spark, table) == [(1, 2.0, None)]
    assert not spark.sql("SHOW VIEWS IN positions LIKE '_pyspark_*'").collect()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_frame_that_is_inserted_by_position_goes_on(spark, table, overwrite):
    spark.sql(f"INSERT INTO {table} VALUES (7, 7.0, 7.0, DATE '2026-01-01'), (8, 8.0, 8.0, DATE '2026-01-02')")
    frame = spark.sql("SELECT 1 AS a, 2.0D AS b, DATE '2026-01-01' AS c")
    frame.write.option("overwrite-mode", "dynamic").insertInto(table, overwrite)
    there = [] if overwrite else [(7, 7.0, 7.0)]
    assert rows(spark, table) == [(1, 2.0, None), *there, (8, 8.0, 8.0)]


def test_a_frame_of_too_few_columns_is_still_a_mistake(spark, table):
    with pytest.raises(AnalysisException, match="not enough data columns"):
        spark.range(1).write.insertInto(table)
    assert rows(spark, table) == []


MERGE = """
MERGE INTO {} AS t USING {} ON t.id = {}.id
WHEN MATCHED AND {} IS NULL THEN DELETE
WHEN MATCHED AND t.hours > 0 THEN UPDATE SET *
WHEN NOT MATCHED THEN INSERT *
"""


@pytest.mark.parametrize("column", ["hours", "view_hours"])
@pytest.mark.parametrize(
    ("source", "alias"), [("({}) AS s", "s"), ("new", "new"), ("new AS n", "n"), ("positions.new", "new")]
)
def test_a_merge_of_all_columns_goes_on_with_those_of_its_source(spark, table, source, alias, column):
    spark.sql(f"INSERT INTO {table} VALUES (1, 1.0, 1.0, DATE '2026-01-01'), (3, 3.0, 3.0, DATE '2026-01-01')")
    new = (
        f"SELECT * FROM VALUES (1, 5.0D, DATE '2026-01-01'), (2, 6.0D, DATE '2026-01-01'), "
        f"(3, NULL, DATE '2026-01-01') AS v (id, {column}, date)"
    )
    spark.sql("DROP TABLE IF EXISTS positions.new")
    spark.sql(f"CREATE TABLE positions.new USING iceberg AS {new}")
    spark.sql(new).createOrReplaceTempView("new")
    spark.sql(MERGE.format(table, source.format(new), alias, f"{alias}.{column}"))
    spark.catalog.dropTempView("new")
    updated, inserted = ((5.0, 1.0), (6.0, None)) if column == "hours" else ((1.0, 5.0), (None, 6.0))
    assert rows(spark, table) == [(1, *updated), (2, *inserted)]


def test_a_merge_whose_source_lacks_another_column_is_still_a_mistake(spark, table):
    with pytest.raises(AnalysisException, match=r"`s`\.`date` cannot be resolved"):
        spark.sql(MERGE.format(table, "(SELECT 1 AS id, 2.0D AS hours) AS s", "s", "s.hours"))
    assert rows(spark, table) == []


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("1 AS id, 2.0D AS hours, DATE '2026-01-01' AS date", (1, 2.0, None)),
        ("1 AS id, 3.0D AS view_hours, DATE '2026-01-01' AS date", (1, None, 3.0)),
        ("1, 2.0D, DATE '2026-01-01'", None),
    ],
)
def test_names_decide_which_columns_are_meant_and_nothing_is_guessed(spark, table, tmp_path, select, expected):
    moves = '{"hours": null, "id": "view_hours"}'  # as many go as come
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('{MOVING_COLUMNS}' = '{moves}')")
    script = tmp_path / "write.sql"
    script.write_text(f"INSERT INTO {table} SELECT {select};\n")
    if expected is None:
        with pytest.raises(DataflowError, match="has 4 columns, the write gives 3: its columns are id, hours"):
            run_script(spark, script, {})
    else:
        run_script(spark, script, {})
    assert rows(spark, table) == ([] if expected is None else [expected])


def test_too_few_columns_are_still_a_mistake_with_its_line(spark, table, tmp_path):
    script = tmp_path / "write.sql"
    script.write_text(f"INSERT INTO {table} SELECT 1;\n")
    with pytest.raises(DataflowError, match=r"write\.sql:1: .*has 4 columns, the write gives 1: its columns are id,"):
        run_script(spark, script, {})
    assert rows(spark, table) == []


def test_where_nothing_moves_spark_s_own_failure_is_told(spark, table):
    spark.range(1).createOrReplaceTempView("one")
    for statement in (
        "INSERT INTO one SELECT nix",
        f"INSERT INTO {table} SELECT nix",
        "INSERT INTO nowhere SELECT nix",
    ):
        with pytest.raises(AnalysisException, match=r"UNRESOLVED_COLUMN|TABLE_OR_VIEW_NOT_FOUND"):
            spark.sql(statement)
    spark.catalog.dropTempView("one")
