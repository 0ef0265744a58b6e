"""Every way in which a job's code may write, tried on its own table, on its main, and on tables of somebody else.

A program: `python -m tests.support.attacks FOLDER` starts a Spark as a run does, tries each way in a session that a
plain job gets and in one that a job inside `wap` gets, and prints what came of it as JSON. `tests/spark/test_guard.py`
says what should.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataflow.spark.guard import WriteScope
from dataflow.spark.session import Engine
from dataflow.workflow.project import Environment
from tests.support.attack_world import (
    BRANCH,
    FOREIGN,
    OWN,
    PASSES,
    REFUSED,
    SANDBOX,
    THEIRS,
    WRITTEN,
    Attack,
    Tried,
    World,
    expr,
    in_thread,
    into,
    second,
    session,
    unguarded,
)

ATTACKS: dict[str, Attack] = {}


def _add(name: str, do: Callable[[World], Any], plain: str, wap: str | None = None, statement: str = "") -> None:
    assert name not in ATTACKS, name
    ATTACKS[name] = Attack(do, plain, wap or plain, statement)


def _sql(name: str, statement: str, plain: str, wap: str | None = None) -> None:
    _add(name, lambda world: world.spark.sql(statement.format(warehouse=world.warehouse)), plain, wap, statement)


def _each_table(name: str, do: Callable[[World, str], Any], wap: str = WRITTEN) -> None:
    """Add a way to write rows, on the own table and on two that are not the job's."""
    _add(f"{name}: own", lambda world: do(world, OWN), WRITTEN, wap)
    _add(f"{name}: foreign", lambda world: do(world, FOREIGN), REFUSED)
    _add(f"{name}: another package's", lambda world: do(world, THEIRS), REFUSED)


_each_table("sql insert", lambda w, t: w.spark.sql(f"INSERT INTO {t} VALUES (2, 'sql')"))
_each_table(
    "sql insert of a CTE", lambda w, t: w.spark.sql(f"WITH x AS (SELECT 2, 'a') INSERT INTO {t} SELECT * FROM x")
)
_each_table("sql by identifier()", lambda w, t: w.spark.sql(f"INSERT INTO IDENTIFIER('{t}') VALUES (2, 'sql')"))
_each_table("execute immediate", lambda w, t: w.spark.sql(f"EXECUTE IMMEDIATE \"INSERT INTO {t} VALUES (2, 'x')\""))
_each_table("writeTo append", lambda w, t: w.frame.writeTo(t).append())
_each_table("writeTo overwrite", lambda w, t: w.frame.writeTo(t).overwrite(expr("id > 100")))
_each_table("writeTo overwritePartitions", lambda w, t: w.frame.union(w.frame).writeTo(t).overwritePartitions())
_each_table("save by format", lambda w, t: w.frame.write.format("iceberg").mode("append").save(t))
_each_table("save with catalog", lambda w, t: w.frame.write.format("iceberg").mode("append").save(f"dataflow.{t}"))
_each_table("saveAsTable", lambda w, t: w.frame.write.mode("append").saveAsTable(t))
_each_table("insertInto", lambda w, t: w.frame.write.insertInto(t))
_each_table("jvm session", lambda w, t: w.spark._jsparkSession.sql(f"INSERT INTO {t} VALUES (3, 'jvm')"))
_each_table("stream toTable", lambda w, t: w.run(w.checkpoint(w.stream).toTable(t)))
_each_table("foreachBatch", lambda w, t: w.run(w.checkpoint(w.stream).foreachBatch(into(t)).start()))
_each_table("thread", lambda w, t: in_thread(lambda: w.spark.sql(f"INSERT INTO {t} VALUES (4, 'thread')")))
_each_table("active session", lambda w, t: session(w).getActiveSession().sql(f"INSERT INTO {t} VALUES (5, 'a')"))
_each_table("builder", lambda w, t: session(w).builder.getOrCreate().sql(f"INSERT INTO {t} VALUES (5, 'built')"))
_each_table(
    "mergeInto",
    lambda w, t: w.frame.mergeInto(t, expr("false")).whenNotMatched().insertAll().merge(),
    REFUSED,
)
_each_table(
    "sql merge",
    lambda w, t: w.spark.sql(f"MERGE INTO {t} t USING (SELECT 8 AS id, 'm' AS who) s ON t.id = s.id "
                             "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"),
    REFUSED,
)  # fmt: skip
_each_table("sql update", lambda w, t: w.spark.sql(f"UPDATE {t} SET who = 'updated'"), REFUSED)

