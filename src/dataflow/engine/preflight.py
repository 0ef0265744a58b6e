"""What is checked before the first step: every declared table lies where this run may write, and is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.jobs.guard import WriteGuard
from dataflow.tables.iceberg import create_namespace, exists
from dataflow.tables.ownership import claim, require_own

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.workflow.tree import Workflow


def guard_of(spark: SparkSession, workflow: Workflow) -> WriteGuard:
    """Return what a workflow's scripts may write: where it is isolated its database alone, which no --param widens."""
    environment = workflow.environment
    database = environment.params.get("TARGET_DB") if environment.isolated else None
    return WriteGuard(
        environment.catalog_name,
        database,
        environment.name,
        require_own=lambda table: require_own(spark, table, workflow.identity),
    )


def preflight(spark: SparkSession, workflow: Workflow, *, adopt: bool) -> None:
    """Check the tables of a workflow and of all that it contains; make their databases.

    Args:
        spark: The session.
        workflow: What is about to run.
        adopt: Take over tables that carry another package's mark.

    Raises:
        DataflowError: A table is outside the environment, or belongs to another package. Nothing was written.
    """
    targets = {table: inner for inner in workflow.walk() for table in inner.target_tables}
    for table, inner in targets.items():
        guard_of(spark, inner).check_place("this run", tuple(table.split(".")))
        if not adopt:
            require_own(spark, table, inner.identity)
    for table, inner in targets.items():
        database = table.rpartition(".")[0]
        if database:
            create_namespace(spark, database)
        if adopt and exists(spark, table):
            claim(spark, table, inner.identity, adopt=True)
