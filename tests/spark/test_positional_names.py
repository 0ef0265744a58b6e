"""Writes by position whose columns are called as others of the table: refused before anything is written."""

from __future__ import annotations

import pytest
from py4j.protocol import Py4JJavaError

from dataflow.spark.guard import WriteScope, scoped_session

pytestmark = pytest.mark.spark
SWAPPED = "SELECT 1 AS id, 'here' AS origin, 'a' AS kind"
TOLD = "the second column is 'origin', the table's second is 'kind'"
RIGHT = "SELECT 1 AS id, 'a' AS kind, 'here' AS origin"


@pytest.fixture
def table(spark):
    spark.sql("CREATE NAMESPACE IF NOT EXISTS names")
    spark.sql("DROP TABLE IF EXISTS names.plays")
    spark.sql("CREATE TABLE names.plays (id INT, kind STRING, origin STRING) USING iceberg")
    return "names.plays"


@pytest.fixture
def own(spark, table):  # noqa: ARG001  # it has to be there
    """Return a function that does something in a job's session."""

    def run(work):
        catalog = spark.conf.get("spark.sql.defaultCatalog")
        with scoped_session(
            spark, WriteScope("database", catalog=catalog, database="names", environment="test")
        ) as session:
            work(session)

    return run


def rows(spark, table):
    return [tuple(row) for row in spark.table(table).collect()]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {} {query}",
        "INSERT OVERWRITE {} {query}",
        "WITH a AS ({query}) INSERT INTO {} SELECT * FROM a",
        "INSERT INTO {} REPLACE WHERE id = 1 {query}",
    ],
)
def test_swapped_columns_of_an_insert_are_refused_and_nothing_is_written(spark, table, own, statement):
    with pytest.raises(Py4JJavaError, match=TOLD):
        own(lambda session: session.sql(statement.format(table, query=SWAPPED)))
    assert rows(spark, table) == []
    own(lambda session: session.sql(statement.format(table, query=RIGHT)))
    own(lambda session: session.sql(statement.format(table, query=SWAPPED) + " -- dataflow: positional"))
    assert (1, "here", "a") in rows(spark, table)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_frame_that_is_inserted_by_position_is_held_to_the_same(spark, table, own, overwrite):
    with pytest.raises(Py4JJavaError, match=TOLD):
        own(lambda session: session.sql(SWAPPED).write.insertInto(table, overwrite))
    assert rows(spark, table) == []
    option = "dataflow.positional"
    own(lambda session: session.sql(SWAPPED).write.option(option, "true").insertInto(table, overwrite))
    assert rows(spark, table) == [(1, "here", "a")]


def test_what_is_written_by_name_or_has_names_of_its_own_goes_on(spark, table, own):
    def work(session):
        session.sql(SWAPPED).writeTo(table).append()
        session.sql(f"INSERT INTO {table} BY NAME {SWAPPED}")
        session.sql(f"INSERT INTO {table} (id, origin, kind) {SWAPPED}")
        session.sql(f"INSERT INTO {table} (id, origin, kind) SELECT 1 AS id, 'here' AS kind, 'a' AS origin")
        session.sql(f"INSERT INTO {table} SELECT 1, 'a' AS x, 'here' AS y")
        session.sql(f"INSERT INTO {table} VALUES (1, 'a', 'here')")
        session.sql("SELECT 1, 'a', 'here'").write.insertInto(table)
        session.sql(f"UPDATE {table} SET kind = origin, origin = kind WHERE id = 2")
        session.sql(f"DELETE FROM {table} WHERE id = 2")
        session.sql(f"MERGE INTO {table} t USING ({SWAPPED}) s ON t.id = s.id + 1 WHEN NOT MATCHED THEN INSERT *")

    own(work)
    assert set(rows(spark, table)) == {(1, "a", "here")}
