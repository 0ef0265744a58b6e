"""Plans on a catalog that Spark alone can open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflow.errors import UsageError
from dataflow.lineage.query import open_lineage
from dataflow.migration.changes import ChangeRequest, changes_of
from dataflow.migration.plan.table_schema import load_schema_in_spark
from dataflow.migration.steps import STATEMENTS, steps_for
from dataflow.tables.iceberg import field_paths
from dataflow.tables.schema.columns import Column
from dataflow.tables.schema.table_schema import TableSchema, live_schema_in_spark
from dataflow.workflow.project import Environment

pytestmark = [pytest.mark.spark, pytest.mark.long]

PROJECT = """\
version: 1
project: demo
environments:
  sandbox:
    catalog:
      name: {name}
      type: hadoop
      warehouse: {warehouse}
"""


@pytest.fixture
def lake(spark):
    """Return the session's catalog, a Hadoop one, with a table that is a namespace deeper than most."""
    name = spark.conf.get("spark.sql.defaultCatalog")
    properties = {key: spark.conf.get(f"spark.sql.catalog.{name}.{key}") for key in ("type", "warehouse")}
    assert properties["type"] == "hadoop"
    spark.sql("CREATE NAMESPACE lake_of_plans.deep")
    columns = "(id INT NOT NULL, hours FLOAT, day DATE)"
    spark.sql(f"CREATE TABLE lake_of_plans.deep.plays {columns} PARTITIONED BY (months(day))")
    yield {"name": name, **properties}
    spark.sql("DROP TABLE lake_of_plans.deep.plays")
    spark.sql("DROP NAMESPACE lake_of_plans.deep")


def test_a_table_is_looked_at_through_spark_and_an_unknown_one_is_answered_with_the_nearest(spark, lake):
    here = open_lineage(Environment("sandbox", catalog=lake), None, [])
    columns = (Column("id", "INT", nullable=False), Column("hours", "FLOAT"), Column("day", "DATE"))
    expected = TableSchema("lake_of_plans.deep.plays", columns, ("months(day)",))
    assert load_schema_in_spark(spark, f"{lake['name']}.lake_of_plans.deep.plays", here) == expected
    for name in (
        "lake_of_plans.deep.play",
        "lake_of_plan.dep.plays",
        "lake_of_plans..deep.plays",
        "lake_of_plans.a b.c",
    ):
        with pytest.raises(UsageError, match=f"there is no table '{name}'; did you mean 'lake_of_plans.deep.plays'"):
            load_schema_in_spark(spark, name, here)
    for name in ("", "nothing"):
        with pytest.raises(UsageError, match=f"there is no table '{name}'"):
            load_schema_in_spark(spark, name, here)


def test_a_table_is_brought_to_its_new_definition_by_the_steps_and_then_nothing_is_left(spark):
    table = "inside_of_plans.plays"
    ddl = (
        f"CREATE TABLE {table} (id SMALLINT, code VARCHAR(10), paid DECIMAL, at TIMESTAMP_LTZ, "
        "place STRUCT<town: STRING COMMENT 'it is', at: STRUCT<lat: FLOAT NOT NULL>>, tags ARRAY<STRUCT<n: INT>>, "
        "by MAP<STRING, INT>) USING iceberg PARTITIONED BY (DAY(`at`), truncate(code, 3)) COMMENT 'old'"
    )
    new = ddl
    for was, will in (
        ("(id SMALLINT", "(first INT, id BIGINT COMMENT 'who'"),
        ("'it is'", "'it\\'s'"), ("lat: FLOAT NOT NULL", "lat: DOUBLE"),
        ("<town", "<zip: INT, town"), ("n: INT", "n: BIGINT, m: STRUCT<o: INT COMMENT 'x'> COMMENT 'y'"),
        ("<STRING, INT>", "<STRING, BIGINT>"), ("'old'", "'new'"),
    ):  # fmt: skip
        assert was in new
        new = new.replace(was, will)
    spark.sql("CREATE NAMESPACE inside_of_plans")
    try:
        spark.sql(ddl)
        with pytest.raises(UsageError, match="nothing would change"):
            changes_of(live_schema_in_spark(spark, table), ChangeRequest(ddl=ddl))
        changes = changes_of(live_schema_in_spark(spark, table), ChangeRequest(ddl=new))
        assert all(change.safe for change in changes)
        steps = steps_for(table, changes)
        for step in steps:
            spark.sql(step.sql)
        columns = set(field_paths(spark.table(table).schema))
        assert {step.adds for step in steps if step.adds} == {"first", "place.zip", "tags.element.m"}
        assert {"first", "place.zip", "tags.element.m", "place.at.lat"} <= columns
        with pytest.raises(UsageError, match="nothing would change"):
            changes_of(live_schema_in_spark(spark, table), ChangeRequest(ddl=new))
        assert spark.table(table).schema["place"].dataType.fieldNames() == ["zip", "town", "at"]
        for step in steps:
            if step.undo:
                spark.sql(step.undo)
        assert not {"first", "place.zip", "tags.element.m"} & set(field_paths(spark.table(table).schema))
    finally:
        spark.sql(f"DROP TABLE IF EXISTS {table}")
        spark.sql("DROP NAMESPACE inside_of_plans")


def test_a_definition_that_names_a_column_of_another_type_as_it_ends_is_what_the_table_is_then(spark):
    table = "ends_of_plans.plays"
    old = f"CREATE TABLE {table} (id INT, hours STRUCT<h: DOUBLE NOT NULL COMMENT 'how long'>, day DATE) USING iceberg"
    new = old.replace("hours STRUCT<h: DOUBLE NOT NULL COMMENT 'how long'>", "{} STRUCT<h: STRING>").format
    asked = ChangeRequest(types={"hours": "struct<h: string>"}, names={"hours": "spans"}, rename={"day": "date"})
    spark.sql("CREATE NAMESPACE ends_of_plans")
    try:
        spark.sql(old)
        spark.sql(f"INSERT INTO {table} VALUES (1, named_struct('h', 2.5D), DATE '2026-01-31')")
        ddl = new("spans").replace("day", "date")
        for step in steps_for(table, changes_of(live_schema_in_spark(spark, table), replace(asked, ddl=ddl))):
            for statement in filter(None, step.sql.split(STATEMENTS)):
                spark.sql(statement)
        assert [(row.id, row.spans.h, str(row.date)) for row in spark.table(table).collect()] == [
            (1, "2.5", "2026-01-31")
        ]
        found = live_schema_in_spark(spark, table)
        with pytest.raises(UsageError, match="nothing would change"):
            changes_of(found, ChangeRequest(ddl=ddl))
        with pytest.raises(UsageError, match="hours was dropped from "):
            changes_of(found, ChangeRequest(ddl=new("hours")))
    finally:
        spark.sql(f"DROP TABLE IF EXISTS {table}")
        spark.sql("DROP NAMESPACE ends_of_plans")


def test_a_plan_starts_spark_where_nothing_else_can_open_the_catalog(lake, spark_command):
    (spark_command.folder / "dataflow.yaml").write_text(PROJECT.format(**lake))
    options = ("--type", "hours=double", "--drop", "id")
    plan = spark_command.json("migration", "plan", "lake_of_plans.deep.plays", *options)
    assert [(each["says"], each["safe"]) for each in plan["changes"]] == [
        ("drop column id", False),
        ("change the type of hours to DOUBLE", True),
    ]
