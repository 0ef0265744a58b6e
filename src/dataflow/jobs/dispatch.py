"""One place that knows which function does which job: a new job type is registered here.

Each function is imported when it is needed: a run without notifications loads nothing that sends mail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from dataflow.jobs.context import JobContext, JobResult
from dataflow.workflow.models import AuditJob, HwmJob, MaintenanceJob, MetadataJob, NotificationJob, SparkJob
from dataflow.workflow.resolved import JobStep, WapStep

if TYPE_CHECKING:
    from dataflow.workflow.models import LeafJob, WapTemplate


def run_step(step: JobStep | WapStep, context: JobContext) -> JobResult:
    """Run a step that contains no workflow.

    Raises:
        DataflowError: It failed.
    """
    match step:
        case WapStep():
            return _run_wap(step.template, context)
        case JobStep():
            return _run_job(step.job, context)
        case _:
            assert_never(step)


def _run_wap(template: WapTemplate, context: JobContext) -> JobResult:
    """Run a template as a whole, or the phase of it that this run is a part for."""
    part = context.services.part()
    if part is not None and part.phase is not None:
        from dataflow.jobs.split_wap import run_phase

        return run_phase(template, context, part)
    from dataflow.jobs.write_audit_publish import run_wap

    return run_wap(template, context)


def _run_job(job: LeafJob, context: JobContext) -> JobResult:
    """Run a job by its type.

    Raises:
        DataflowError: It failed.
    """
    match job:
        case SparkJob():
            from dataflow.jobs.spark.job import run_spark_job

            return run_spark_job(job.spark, context)
        case MetadataJob():
            from dataflow.jobs.metadata import run_metadata

            return run_metadata(job.metadata, context)
        case HwmJob():
            from dataflow.jobs.hwm import run_hwm

            return run_hwm(job.hwm, context)
        case AuditJob():
            from dataflow.jobs.audit.job import run_audit_job

            return run_audit_job(job.audit, context)
        case MaintenanceJob():
            from dataflow.jobs.maintenance import run_maintenance

            return run_maintenance(job.maintenance, context)
        case NotificationJob():
            from dataflow.jobs.notification import run_notification

            return run_notification(job.notification, context)
        case _:
            assert_never(job)
