"""The Audit job: checks of rows that are already published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.jobs.audit.results import AuditedRows
from dataflow.jobs.audit.run import run_audits
from dataflow.jobs.context import JobContext, JobResult
from dataflow.jobs.write_audit_publish import history_for, require_passed
from dataflow.tables.iceberg import load, quoted
from dataflow.tables.partition import partition_of

if TYPE_CHECKING:
    from dataflow.workflow.models import AuditSpec


def run_audit_job(spec: AuditSpec, context: JobContext) -> JobResult:
    """Run the audits of a job on the published rows of its table.

    Raises:
        AuditFailed: A blocking audit failed.
        DataflowError: An audit can't be run as it is written.
    """
    workflow = context.workflow
    partition = partition_of(context.spark, load(context.spark, spec.table), spec.partition)
    results = run_audits(
        context.spark,
        AuditedRows(quoted(spec.table), partition.where),
        spec.audits,
        folder=workflow.folder,
        params=workflow.script_params,
        history=history_for(spec.audits, context, spec.table, partition),
        session=context.services.session,
    )
    require_passed(results, published=True)
    return JobResult(detail=f"{len(results)} audits", audits=tuple(results))
