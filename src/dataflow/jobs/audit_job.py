"""The Audit job: audits rows that are published already."""

from __future__ import annotations

from dataflow.jobs.audit import Rows, run_audits
from dataflow.jobs.context import JobContext, JobResult
from dataflow.jobs.write_audit_publish import history_for, require_passed
from dataflow.tables.iceberg import load, quoted
from dataflow.tables.partition import partition_of
from dataflow.workflow.models import AuditSpec


def run_audit_job(spec: AuditSpec, context: JobContext) -> JobResult:
    """Audit a table, or a partition of it.

    Raises:
        DataflowError: A blocking audit failed, or an audit can't be run.
    """
    workflow = context.workflow
    partition = partition_of(context.spark, load(context.spark, spec.table), spec.partition)
    results = run_audits(
        context.spark,
        Rows(quoted(spec.table), partition.where),
        spec.audits,
        folder=workflow.folder,
        params=workflow.script_params,
        history=history_for(spec.audits, context, spec.table, partition),
        session=context.services.session,
    )
    require_passed(results, published=True)
    return JobResult(detail=f"{len(results)} audits", audits=tuple(results))