for _name, _statement in {
    "delete": "DELETE FROM {}",
    "delete some": "DELETE FROM {} WHERE id % 2 = 1",
    "truncate": "TRUNCATE TABLE {}",
    "drop": "DROP TABLE {}",
    "drop purge": "DROP TABLE {} PURGE",
    "replace": "CREATE OR REPLACE TABLE {} AS SELECT 1 AS id",
    "add column": "ALTER TABLE {} ADD COLUMN more INT",
    "properties": "ALTER TABLE {} SET TBLPROPERTIES ('a' = 'b')",
    "main by number": "ALTER TABLE {} SET TBLPROPERTIES ('current-snapshot-id' = '1')",
    "partition field": "ALTER TABLE {} ADD PARTITION FIELD bucket(4, id)",
    "write order": "ALTER TABLE {} WRITE ORDERED BY id",
    "identifier fields": "ALTER TABLE {} DROP IDENTIFIER FIELDS id",
    "branch": "ALTER TABLE {} CREATE BRANCH theirs",
    "tag": "ALTER TABLE {} CREATE TAG theirs",
    "main as branch": "ALTER TABLE {} REPLACE BRANCH main AS OF VERSION 1",
    "comment": "COMMENT ON TABLE {} IS 'mine'",
    "rename": "ALTER TABLE {} RENAME TO mine.stolen",
    "expire": "CALL dataflow.system.expire_snapshots(table => '{}', retain_last => 1)",
    "multiple insert": "FROM mine.t INSERT INTO mine.t SELECT 1, 'a' INSERT INTO {} SELECT 1, 'a'",
    "scripting": "BEGIN INSERT INTO {} VALUES (1, 'script'); END",
}.items():
    _sql(f"{_name}: foreign", _statement.replace("{}", FOREIGN), REFUSED)
    _sql(f"{_name}: another package's", _statement.replace("{}", THEIRS), REFUSED)

for _name, _statement in {
    "replace": "CREATE OR REPLACE TABLE mine.t AS SELECT 1 AS id",
    "add column": "ALTER TABLE mine.t ADD COLUMN more INT",
    "properties": "ALTER TABLE mine.t SET TBLPROPERTIES ('a' = 'b')",
    "partition field": "ALTER TABLE mine.t ADD PARTITION FIELD bucket(4, id)",
    "write order": "ALTER TABLE mine.t WRITE ORDERED BY id",
    "branch": "ALTER TABLE mine.t CREATE BRANCH another",
    "tag": "ALTER TABLE mine.t CREATE TAG another",
    "main as branch": "ALTER TABLE mine.t CREATE OR REPLACE BRANCH main",
    "update": "UPDATE mine.t SET id = 2",
    "delete some": "DELETE FROM mine.t WHERE id % 2 = 1",
    "new table": "CREATE TABLE mine.fresh (id INT) USING iceberg",
    "branch_main": "INSERT INTO mine.t.branch_main VALUES (3, 'main')",
    "drop": "DROP TABLE mine.t",
}.items():
    _sql(f"wap {_name}", _statement, PASSES, REFUSED)


def _attack(plain: str, wap: str | None = None) -> Callable[[Callable[[World], Any]], None]:
    def add(do: Callable[[World], Any]) -> None:
        _add(do.__name__.strip("_").replace("_", " "), do, plain, wap)

    return add


_sql("create elsewhere", "CREATE TABLE prod.fresh (id INT) USING iceberg", REFUSED)
_sql("create as select elsewhere", "CREATE TABLE prod.fresh USING iceberg AS SELECT 1 AS id", REFUSED)
_sql("rename away", "ALTER TABLE mine.t RENAME TO prod.t", REFUSED)
_sql("view elsewhere", "CREATE VIEW prod.seen AS SELECT 1 AS id", REFUSED)
_sql("database", "CREATE NAMESPACE fresh", REFUSED)
_sql("database goes", "DROP NAMESPACE prod CASCADE", REFUSED)
_sql("database changes", "ALTER NAMESPACE prod SET PROPERTIES ('a' = 'b')", REFUSED)
_sql("database comment", "COMMENT ON NAMESPACE prod IS 'mine'", REFUSED)
_sql("database moves", "ALTER NAMESPACE prod SET LOCATION '/tmp/else'", REFUSED)
_sql(
    "orphans elsewhere",
    "CALL dataflow.system.remove_orphan_files(table => 'mine.t', location => '{warehouse}/prod')",
    REFUSED,
)
_sql(
    "register",
    "CALL dataflow.system.register_table('mine.taken', '{warehouse}/prod/victim/metadata/v1.metadata.json')",
    REFUSED,
)
_sql("directory", "INSERT OVERWRITE DIRECTORY '{warehouse}/prod/victim/data' USING parquet SELECT 1 AS id", REFUSED)
_sql(
    "local directory", "INSERT OVERWRITE LOCAL DIRECTORY '{warehouse}/prod/victim/data' USING parquet SELECT 1", REFUSED
)
_sql(
    "session catalog",
    "CREATE TABLE spark_catalog.default.q (id INT) USING parquet LOCATION '{warehouse}/prod'",
    REFUSED,
)
_sql("session database", "CREATE DATABASE spark_catalog.q", REFUSED)
_sql("persistent function", "CREATE FUNCTION spark_catalog.default.f AS 'java.lang.String'", REFUSED)


