"""The phases of a wap template in processes of their own, as a scheduler starts them one by one.

What a phase leaves to the next stands in the branch itself, in the summary of a snapshot without rows: from which
snapshot of main it began, what was read, and then what the audits found. So a phase can be tried again on another
machine, and what is published is held to the main that the write began with, as in one process.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.jobs import write_audit_publish as whole
from dataflow.jobs.context import JobResult, Published
from dataflow.tables import branch_publish, column_migration
from dataflow.tables.iceberg import exists, head, load
from dataflow.tables.ownership import claim
from dataflow.tables.partition import partition_of
from dataflow.tables.properties import AUDITS, OUTCOME, PART, ROWS, SOURCES
from dataflow.tables.publications import published_part
from dataflow.tables.publish import PublishConflict, outcome, publish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflow.jobs.context import JobContext, PartOfRun
    from dataflow.workflow.models import WapTemplate

_BASE = "dataflow.part.base"
_COLUMNS = "dataflow.part.columns"
"""In the branch, beside PART: the snapshot of main that it began with, and a migration's columns that were filled."""


@dataclasses.dataclass(frozen=True)
class _Kept:
    """What the phases before have left.

    Attributes:
        branch: The branch, as it began.
        told: What its last snapshot says.
    """

    branch: branch_publish.Branch
    told: Mapping[str, str]


def run_phase(template: WapTemplate, context: JobContext, part: PartOfRun) -> JobResult:
    """Run one phase.

    Raises:
        AuditFailed: A blocking audit failed.
        DataflowError: The phase failed, or those before it have not left what it needs.
    """
    digest = hashlib.sha256(f"{part.run}\n{context.workflow.id}".encode()).hexdigest()[:16]
    name = branch_publish.branch_name(f"part_{digest}", template.id)
    if part.phase == "write":
        return _write(template, context, name)
    if (rows := _over(template, context, name)) is not None:
        return JobResult(rows)
    kept = _reopened(template, context, name)
    return _audit(template, context, kept) if part.phase == "audit" else _publish(template, context, kept)


def _write(template: WapTemplate, context: JobContext, name: str) -> JobResult:
    """Write on a branch that is made anew from main as it stands, also when it is tried again."""
    spark, table = context.spark, template.table
    if exists(spark, table):
        whole.sweep(spark, table, context)
    branch = branch_publish.begin(spark, table, template.partition, name, keeps=template.existing == "keep")
    try:
        claim(spark, table, context.workflow.identity)
        with context.services.phase("write") as detail:
            whole.write(template, branch, context)
            whole.require_main_unchanged(branch, context)
            made, columns = whole.settle(template, branch, context)
            detail(counted := whole.row_counts(made))
        if made.is_empty and template.empty != "publish":
            return whole.nothing_written(template, branch, context, {PART: name})
        mark = {PART: name, _BASE: str(branch.base), _COLUMNS: _as_text(columns)}
        branch_publish.mark(spark, branch, {**mark, SOURCES: whole.source_snapshots(context)})
    except BaseException:
        branch_publish.abandon(spark, branch)
        raise
    return JobResult(counted)


def _audit(template: WapTemplate, context: JobContext, kept: _Kept) -> JobResult:
    """Audit what the write left; what fails is kept for a day, as always."""
    try:
        with context.services.phase("audit") as detail:
            results = whole.audit(template, kept.branch, context)
            detail(counted := whole.audit_counts(results))
    except whole.AuditFailed as failed:
        whole.keep_failed(failed, kept.branch, context)
        raise
    branch_publish.mark(context.spark, kept.branch, {**kept.told, AUDITS: whole.audit_figures(results)})
    return JobResult(counted, tuple(results))


def _publish(template: WapTemplate, context: JobContext, kept: _Kept) -> JobResult:
    """Publish what was audited, where main still has the partition that the write began with."""
    spark, branch = context.spark, kept.branch
    if AUDITS not in kept.told:
        raise DataflowError(f"{branch.table} {branch.partition.label} was not audited: run the audit first")
    with context.services.phase("publish") as detail:
        if _as_text(column_migration.column_pairs(spark, branch.table)) != kept.told[_COLUMNS]:
            raise PublishConflict(f"a migration moved columns of {branch.table} during this run")
        made = outcome(spark, branch)
        told = whole.summary(template, branch, context, made)
        told |= {PART: kept.told[PART], AUDITS: kept.told[AUDITS], SOURCES: kept.told[SOURCES]}
        with context.services.publishing():
            snapshot = publish(spark, branch, made, told)
        detail(f"snapshot {snapshot}")
    published = Published(branch.table, branch.partition.label, branch.partition.where, made.total, snapshot)
    return JobResult(whole.row_counts(made), published=published)


def _over(template: WapTemplate, context: JobContext, name: str) -> str | None:
    """Return what is published already, by this run, as of a publish that is tried again; None where nothing is.

    A branch that is there says otherwise: its write was done again since.
    """
    spark, table = context.spark, template.table
    if exists(spark, table) and head(load(spark, table), name) is None:
        found = published_part(spark, table, name)
        if found is not None:
            kept = found.get(OUTCOME) == "kept"
            return "0 rows, the old ones stay" if kept else f"{int(found[ROWS]):,} rows, published before"
    return None


def _reopened(template: WapTemplate, context: JobContext, name: str) -> _Kept:
    """Return the branch that the write left.

    Raises:
        DataflowError: There is none, as after an audit that failed, or the write did not end.
    """
    spark, table = context.spark, template.table
    told = branch_publish.marked(spark, table, name) if exists(spark, table) else {}
    if told.get(PART) != name:
        raise DataflowError(
            f"{table} has no rows of this run that wait to be audited and published",
            f"run {template.id}.write again, and what follows it",
            permanent=True,
        )
    partition = partition_of(spark, load(spark, table), template.partition)
    branch = branch_publish.Branch(table, name, int(told[_BASE]), partition, template.existing == "keep")
    return _Kept(branch, {key: told[key] for key in (PART, _BASE, _COLUMNS, SOURCES, AUDITS) if key in told})


def _as_text(columns: list[column_migration.ColumnPair]) -> str:
    return json.dumps([dataclasses.astuple(it) for it in columns], default=str)
