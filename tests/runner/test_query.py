from __future__ import annotations

import pytest

from dataflow.errors import DataflowError, UsageError
from dataflow.runner.query import read_rows
from dataflow.spark.guard import WriteScope, open_session

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def table(spark):
    spark.sql("CREATE NAMESPACE IF NOT EXISTS reading")
    spark.sql("CREATE TABLE reading.titles USING iceberg AS SELECT id FROM range(5)")
    return "reading.titles"


def test_a_query_returns_its_columns_and_rows(spark, table):
    found = read_rows(spark, f"SELECT id, id * 2 AS twice FROM {table} ORDER BY id;", None)
    assert found.columns == ["id", "twice"]
    assert [tuple(row) for row in found.rows] == [(0, 0), (1, 2), (2, 4), (3, 6), (4, 8)]
    assert not found.is_cut


def test_a_limit_cuts_and_says_so(spark, table):
    found = [read_rows(spark, f"TABLE {table}", limit) for limit in (4, 5)]
    assert [(it.count, it.total, it.is_cut) for it in found] == [(4, 5, True), (5, 5, False)]


@pytest.mark.parametrize("sql", ["SHOW NAMESPACES", "DESCRIBE reading.titles", "EXPLAIN SELECT 1", "VALUES (1)"])
@pytest.mark.usefixtures("table")
def test_looking_around_is_reading(spark, sql):
    assert read_rows(spark, sql, None).rows


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO reading.titles VALUES (9)",
        "WITH x AS (SELECT 9L) INSERT INTO reading.titles SELECT * FROM x",
        "FROM reading.titles INSERT INTO reading.titles SELECT * INSERT INTO reading.titles SELECT *",
        "DELETE FROM reading.titles",
        "DROP TABLE reading.titles",
        "ALTER TABLE reading.titles CREATE BRANCH b",
        "CREATE TEMPORARY VIEW v AS SELECT 1",
        "EXECUTE IMMEDIATE 'DROP TABLE reading.titles'",
        "BEGIN DROP TABLE reading.titles; END",
        "CALL system.rollback_to_snapshot('reading.titles', 1)",
        "SET spark.sql.shuffle.partitions=3",
    ],
)
def test_statements_that_change_something_are_refused(spark, table, sql):
    with pytest.raises(UsageError, match="this is not a query"):
        read_rows(spark, sql, None)
    assert spark.table(table).count() == 5


@pytest.mark.usefixtures("table")
def test_an_unknown_table_is_answered_with_the_nearest_one(spark):
    with pytest.raises(UsageError, match=r"no table or view 'reading.title'; did you mean 'reading\.titles'\?"):
        read_rows(spark, "SELECT * FROM reading.title", None)


def test_a_mistake_is_shown_where_it_stands(spark, table):
    with pytest.raises(UsageError) as caught:
        read_rows(spark, f"SELECT id,\n  nope\nFROM {table}", None)
    assert caught.value.message.splitlines()[-2:] == ["    nope", "    ^"]
    with pytest.raises(UsageError, match=r"Syntax error at or near 'SELEC'.\n  SELEC 1\n  \^$"):
        read_rows(spark, "SELEC 1", None)


def test_a_failure_while_running_is_one_sentence(spark):
    with pytest.raises(DataflowError, match=r"^Division by zero\."):
        read_rows(spark, "SELECT 1 / 0", None)


def test_a_statement_that_only_the_guard_knows_to_write_is_refused_as_well(spark, tmp_path):
    """Its session, the first of the command's Spark, has been given nothing to write."""
    folder = tmp_path / "taken"
    reader = open_session(spark, WriteScope("nothing"))
    with pytest.raises(UsageError, match="this is not a query: INSERT OVERWRITE DIRECTORY would write"):
        read_rows(reader, f"INSERT OVERWRITE DIRECTORY '{folder}' USING parquet SELECT 1", None)
    assert not folder.exists()
