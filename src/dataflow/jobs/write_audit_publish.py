"""The wap template: write on a branch, audit the branch, publish it or drop it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.jobs.audit import AuditedRows, run_audits
from dataflow.jobs.audit.failed_rows import failed_rows_query
from dataflow.jobs.context import JobContext, JobResult, Published
from dataflow.jobs.spark import ddl_line
from dataflow.jobs.spark.job import run_spark
from dataflow.lineage.model import plain_name
from dataflow.secret import masked
from dataflow.spark.column_errors import mismatch_of
from dataflow.spark.errors import is_arity
from dataflow.spark.guard import EVERYTHING, open_session
from dataflow.tables import branch_publish, column_migration
from dataflow.tables.iceberg import exists, head, load, properties, quoted
from dataflow.tables.ownership import claim
from dataflow.tables.properties import AUDITS, BUNDLE, DAY, OUTCOME, PARTITION, ROWS, RUN_ID, SOURCES, STEP, WORKFLOW
from dataflow.tables.publications import row_history, written_past
from dataflow.tables.publish import Made, PublishConflict, clear, keep, outcome, publish
from dataflow.wording import plural
from dataflow.workflow.models import HwmJob
from dataflow.workflow.periods import Cadence
from dataflow.workflow.project import SANDBOX

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.jobs.audit import AuditResult
    from dataflow.tables.partition import Partition
    from dataflow.workflow.audits import Audit
    from dataflow.workflow.models import WapTemplate

_CONFLICT_RERUNS = 3
_NOTHING: Mapping[str, str] = {}


class AuditFailed(DataflowError):
    """A blocking audit failed: nothing was published, unless it audits what is published already.

    Attributes:
        results: The results of all audits.
    """

    permanent = True

    def __init__(self, message: str, results: Sequence[AuditResult], *, published: bool) -> None:
        held = "the rows were published before, and readers see them"
        super().__init__(message, held if published else "nothing was published; readers see what they saw before")
        self.results = tuple(results)


def run_wap(template: WapTemplate, context: JobContext) -> JobResult:
    """Write, audit and publish; start again from the new main when the partition was changed meanwhile.

    Raises:
        AuditFailed: A blocking audit failed.
        DataflowError: The write failed, touched what it did not declare, or wrote nothing where that is a failure.
    """
    part = context.services.part()
    if part is not None and part.phase is not None:
        from dataflow.jobs.split_wap import run_phase

        return run_phase(template, context, part)
    for left in reversed(range(_CONFLICT_RERUNS)):
        try:
            return _once(template, context)
        except PublishConflict as conflict:
            if not left:
                raise
            context.services.note(f"{conflict.message}: starting again from the new main")
    raise AssertionError("the last attempt returns or raises")


def _once(template: WapTemplate, context: JobContext) -> JobResult:
    spark, table = context.spark, template.table
    if exists(spark, table):
        sweep(spark, table, context)
    name = branch_publish.branch_name(context.workflow.run_id, template.id)
    branch = branch_publish.begin(spark, table, template.partition, name, keeps=template.existing == "keep")
    try:
        claim(spark, table, context.workflow.identity)
        with context.services.phase("write") as detail:
            write(template, branch, context)
            require_main_unchanged(branch, context)
            made, moves = settle(template, branch, context)
            detail(row_counts(made))
        if made.is_empty and template.empty != "publish":
            return nothing_written(template, branch, context)
        with context.services.phase("audit") as detail:
            results = audit(template, branch, context)
            detail(audit_counts(results))
        with context.services.phase("publish") as detail:
            if (
                column_migration.column_pairs(spark, table) != moves
            ):  # a migration went on since, and its columns were not filled
                raise PublishConflict(f"a migration moved columns of {table} during this run")
            require_main_unchanged(branch, context)
            told = summary(template, branch, context, made, results)
            with context.services.publishing():
                snapshot = publish(spark, branch, made, told)
            detail(f"snapshot {snapshot}")
    except AuditFailed as failed:
        keep_failed(failed, branch, context)
        raise
    except BaseException:
        branch_publish.abandon(spark, branch)
        raise
    published = Published(table, branch.partition.label, branch.partition.where, made.total, snapshot)
    return JobResult(row_counts(made), tuple(results), published)


def sweep(spark: SparkSession, table: str, context: JobContext) -> None:
    """Drop the branches of a table that nobody works on any more."""
    for name in branch_publish.sweep(spark, table, context.services.is_live_branch):
        left = "whose rows failed" if name.startswith(branch_publish.FAILED) else "left by a run that was killed"
        context.services.note(f"dropped branch {name} of {table}, {left}")


def keep_failed(failed: AuditFailed, branch: branch_publish.Branch, context: JobContext) -> None:
    """Keep rows that failed an audit for a day, and say how to look at them; readers go on seeing main."""
    try:
        kept = branch_publish.keep_failed(context.spark, branch)
    except BaseException:
        branch_publish.abandon(context.spark, branch)
        raise
    environment = context.workflow.environment.name
    env = "" if environment == SANDBOX else f" --env {environment}"
    query = failed_rows_query(failed.results, branch.reference, kept.reference, branch.partition.where)
    failed.hint = masked(f"{failed.hint}; its rows are kept for a day:\n    dataflow query{env} {query}")


def settle(
    template: WapTemplate, branch: branch_publish.Branch, context: JobContext
) -> tuple[Made, list[column_migration.ColumnPair]]:
    """Make the branch hold what will be published.

    Returns:
        What the run made, and the columns of a migration that were filled.
    """
    spark = context.spark
    made = outcome(spark, branch)
    if not branch.keeps and (not made.is_empty or template.empty == "publish"):
        made = clear(spark, branch, made, lambda: open_session(spark, EVERYTHING))
    if number := made.rewritten:
        context.services.note(
            f"{plural(number, 'file')} of {branch.table} held {branch.partition.label} beside others, "
            "as it was partitioned before: rewritten for those"
        )
    moves = _synchronize(branch, context)
    return (outcome(spark, branch) if moves else made), moves


def write(template: WapTemplate, branch: branch_publish.Branch, context: JobContext) -> None:
    """Run the scripts of a template on its branch."""
    spark = context.spark
    table = plain_name(template.table, context.workflow.environment.catalog_name)
    scope = context.scope.on_branch(table, branch.name, keep=branch.keeps)
    try:
        for item in template.write:
            run_spark(item.job.spark, context, scope)
    except DataflowError as error:
        moves = column_migration.migrating_columns(properties(load(spark, template.table)))
        if is_arity(error) or any(new and f"`{new}`" in error.message for new in moves.values()):
            error.hint = column_migration.advice(template.table, moves) or error.hint
        if not moves and (mismatch := mismatch_of(error)) is not None:
            error.hint = ddl_line.advice(context.workflow, *mismatch) or error.hint
        raise


def require_main_unchanged(branch: branch_publish.Branch, context: JobContext) -> None:
    """Refuse to go on after this run wrote to main itself, as a program can that replaces the catalog it is given.

    Raises:
        DataflowError: It did: readers see its rows, which no audit passed.
    """
    snapshot = written_past(context.spark, branch.table, branch.base, context.services.application_ids())
    if snapshot is not None:
        raise DataflowError(
            f"this run wrote to main of {branch.table} itself: readers see snapshot {snapshot}, which no audit passed",
            f"take it back: CALL system.rollback_to_snapshot('{branch.table}', {branch.base}), "
            "and write by the catalog that the program is given",
            permanent=True,
        )


def _synchronize(branch: branch_publish.Branch, context: JobContext) -> list[column_migration.ColumnPair]:
    """Fill the columns of a migration that the write left out: readers of the old and of the new see the same.

    Returns:
        The columns in migration.
    """
    spark = context.spark
    pairs = column_migration.column_pairs(spark, branch.table)
    if not pairs or head(load(spark, branch.table), branch.name) == branch.base:
        return pairs
    catalog = context.workflow.environment.catalog_name
    mine = (
        w.assigned_columns
        for w in context.services.observed_writes()
        if plain_name(w.target, catalog).lower() == branch.table.lower()
    )
    written = {column.lower() for given in mine for column in given}
    # A session of its own, as the job's lineage must not include this write.
    own, where = open_session(spark, EVERYTHING), branch.partition.where
    before = f"{quoted(branch.table)} VERSION AS OF {branch.base}"
    was_synchronized = functools.partial(column_migration.is_synchronized, own, before, where)
    column_migration.synchronize(own, branch.reference, where, pairs, written, was_synchronized)
    return pairs


def nothing_written(
    template: WapTemplate, branch: branch_publish.Branch, context: JobContext, more: Mapping[str, str] = _NOTHING
) -> JobResult:
    """End a run that made no rows: where that is no failure, the old ones stay, which the table's history says."""
    label = f"{template.table} {branch.partition.label}"
    found = f"the write {'changed no row of' if branch.keeps else 'brought no rows for'} {label}"
    if template.empty == "fail":
        raise DataflowError(
            found, "readers keep the old rows; set 'empty: keep' or 'empty: publish' if a day without rows is fine"
        )
    told = {**summary(template, branch, context), **more}
    with context.services.publishing():
        keep(context.spark, branch, told)
    context.services.note(f"{found}: the old rows stay (empty: keep)")
    return JobResult("0 rows, the old ones stay")