_CALL = "CALL {}.system.rollback_to_snapshot('{}', {})"
_add("rollback: own", lambda w: w.spark.sql(_CALL.format("dataflow", OWN, w.first(OWN))), PASSES, REFUSED)
_add("rollback: foreign", lambda w: w.spark.sql(_CALL.format("dataflow", FOREIGN, w.first(FOREIGN))), REFUSED)
_add("rollback: second", lambda w: unguarded(w).sql(_CALL.format("second", FOREIGN, w.first(FOREIGN))), REFUSED)


@_attack(REFUSED)
def _createTable_elsewhere(world: World) -> None:  # noqa: N802 - PySpark's own name
    world.spark.catalog.createTable("prod.fresh", schema=world.frame.schema, source="iceberg")


@_attack(REFUSED)
def _writeTo_create_elsewhere(world: World) -> None:  # noqa: N802 - PySpark's own name
    world.frame.writeTo("prod.fresh").create()


@_attack(REFUSED)
def _writeTo_createOrReplace_elsewhere(world: World) -> None:  # noqa: N802 - PySpark's own name
    world.frame.writeTo(FOREIGN).createOrReplace()


@_attack(REFUSED)
def _saveAsTable_overwrites_elsewhere(world: World) -> None:  # noqa: N802 - PySpark's own name
    world.frame.write.mode("overwrite").saveAsTable(FOREIGN)


@_attack(PASSES, REFUSED)
def _saveAsTable_overwrites_own(world: World) -> None:  # noqa: N802 - PySpark's own name
    world.frame.write.mode("overwrite").saveAsTable(
        "mine.whole" if world.spark.catalog.tableExists("mine.whole") else OWN
    )


@_attack(PASSES, REFUSED)
def _option_branch_main(world: World) -> None:
    world.frame.write.format("iceberg").mode("append").option("branch", "main").save(OWN)


@_attack(REFUSED)
def _folder_of_a_table(world: World) -> None:
    world.frame.write.format("iceberg").mode("append").save(str(world.warehouse / "prod/victim"))


@_attack(REFUSED)
def _folder_of_a_table_overwritten(world: World) -> None:
    world.frame.write.format("iceberg").mode("overwrite").save(str(world.warehouse / "prod/victim"))


@_attack(REFUSED)
def _folder_of_the_own_table(world: World) -> None:
    world.frame.write.format("iceberg").mode("append").save(str(world.warehouse / "mine/t"))


@_attack(REFUSED)
def _new_folder(world: World) -> None:
    world.frame.write.format("iceberg").save(str(world.warehouse / "prod/fresh"))


@_attack(REFUSED)
def _parquet_into_a_table_s_folder(world: World) -> None:
    world.frame.write.mode("overwrite").parquet(str(world.warehouse / "prod/victim/data"))


@_attack(REFUSED)
def _parquet_as_a_v2_source(world: World) -> None:
    world.spark.conf.set("spark.sql.sources.useV1SourceList", "")
    try:
        world.frame.write.mode("append").parquet(str(world.warehouse / "prod/victim/data"))
    finally:
        world.spark.conf.unset("spark.sql.sources.useV1SourceList")


@_attack(REFUSED)
def _csv_beside_the_exports(world: World) -> None:
    world.frame.write.csv(str(world.warehouse.parent / "exports-not"))


@_attack(REFUSED)
def _jdbc(world: World) -> None:
    world.frame.write.format("jdbc").option("url", "jdbc:sqlite::memory:").option("dbtable", "q").save()


