"""One place that knows which function does which job."""

from __future__ import annotations

import contextlib

from dataflow.jobs.context import JobContext, Outcome
from dataflow.spark.errors import message_of
from dataflow.workflow.models import AuditJob, AuditSpec, HwmJob, MetadataJob, SparkJob
from dataflow.workflow.resolved import JobStep, LeafJob, WapStep


def run_step(step: JobStep | WapStep, context: JobContext) -> Outcome:
    """Do what a step says.

    Raises:
        DataflowError: It failed.
    """
    if isinstance(step, WapStep):
        from dataflow.jobs.write_audit_publish import run_wap

        return run_wap(step.template, context)
    return _run_job(step.job, context)


def _run_job(job: LeafJob, context: JobContext) -> Outcome:
    match job:
        case SparkJob():
            from dataflow.jobs.spark.job import run_spark

            run_spark(job.spark, context, context.scope)
            _fill(context)
            return Outcome()
        case MetadataJob():
            from dataflow.jobs.metadata import run_metadata

            return run_metadata(job.metadata, context)
        case HwmJob():
            from dataflow.jobs.hwm import run_hwm

            return run_hwm(job.hwm, context)
        case AuditJob():
            return _run_audits(job.audit, context)
        case _:
            from dataflow.jobs.notification import send

            workflow = context.workflow
            told = send(job.notification, environment=workflow.environment, owner=workflow.owner)
            return Outcome(detail=", ".join(told))


def _fill(context: JobContext) -> None:
    """Fill the columns of a migration that a job outside of `wap` left out, as the publication does within it.

    Whose rows are which is not known here, so nothing is changed that is there; what differs, the contract finds.
    """
    from dataflow.lineage.model import plain_name
    from dataflow.spark.guard import EVERYTHING, open_session
    from dataflow.tables import column_migration
    from dataflow.tables.iceberg import quoted

    workflow = context.workflow
    catalog = workflow.environment.catalog_name
    wap = {plain_name(it.template.table, catalog).lower() for it in workflow.steps if isinstance(it, WapStep)}
    for write in context.writes():
        if write.target.lower() in wap:
            continue
        table, pairs = quoted(write.target), []
        with contextlib.suppress(Exception):  # what is no table of Iceberg's has no columns on the move
            pairs = column_migration.pairs(context.spark, table)
        try:
            if pairs:
                column_migration.fill(
                    open_session(context.spark, EVERYTHING),
                    table,
                    pairs,
                    {column.lower() for column in write.assigned_columns},
                )
        except Exception as error:  # its rows are there, and the contract fills them as well
            context.note(f"columns of {write.target} that a migration moves are not filled yet: {message_of(error)}")


def _run_audits(spec: AuditSpec, context: JobContext) -> Outcome:
    from dataflow.jobs.audit import Rows, run_audits
    from dataflow.jobs.write_audit_publish import history_for, require_passed
    from dataflow.tables.iceberg import load, quoted
    from dataflow.tables.partition import partition_of

    workflow = context.workflow
    partition = partition_of(context.spark, load(context.spark, spec.table), spec.partition)
    results = run_audits(
        context.spark,
        Rows(quoted(spec.table), partition.where),
        spec.audits,
        folder=workflow.folder,
        params=workflow.script_params,
        history=history_for(spec.audits, context, spec.table, partition),
        session=context.session,
    )
    require_passed(results, published=True)
    return Outcome(detail=f"{len(results)} audits", audits=tuple(results))
