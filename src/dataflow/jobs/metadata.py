"""The Metadata job: owner, tags, lifetime and key of a table, as Iceberg properties that every engine can read."""

from __future__ import annotations

from dataflow.errors import DataflowError
from dataflow.jobs.context import JobContext, JobResult
from dataflow.tables.iceberg import exists
from dataflow.tables.ownership import claim
from dataflow.tables.properties import LIFETIME_DAYS, OWNER, PRIMARY_KEY, TAGS
from dataflow.workflow.models import MetadataSpec


def run_metadata(spec: MetadataSpec, context: JobContext) -> JobResult:
    """Write owner, tags, lifetime, key and package of a table.

    Raises:
        DataflowError: The table does not exist.
    """
    if not exists(context.spark, spec.table):
        raise DataflowError(f"table {spec.table} does not exist", "create it by a DDL job that runs before this one")
    changed = claim(
        context.spark,
        spec.table,
        context.workflow.identity,
        {
            OWNER: spec.owner,
            TAGS: ",".join(spec.tags) or None,
            LIFETIME_DAYS: None if spec.lifetime_days is None else str(spec.lifetime_days),
            PRIMARY_KEY: ",".join(spec.primary_key) or None,
        },
    )
    return JobResult(detail="" if changed else "unchanged")
