from __future__ import annotations

import pytest

from dataflow.errors import DataflowError
from dataflow.jobs.guard import WriteGuard, guarding

SANDBOX = WriteGuard("dataflow", "guard_sandbox", "sandbox")
WAP = WriteGuard("dataflow", "guard_sandbox", "sandbox", only_table="guard_sandbox.target")


@pytest.fixture(scope="module")
def tables(spark):
    for database in ("guard_sandbox", "guard_prod"):
        spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {database}")
        for name in ("target", "other"):
            spark.sql(f"CREATE TABLE IF NOT EXISTS {database}.{name} (id INT) USING iceberg")
    return spark


def refused(guard, spark, action):
    with guarding(guard, spark), pytest.raises(DataflowError) as caught:
        action()
    assert caught.value.permanent
    return caught.value.message


pytestmark = pytest.mark.spark


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO guard_prod.target VALUES (1)",
        "WITH x AS (SELECT 1 AS id) INSERT INTO guard_prod.target SELECT * FROM x",
        "INSERT OVERWRITE dataflow.guard_prod.target VALUES (1)",
        "DELETE FROM guard_prod.target WHERE id = 1",
        "UPDATE guard_prod.target SET id = 2",
        "MERGE INTO guard_prod.target t USING guard_sandbox.other s ON t.id = s.id WHEN MATCHED THEN DELETE",
        "CREATE TABLE guard_prod.fresh (id INT) USING iceberg",
        "CREATE OR REPLACE TABLE guard_prod.target AS SELECT 1 AS id",
        "DROP TABLE guard_prod.target",
        "TRUNCATE TABLE guard_prod.target",
        "ALTER TABLE guard_prod.target ADD COLUMN x INT",
        "ALTER TABLE guard_prod.target CREATE BRANCH b",
        "ALTER TABLE guard_prod.target SET TBLPROPERTIES ('a' = 'b')",
        "ALTER TABLE guard_prod.target WRITE ORDERED BY id",
        "ALTER TABLE guard_prod.target ADD PARTITION FIELD bucket(4, id)",
        "ALTER TABLE guard_sandbox.other RENAME TO guard_prod.stolen",
        "FROM guard_sandbox.other INSERT INTO guard_sandbox.target SELECT * INSERT INTO guard_prod.target SELECT *",
        "INSERT INTO guard_prod.target REPLACE WHERE id = 1 SELECT 1",
        "CREATE VIEW guard_prod.seen AS SELECT 1 AS id",
    ],
)
def test_a_statement_that_writes_outside_the_sandbox_is_refused(tables, statement):
    message = refused(SANDBOX, tables, lambda: tables.sql(statement))
    assert "would write guard_prod." in message
    assert "outside guard_sandbox" in message


@pytest.mark.parametrize(
    "statement",
    [
        "EXECUTE IMMEDIATE 'DROP TABLE guard_prod.target'",
        "CALL dataflow.system.expire_snapshots('guard_prod.target')",
        "INSERT INTO IDENTIFIER('guard_prod.target') VALUES (1)",
    ],
)
def test_a_statement_whose_target_nobody_can_tell_is_refused(tables, statement):
    assert "can't be told" in refused(SANDBOX, tables, lambda: tables.sql(statement))


def test_a_database_outside_the_sandbox_is_neither_made_nor_dropped(tables):
    for statement in ("CREATE NAMESPACE guard_new", "DROP NAMESPACE guard_prod CASCADE"):
        assert "outside guard_sandbox" in refused(SANDBOX, tables, lambda statement=statement: tables.sql(statement))


def test_a_table_without_a_database_is_the_current_one_s(tables):
    session = tables.newSession()
    with guarding(SANDBOX, session):
        session.sql("USE guard_prod")
        with pytest.raises(DataflowError, match="outside guard_sandbox"):
            session.sql("INSERT INTO target VALUES (1)")
        session.sql("USE guard_sandbox")
        session.sql("INSERT INTO other VALUES (1)")