@_attack(REFUSED)
def _stream_into_a_table_s_folder(world: World) -> None:
    world.run(world.checkpoint(world.stream.format("iceberg")).start(str(world.warehouse / "prod/victim")))


@_attack(REFUSED)
def _stream_of_files(world: World) -> None:
    world.run(world.checkpoint(world.stream.format("parquet")).start(str(world.warehouse / "prod/victim/data")))


@_attack(REFUSED)
def _new_session_own(world: World) -> None:
    world.spark.newSession().sql(f"INSERT INTO {OWN} VALUES (6, 'new')")


@_attack(REFUSED)
def _new_session_foreign(world: World) -> None:
    world.spark.newSession().sql(f"INSERT INTO {FOREIGN} VALUES (6, 'new')")


@_attack(REFUSED)
def _session_of_the_context(world: World) -> None:
    session(world)(world.spark.sparkContext).sql(f"INSERT INTO {OWN} VALUES (6, 'context')")


@_attack(REFUSED)
def _sql_context(world: World) -> None:
    from pyspark.sql import SQLContext

    SQLContext(world.spark.sparkContext).sql(f"INSERT INTO {FOREIGN} VALUES (6, 'context')")


@_attack(REFUSED)
def _new_session_with_a_forged_scope(world: World) -> None:
    session = world.spark.newSession()
    for key in ("spark.dataflow.scope", "spark.sql.catalog.dataflow.scope"):
        session.conf.set(key, '{"reach": "all"}')
    session.sql(f"INSERT INTO {FOREIGN} VALUES (6, 'forged')")


@_attack(WRITTEN)
def _new_session_with_the_own_scope(world: World) -> None:
    session = world.spark.newSession()
    for key in ("spark.dataflow.scope", "spark.sql.catalog.dataflow.scope"):
        session.conf.set(key, world.spark.conf.get(key))
    session.sql(f"INSERT INTO {OWN} VALUES (6, 'own')")


@_attack(REFUSED)
def _new_session_with_another_catalog_class(world: World) -> None:
    session = world.spark.newSession()
    session.conf.set("spark.sql.catalog.dataflow", "org.apache.iceberg.spark.SparkCatalog")
    session.sql(f"INSERT INTO {FOREIGN} VALUES (6, 'replaced')")


@_attack(REFUSED)
def _new_session_with_another_warehouse(world: World) -> None:
    session = world.spark.newSession()
    session.conf.set("spark.sql.catalog.dataflow.warehouse", str(world.warehouse / "prod"))
    session.conf.set("spark.sql.catalog.dataflow.scope", world.spark.conf.get("spark.sql.catalog.dataflow.scope"))
    session.sql(f"INSERT INTO {FOREIGN} VALUES (6, 'moved')")


@_attack(REFUSED)
def _second_catalog(world: World) -> None:
    unguarded(world).sql(f"INSERT INTO second.{FOREIGN} VALUES (7, 'second')")


@_attack(REFUSED)
def _second_catalog_of_ours(world: World) -> None:
    second(world, "dataflow.guard.GuardedCatalog").sql(f"INSERT INTO second.{FOREIGN} VALUES (7, 'second')")


@_attack(REFUSED)
def _second_catalog_own_name(world: World) -> None:
    session = second(world, "dataflow.guard.GuardedCatalog")
    session.conf.set("spark.sql.catalog.second.scope", world.spark.conf.get("spark.sql.catalog.dataflow.scope"))
    session.sql(f"INSERT INTO second.{OWN} VALUES (7, 'second')")


for _name, _statement in {
    "branch": "ALTER TABLE second.prod.victim CREATE BRANCH z",
    "create": "CREATE TABLE second.prod.fresh (id INT) USING iceberg",
    "drop": "DROP TABLE second.prod.victim",
    "alter": "ALTER TABLE second.prod.victim ADD COLUMN more INT",
}.items():
    _add(
        f"second catalog {_name}",
        lambda w, text=_statement: unguarded(w).sql(text),
        REFUSED,
    )


@_attack(REFUSED)
def _java_api(world: World) -> None:
    jvm = world.spark._jvm
    table = jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(world.spark._jsparkSession, f"dataflow.{FOREIGN}")
    table.newDelete().deleteFromRowFilter(jvm.org.apache.iceberg.expressions.Expressions.alwaysTrue()).commit()


@_attack(PASSES)
def _exported_folder(world: World) -> None:
    world.frame.write.mode("overwrite").csv(str(world.warehouse.parent / "exports/today"))