def audit(template: WapTemplate, branch: branch_publish.Branch, context: JobContext) -> list[AuditResult]:
    """Audit what a branch holds.

    Raises:
        AuditFailed: A blocking audit failed.
    """
    if not template.audits:
        return []
    workflow = context.workflow
    history = history_for(template.audits, context, template.table, branch.partition)
    results = run_audits(
        context.spark,
        AuditedRows(branch.reference, branch.partition.where),
        template.audits,
        folder=workflow.folder,
        params=workflow.script_params,
        history=history,
        session=context.services.session,
    )
    require_passed(results)
    return results


def history_for(audits: Sequence[Audit], context: JobContext, table: str, partition: Partition) -> list[int]:
    """Return the row counts of the last published runs, as many as the audits want to see."""
    longest = max((audit.history_runs for audit in audits), default=0)
    return row_history(context.spark, table, partition, longest) if longest else []


def require_passed(results: Sequence[AuditResult], *, published: bool = False) -> None:
    """Raise when a blocking audit failed.

    Args:
        results: The results of all audits.
        published: Whether the rows are published already.

    Raises:
        AuditFailed: Naming each such audit with its figure.
    """
    failed = [result for result in results if not result.passed and result.blocking]
    if failed:
        found = "; ".join(f"{result.name}: {result.message}" for result in failed)
        number = "an audit" if len(failed) == 1 else f"{len(failed)} audits"
        raise AuditFailed(f"{number} failed: {found}", results, published=published)