def test_inside_wap_the_branch_stays_the_template_s(tables):
    for action in (
        lambda: tables.sql("SET spark.wap.branch = main"),
        lambda: tables.sql("RESET"),
        lambda: tables.conf.set("spark.wap.branch", "main"),
        lambda: tables.conf.unset("spark.wap.branch"),
    ):
        assert "straight to readers" in refused(WAP, tables, action)
    with guarding(WAP, tables):
        tables.sql("SET spark.sql.shuffle.partitions = 1")


def test_threads_that_a_script_starts_are_held_to_the_same(tables):
    import threading

    said = []

    def write():
        try:
            tables.sql("INSERT INTO guard_prod.target VALUES (1)")
        except DataflowError as error:
            said.append(error.message)

    with guarding(SANDBOX, tables):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert "outside guard_sandbox" in said[0]


def test_dataframe_writers_are_held_to_the_sandbox_too(tables):
    rows = tables.range(1).selectExpr("CAST(id AS INT) AS id")
    for write in (
        lambda: rows.writeTo("guard_prod.target").append(),
        lambda: rows.writeTo("guard_prod.target").overwritePartitions(),
        lambda: rows.writeTo("guard_prod.fresh").create(),
        lambda: rows.write.insertInto("guard_prod.target"),
        lambda: rows.write.mode("overwrite").saveAsTable("guard_prod.target"),
    ):
        assert "outside guard_sandbox" in refused(SANDBOX, tables, write)


def test_what_a_statement_is_given_by_name_is_put_in_before_it_is_judged(tables):
    rows = tables.range(1).selectExpr("CAST(id AS INT) AS id")
    into = "INSERT INTO {} SELECT * FROM {{rows}} WHERE id < :most"
    given = {"args": {"most": 5}, "rows": rows}
    other = refused(SANDBOX, tables, lambda: tables.sql(into.format("guard_prod.target"), **given))
    assert "outside guard_sandbox" in other
    before = tables.table("guard_sandbox.other").count()
    with guarding(SANDBOX, tables):
        tables.sql(into.format("guard_sandbox.other"), **given)
    assert tables.table("guard_sandbox.other").count() == before + 1


def test_in_the_sandbox_everything_goes(tables):
    with guarding(SANDBOX, tables):
        tables.sql("INSERT INTO guard_sandbox.other VALUES (1)")
        tables.sql("CREATE TEMPORARY VIEW guard_view AS SELECT * FROM guard_prod.target")
        tables.table("guard_view").writeTo("guard_sandbox.other").append()
        assert tables.sql("SELECT * FROM guard_prod.target").count() == 0
    tables.catalog.dropTempView("guard_view")


def test_inside_wap_only_rows_of_the_template_s_table_may_be_written(tables):
    rows = tables.range(1).selectExpr("CAST(id AS INT) AS id")
    with guarding(WAP, tables):
        tables.sql("INSERT INTO guard_sandbox.target VALUES (1)")
        rows.writeTo("guard_sandbox.target").append()
    other = refused(WAP, tables, lambda: tables.sql("INSERT INTO guard_sandbox.other VALUES (1)"))
    assert "without audits" in other
    replaced = refused(WAP, tables, lambda: rows.write.mode("overwrite").saveAsTable("guard_sandbox.target"))
    assert "before its audits" in replaced
    altered = refused(WAP, tables, lambda: tables.sql("ALTER TABLE guard_sandbox.target ADD COLUMN x INT"))
    assert "before its audits" in altered


def test_a_script_that_fetches_its_own_session_gets_the_job_s(tables):
    from pyspark.sql import SparkSession

    own = tables.newSession()
    with guarding(SANDBOX, own):
        assert SparkSession.builder.appName("mine").getOrCreate() is own


def test_a_script_that_stops_its_session_stops_nothing(tables):
    with guarding(SANDBOX, tables):
        tables.stop()
    assert tables.range(3).count() == 3