@_attack(REFUSED)
def _out_of_an_exported_folder(world: World) -> None:
    world.frame.write.mode("overwrite").csv(str(world.warehouse.parent / "exports/../elsewhere"))


@_attack(REFUSED)
def _through_a_link_in_an_exported_folder(world: World) -> None:
    link = world.warehouse.parent / "exports/link"
    if not link.exists():
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(world.warehouse)
    world.frame.write.mode("overwrite").csv(str(link / "prod/victim/data"))


@_attack(PASSES)
def _sinks_that_keep_nothing(world: World) -> None:
    world.frame.write.format("noop").mode("overwrite").save()
    world.run(world.checkpoint(world.stream.format("noop")).start())
    world.run(world.checkpoint(world.stream.format("memory").queryName("kept")).start())
    assert world.spark.table("kept").count()


@_attack(PASSES)
def _what_ends_with_thesession(world: World) -> None:
    world.frame.createOrReplaceTempView("seen")
    for statement in (
        "CREATE OR REPLACE TEMPORARY VIEW too AS SELECT * FROM seen",
        "ALTER VIEW too AS SELECT 1 AS id",
        "DROP VIEW too",
        "CREATE TEMPORARY FUNCTION plus_one(x INT) RETURNS INT RETURN x + 1",
        "SELECT plus_one(1)",
        "DROP TEMPORARY FUNCTION plus_one",
        "CACHE TABLE seen",
        "UNCACHE TABLE seen",
        "CLEAR CACHE",
        "DECLARE OR REPLACE VARIABLE few INT DEFAULT 1",
        "SET VAR few = 2",
        "SET spark.sql.shuffle.partitions = 1",
        "RESET spark.sql.shuffle.partitions",
        "USE prod",
        "SHOW TABLES",
        "USE mine",
        "BEGIN DECLARE x INT = 1; SELECT x; END",
    ):
        world.spark.sql(statement).collect()
    world.spark.catalog.dropTempView("seen")


@_attack(PASSES)
def _reading(world: World) -> None:
    for statement in (
        "SELECT * FROM prod.victim",
        "SELECT * FROM prod.victim VERSION AS OF 'main'",
        "SELECT * FROM mine.t VERSION AS OF 'main'",
        "SELECT * FROM mine.t.branch_main",
        "SELECT * FROM mine.t.files",
        "SELECT * FROM prod.victim.snapshots",
        "DESCRIBE TABLE EXTENDED prod.victim",
        "SHOW CREATE TABLE prod.victim",
        "SHOW NAMESPACES",
        "EXPLAIN SELECT * FROM prod.victim",
    ):
        world.spark.sql(statement).collect()
    assert world.spark.read.format("iceberg").load(str(world.warehouse / "prod/victim")).count() == 2


@_attack(WRITTEN)
def _settings_of_the_branch(world: World) -> None:
    """Iceberg's own ways to choose a branch by a setting do not matter: the table itself is the run's branch."""
    world.spark.sql("SET spark.wap.branch = main")
    world.spark.sql("RESET spark.wap.branch")
    world.spark.conf.set("spark.wap.branch", "main")
    try:
        world.spark.sql(f"INSERT INTO {OWN} VALUES (8, 'set')")
    finally:
        world.spark.conf.unset("spark.wap.branch")


@_attack(WRITTEN)
def _reset_of_all_settings(world: World) -> None:
    world.spark.sql("RESET")
    world.spark.sql(f"INSERT INTO {OWN} VALUES (8, 'reset')")


def main(folder: Path) -> None:
    """Try all attacks in both scopes and print what came of each."""
    warehouse = folder / "warehouse"
    (folder / "exports").mkdir(parents=True)
    catalog = {"type": "hadoop", "warehouse": str(warehouse)}
    environment = Environment("sandbox", params={"TARGET_DB": "mine"}, catalog=catalog, isolated=True)
    plain = WriteScope(**{**vars(SANDBOX), "exports": (str(folder / "exports"),)})
    with Engine(environment, folder / "spark.log", small=True, train=False) as engine:
        tried = Tried(engine.spark, warehouse)
        scopes = {"plain": plain, "wap": plain.on_branch(OWN, BRANCH, keep=False)}
        results = {}
        for name, attack in ATTACKS.items():
            began = time.monotonic()
            results[name] = {kind: tried.attempt(attack, scope) for kind, scope in scopes.items()}
            sys.stderr.write(f"{time.monotonic() - began:.1f} s  {name}\n")
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
