"""The Maintenance job: partitions, snapshots and files of a table that may go; listed first, then done."""

from __future__ import annotations

from dataflow.jobs.context import JobContext, JobResult
from dataflow.lineage.model import plain_name
from dataflow.maintenance.home_files import prune_home
from dataflow.maintenance.maintain import Maintenance, access_through
from dataflow.maintenance.plan_text import plan_lines
from dataflow.wording import plural
from dataflow.workflow.maintenance_spec import MaintenanceSpec


def run_maintenance(spec: MaintenanceSpec, context: JobContext) -> JobResult:
    """Keep a table in order.

    Raises:
        DataflowError: There is no such table, or it is not this package's; or a step failed.
    """
    workflow, services = context.workflow, context.services
    table = plain_name(spec.table, workflow.environment.catalog_name)
    task = Maintenance(table, workflow.environment, workflow.identity, services.records(), spec.keep)
    access = access_through(context.spark)
    for line in prune_home():
        services.note(line)
    with services.phase("plan"):
        planned = task.plan(access)
    if planned.is_empty:
        return JobResult("nothing to do")
    for line in plan_lines(planned):
        services.note(line)
    with services.phase("maintain") as detail:
        after = task.run(context.spark, access, planned, services.note)
        before = planned.before
        detail(
            f"{before.files:,} to {plural(after.files, 'file')}, {before.snapshots:,} to {after.snapshots:,} snapshots"
        )
    return JobResult(f"{plural(after.files, 'file')}, {plural(after.snapshots, 'snapshot')}")
