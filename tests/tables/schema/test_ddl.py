"""What a CREATE TABLE says, read once for all that ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflow.errors import UsageError
from dataflow.tables.schema.ddl import CreateTable, create_tables
from dataflow.tables.schema.recorded_schema import RecordedSchema, recorded_schemas, schema_changes
from dataflow.workflow.load import Request, load_workflow

DDL = """
CREATE TABLE IF NOT EXISTS db.`pl.ays` (
  id INT NOT NULL COMMENT 'what was played',
  name VARCHAR(10),
  price DECIMAL(10,2),
  `at` TIMESTAMP
) USING iceberg
PARTITIONED BY (days(`at`), bucket(16, id))
COMMENT 'plays'
TBLPROPERTIES ('dataflow.primary-key' = 'id, at')
"""


def only(script: str) -> CreateTable:
    (found,) = create_tables(script)
    return found


def test_name_columns_partitioning_comment_and_key_are_read() -> None:
    found = only(DDL)
    assert found.table == "db.`pl.ays`"
    assert found.column_names == ("id", "name", "price", "at")
    assert [(it.name, it.type, it.nullable, it.comment) for it in found.columns] == [
        ("id", "INT", False, "what was played"),
        ("name", "STRING", True, ""),
        ("price", "DECIMAL(10, 2)", True, ""),
        ("at", "TIMESTAMP", True, ""),
    ]
    assert found.partition == ("days(at)", "bucket(16, id)")
    assert (found.comment, found.primary_keys, found.is_query) == ("plays", (("id", "at"),), False)


def test_types_are_kept_as_the_ddl_spells_them_for_what_is_recorded() -> None:
    assert only(DDL).types == {
        "id": "INT NOT NULL",
        "name": "VARCHAR(10)",
        "price": "DECIMAL(10, 2)",
        "at": "TIMESTAMP",
    }


def test_a_column_that_hive_declares_in_the_partitioning_is_a_column() -> None:
    found = only("CREATE TABLE t (id INT) PARTITIONED BY (day DATE)")
    assert found.column_names == ("id", "day")
    assert found.types == {"id": "INT", "day": "DATE"}
    assert found.partition == ("day",)


def test_keys_of_constraints_and_properties_are_all_told_apart() -> None:
    assert only("CREATE TABLE t (a INT PRIMARY KEY, b INT)").primary_keys == (("a",),)
    assert only("CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))").primary_keys == (("a", "b"),)


def test_null_said_outright_is_no_constraint() -> None:
    assert [it.nullable for it in only("CREATE TABLE t (a INT NULL, b INT NOT NULL)").columns] == [True, False]


def test_a_column_without_a_type_has_none_in_the_model() -> None:
    with pytest.raises(UsageError, match="column b has no type"):
        _ = only("CREATE TABLE t (a INT, b)").columns


def test_views_queries_without_columns_and_other_statements_are_no_tables() -> None:
    script = "CREATE VIEW v (a) AS SELECT 1; CREATE TABLE c AS SELECT 1 AS a; DROP TABLE x; CREATE TABLE t (a INT)"
    assert [it.table for it in create_tables(script)] == ["t"]


def test_a_workflow_records_the_tables_of_its_ddl_with_the_keys_of_its_metadata_jobs(tmp_path: Path) -> None:
    (tmp_path / "ddl.sql").write_text("CREATE TABLE ${T} (id INT NOT NULL, day DATE) PARTITIONED BY (day)")
    (tmp_path / "broken.sql").write_text("CREATE TABLE (")
    (tmp_path / "main.sch.yaml").write_text("""
version: 1
workflow: {id: w}
params: {T: db.plays}
jobs:
  - job: {id: ddl, type: Spark, spark: {script: ddl.sql}}
  - job: {id: broken, type: Spark, spark: {script: broken.sql}}
  - job: {id: metadata, type: Metadata, metadata: {table: db.plays, owner: alice, primary_key: [id]}}
  - job: {id: other, type: Metadata, metadata: {table: db.other, owner: alice, primary_key: [k]}}
""")
    columns = {"id": "INT NOT NULL", "day": "DATE"}
    assert recorded_schemas(load_workflow(tmp_path / "main.sch.yaml", Request())) == {
        "db.plays": RecordedSchema(columns=columns, partitioned_by=("day",), primary_key=("id",)),
        "db.other": RecordedSchema(primary_key=("k",)),
    }


def test_a_change_says_whether_it_breaks_readers() -> None:
    before = {
        "a": RecordedSchema(columns={"id": "INT", "n": "INT NOT NULL", "gone": "DATE"}, primary_key=("id",)),
        "b": RecordedSchema(),
    }
    after = {
        "a": RecordedSchema(columns={"id": "BIGINT", "n": "INT", "new": "DATE", "must": "INT NOT NULL"}),
        "c": RecordedSchema(),
    }
    assert list(schema_changes(before, after)) == [
        ("b: its definition is gone", True),
        ("a: column gone removed", True),
        ("a: column id: INT to BIGINT", False),
        ("a: column n: INT NOT NULL to INT", False),
        ("a: column new DATE added", False),
        ("a: column must INT NOT NULL added", True),
        ("a: key: id to none", True),
        ("c: new table", False),
    ]
