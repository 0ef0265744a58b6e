"""Checks before the first step: every declared table is where this run may write, and belongs to its package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.lineage.model import plain_name
from dataflow.tables.iceberg import create_namespace, exists
from dataflow.tables.ownership import claim, require_own
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.workflow.project import Environment
    from dataflow.workflow.resolved import Workflow


def preflight(spark: SparkSession, workflow: Workflow, *, adopt: bool) -> None:
    """Check the tables of a workflow and of all that it contains, and create their databases.

    Args:
        spark: The engine's session.
        workflow: What is about to run.
        adopt: Take over tables that belong to another package.

    Raises:
        DataflowError: A table is outside the environment, or belongs to another package. Nothing was written.
    """
    targets = {table: inner for inner in workflow.walk() for table in inner.target_tables}
    for table, inner in targets.items():
        _require_inside(inner.environment, table)
        if not adopt:
            require_own(spark, table, inner.identity)
    for table, inner in targets.items():
        if database := table_names.joined(table_names.split(table)[:-1]):
            create_namespace(spark, database)
        if adopt and exists(spark, table):
            claim(spark, table, inner.identity, adopt=True)


def _require_inside(environment: Environment, table: str) -> None:
    """Raise when a table is outside the database of an isolated environment.

    Raises:
        DataflowError: It is.
    """
    database = environment.params.get("TARGET_DB") if environment.isolated else None
    name = plain_name(table, environment.catalog_name)
    if database is not None and table_names.split(name)[:-1] != table_names.split(database):
        raise DataflowError(
            f"this run would write {name}, which is outside {database}, the database of environment {environment.name}",
            "use ${TARGET_DB}; without --env a run writes to your own sandbox alone",
            permanent=True,
        )