def audit_counts(results: Sequence[AuditResult]) -> str:
    """Return how many audits there were, and how many of them warned."""
    warned = sum(not result.passed for result in results)
    return plural(len(results), "audit") + (f", {warned} warned" if warned else "")


def _day(template: WapTemplate, context: JobContext) -> str | None:
    """Return the day, or hour, that this workflow's HWM job names for this table: the partition need not name one."""
    jobs = context.workflow.jobs(HwmJob, every_date=True)
    named = {job.hwm.datetime for job in jobs if job.hwm.table == template.table and job.hwm.datetime is not None}
    hours = {it: context.workflow.cadence.read(it) for it in named if context.workflow.cadence is Cadence.HOURLY}
    days = {str(hours.get(it) or it[:10]) for it in named}
    return days.pop() if len(days) == 1 else None


def row_counts(made: Made) -> str:
    """Return the number of rows, and how many of them this run wrote where that differs."""
    written = "" if made.rows == made.total else f", {made.rows:,} of them in files that were written"
    return f"{made.total:,} rows{written}"


def audit_figures(results: Sequence[AuditResult]) -> str:
    """Return the figures of audits, as the table's history keeps them."""
    return json.dumps({result.name: result.figure for result in results}, sort_keys=True)


def source_snapshots(context: JobContext) -> str:
    """Return the snapshots of sources that a run has read, as the table's history keeps them."""
    return json.dumps(dict(context.services.observed_reads()), sort_keys=True)


def summary(
    template: WapTemplate,
    branch: branch_publish.Branch,
    context: JobContext,
    made: Made | None = None,
    results: Sequence[AuditResult] = (),
) -> dict[str, str]:
    """Return the properties of the snapshot, which are the table's own history.

    A run that made nothing leaves a snapshot too, with `dataflow.outcome` = `kept` and no number of rows.
    """
    workflow = context.workflow
    deployed = {BUNDLE: workflow.bundle} if workflow.bundle else {}
    day = _day(template, context)
    return {
        **deployed,
        RUN_ID: workflow.run_id,
        WORKFLOW: workflow.id,
        STEP: template.id,
        PARTITION: branch.partition.label,
        **({DAY: day} if day else {}),
        **({OUTCOME: "kept"} if made is None else {OUTCOME: "published"}),
        **({} if made is None else {ROWS: str(made.total)}),
        AUDITS: audit_figures(results),
        SOURCES: source_snapshots(context),
    }
