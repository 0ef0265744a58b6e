"""Plans on a catalog that Spark alone can open."""

from __future__ import annotations

import pytest

from dataflow.errors import UsageError
from dataflow.migration.columns import Column
from dataflow.migration.lineage import known
from dataflow.migration.plan import live_shape_in_spark
from dataflow.migration.shape import Shape
from dataflow.workflow.project import Environment

pytestmark = pytest.mark.spark

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
    here = known(Environment("sandbox", catalog=lake), None, [])
    columns = (Column("id", "INT", nullable=False), Column("hours", "FLOAT"), Column("day", "DATE"))
    expected = Shape("lake_of_plans.deep.plays", columns, ("months(day)",))
    assert live_shape_in_spark(spark, f"{lake['name']}.lake_of_plans.deep.plays", here) == expected
    for name in ("lake_of_plans.deep.play", "lake_of_plan.dep.plays"):
        with pytest.raises(UsageError, match=f"there is no table '{name}'; did you mean 'lake_of_plans.deep.plays'"):
            live_shape_in_spark(spark, name, here)


def test_a_plan_starts_spark_where_nothing_else_can_open_the_catalog(lake, spark_command):
    (spark_command.folder / "dataflow.yaml").write_text(PROJECT.format(**lake))
    options = ("--type", "hours=double", "--drop", "id")
    plan = spark_command.json("migration", "plan", "lake_of_plans.deep.plays", *options)
    assert [(each["says"], each["safe"]) for each in plan["changes"]] == [
        ("drop column id", False),
        ("change the type of hours to DOUBLE", True),
    ]
