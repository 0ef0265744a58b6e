"""Executes the steps of a campaign on the table, and reverts them.

Iceberg commits each statement of a step atomically. Whether a statement was done is checked on the table before it is
run, so that a step whose process died before it was recorded is resumed where it stopped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError
from dataflow.jobs.spark.script import split_statements
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.campaign.events import applied_steps, begun_steps
from dataflow.migration.changes import new_name
from dataflow.migration.steps import Step
from dataflow.migration.store import CampaignEvent, CampaignStore, subjects_of
from dataflow.migration.verify import missing_rows, require_equal
from dataflow.spark.errors import short_message
from dataflow.tables.column_migration import column_pairs, migrating_columns
from dataflow.tables.iceberg import column_names, exists, head, load, properties, quoted
from dataflow.tables.quoting import column_name
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


Report = Callable[[str], None]

_RENAMED = re.compile(r"ALTER TABLE (`.+`) RENAME TO (`.+`)")


def steps_left(campaign: Campaign, events: Sequence[CampaignEvent]) -> list[Step]:
    """Return the steps that are left to execute, in order. Steps of readers are skipped."""
    done = applied_steps(events)
    return [step for step in campaign.steps if step.sql and step.name not in done]


def next_step(campaign: Campaign, events: Sequence[CampaignEvent]) -> Step | None:
    """Return the next step to execute; None when all are done."""
    return next(iter(steps_left(campaign, events)), None)


def require_not_cancelling(campaign: Campaign, events: Sequence[CampaignEvent]) -> None:
    """Require that a campaign is not being cancelled: steps that were reverted would be missing.

    Raises:
        UsageError: It is being cancelled.
    """
    if subjects_of(events, "cancelling"):
        raise UsageError(f"campaign {campaign.id} is being cancelled", campaign.row.command("cancel"))


def execute_step(
    spark: SparkSession, campaign: Campaign, step: Step, campaigns: CampaignStore, who: str, reason: str | None = None
) -> str:
    """Execute a step, and record it.

    Args:
        spark: The session.
        campaign: The campaign.
        step: Its step.
        campaigns: The store that events are recorded in.
        who: The user.
        reason: Why it is forced, although a workflow has not moved or old and new differ.

    Returns:
        The outcome: `done`, `was done already`, or why it was skipped.

    Raises:
        DataflowError: A statement failed, or old and new differ and the step would drop the old.
    """
    require_not_cancelling(campaign, campaigns.events(campaign.id))
    _require_possible(spark, campaign, step)
    detail = {"sql": step.sql, "snapshot": _snapshot(spark, campaign.table)}
    campaigns.note(campaign.id, "applying", step.name, who, reason, detail)
    went = "was done already" if _is_done(spark, campaign.table, step) else "done"
    if went == "done":
        require_equal(spark, campaign, step, forced=reason is not None)
    try:
        _run(spark, campaign, step, step.sql)
    except DataflowError as error:
        if not (step.keeps and "view is not supported" in error.message):
            raise
        went = "skipped: this catalog has no views"
    if reason is not None:
        campaigns.note(campaign.id, "forced", step.name, who, reason)
    campaigns.note(campaign.id, "applied", step.name, who, None, detail)
    if next_step(campaign, campaigns.events(campaign.id)) is None:
        campaigns.close(campaign.id, "done", who)
    return went


def describe_removal(spark: SparkSession, campaign: Campaign, step: Step) -> str:
    """Describe what a contract step permanently removes, in figures."""
    table = quoted(campaign.table)
    if step.drops in {campaign.table, step.keeps}:
        gone = next((name for name in (step.drops, campaign.table) if exists(spark, name)), None)
        if gone is None:
            return f"{step.drops}, which was dropped before"
        (row,) = spark.sql(f"SELECT count(*) AS n FROM {quoted(gone)}").collect()
        return f"the table {gone} with its {row.n:,} rows and its history"
    if step.drops.lower() not in column_names(spark, campaign.table):
        return f"column {step.drops}, which was dropped before"
    column = column_name(step.drops)
    pair = next((pair for pair in column_pairs(spark, campaign.table) if pair.old == step.drops), None)
    alone = f"{column} IS NULL AND {column_name(pair.new)} IS NOT NULL" if pair else "false"
    (row,) = spark.sql(
        f"SELECT count({column}) AS filled, count(*) AS n, count_if({alone}) AS alone FROM {table}"
    ).collect()
    only = f"; {row.alone:,} rows have a value in {pair.new} only, and keep it" if pair and row.alone else ""
    return f"column {step.drops} with {row.filled:,} values in {row.n:,} rows{only}; a rollback does not restore it"


def undo(
    spark: SparkSession,
    campaign: Campaign,
    events: Sequence[CampaignEvent],
    campaigns: CampaignStore,
    who: str,
    say: Report,
    *,
    force: bool = False,
) -> None:
    """Revert the steps of a campaign, newest first.

    Args:
        spark: The session.
        campaign: The campaign.
        events: Its events.
        campaigns: The store that events are recorded in.
        who: The user.
        say: Reports what was reverted, and what was not.
        force: Whether values that only the new column or table has may be lost.

    Raises:
        DataflowError: The new column or table has values that the old one lacks.
    """
    by_name = {step.name: step for step in campaign.steps}
    if not force:
        for name in begun_steps(events):
            _require_no_loss(spark, campaign, by_name[name])
    if not subjects_of(events, "cancelling"):
        campaigns.note(campaign.id, "cancelling", campaign.id, who)
    for name in reversed(begun_steps(events)):
        step = by_name[name]
        if not step.undo:
            continue
        if (gone := _reason_to_keep(spark, campaign, step)) is not None:
            say(gone)
        else:
            _run(spark, campaign, step, step.undo)
            campaigns.note(campaign.id, "undone", name, who)
            say(f"reverted {name}: {step.says}")


def _require_no_loss(spark: SparkSession, campaign: Campaign, step: Step) -> None:
    """Copy values that only the new column has to the old one, and require that the rest is equal.

    Raises:
        DataflowError: Old and new differ.
    """
    losses = []
    if step.keeps and exists(spark, step.keeps) and _is_view(spark, campaign.table):
        new = next(change.to for change in campaign.changes if change.kind == "replace")
        rows = spark.sql(missing_rows(spark, new, step.keeps, spark.table(quoted(step.keeps)).columns)).count()
        if rows:
            losses.append(
                f"{rows:,} rows of {new} are not in {step.keeps}: readers of {campaign.table} would miss them"
            )
    beside = column_pairs(spark, campaign.table) if step.adds else []
    for pair in (pair for pair in beside if pair.new == step.adds):
        table, old, new = quoted(campaign.table), column_name(pair.old), column_name(pair.new)
        spark.sql(f"UPDATE {table} SET {old} = {pair.as_old} WHERE {old} IS NULL AND {new} IS NOT NULL")
        lost = f"{new} IS NOT NULL AND ({old} IS NULL OR NOT {pair.agree})"
        rows = spark.sql(f"SELECT 1 FROM {table} WHERE {lost}").count()
        if rows:
            losses.append(f"{rows:,} rows have a value in {pair.new} that differs from {pair.old} and would be lost")
    if losses:
        raise DataflowError("; ".join(losses), "copy them first, or use --force", permanent=True)


def _reason_to_keep(spark: SparkSession, campaign: Campaign, step: Step) -> str | None:
    """Return why a step is not reverted: the old column or table was dropped, and only the new one is left."""
    if step.keeps:
        if any(exists(spark, name) for name in (step.keeps, campaign.table)):
            return None
        return f"{campaign.table} stays as it is: {step.keeps} was dropped"
    columns = column_names(spark, campaign.table)
    if step.drops and step.drops.lower() not in columns:
        return f"{step.drops} can't be restored: it was dropped"
    olds = (change.column for change in campaign.changes if step.adds and new_name(change) == step.adds)
    old = next((old for old in olds if old.lower() not in columns), None)
    return None if old is None else f"{step.adds} stays: {old} was dropped, and its values are nowhere else"


def irreversible_effects(campaign: Campaign, done: Sequence[str]) -> list[str]:
    """Return a line for each executed step that can't be reverted."""
    return [
        f"can't be reverted: {step.says}"
        for step in campaign.steps
        if step.name in done and (step.irreversible or " TYPE " in step.sql or "DROP NOT NULL" in step.sql)
    ]


def _require_possible(spark: SparkSession, campaign: Campaign, step: Step) -> None:
    """Require that the step, and those after it, can be completed."""
    if step.keeps and not step.drops and all(exists(spark, name) for name in (campaign.table, step.keeps)):
        raise DataflowError(
            f"table {step.keeps} already exists; the rows of {campaign.table} would be kept under this name",
            "rename it first",
            permanent=True,
        )
    if step.phase == "expand" and campaign.old_columns:
        _require_droppable(spark, campaign)
        others = migrating_columns(properties(load(spark, campaign.table)))
        if others and others != {c.column: new_name(c) or None for c in campaign.changes if not c.safe and c.column}:
            raise DataflowError(
                f"a migration of columns of {campaign.table} is already in progress: {', '.join(others)}",
                "it may be a campaign of another environment on the same catalog: finish or cancel that first",
                permanent=True,
            )
    for change in campaign.changes:
        if change.kind == "type" and not change.safe and step.phase == "expand":
            there, back = (change.type, change.to), (change.to, change.type)
            try:
                spark.sql("SELECT " + ", ".join(f"try_cast(CAST(NULL AS {a}) AS {b})" for a, b in (there, back)))
            except Exception as error:
                raise DataflowError(
                    f"{change.column} can't be converted from {change.type} to {change.to} and back: Spark has no cast",
                    f"cancel this campaign, then replace the table: migration plan {campaign.table} --replace-by NEW",
                    permanent=True,
                ) from error


def _require_droppable(spark: SparkSession, campaign: Campaign) -> None:
    """Require that Iceberg can drop the old columns: none is a sort key or an identifier field."""
    loaded = load(spark, campaign.table)
    schema, sorts = loaded.schema(), loaded.sortOrder().fields()
    ordered = {str(schema.findColumnName(sorts.get(i).sourceId())) for i in range(sorts.size())}
    identifiers = {str(name) for name in schema.identifierFieldNames()}
    for held, says, part, fix in (
        (ordered, "is sorted by", "sort order", "WRITE ORDERED BY others, or WRITE UNORDERED"),
        (identifiers, "is identified by", "identifier fields", "DROP IDENTIFIER FIELDS"),
    ):
        for column in campaign.old_columns:
            if any(name == column or name.startswith(f"{column}.") for name in held):
                raise DataflowError(
                    f"{campaign.table} {says} {column}; remove {column} from the {part} before migrating it",
                    f"ALTER TABLE {table_names.typed(campaign.table)} {fix}",
                    permanent=True,
                )


def _run(spark: SparkSession, campaign: Campaign, step: Step, statements: str) -> None:
    for statement in (text.strip() for _, text in split_statements(spark, statements)):
        if not _is_statement_done(spark, campaign.table, step, statement):
            try:
                spark.sql(statement)
            except Exception as error:
                raise DataflowError(f"'{step.says}' failed: {short_message(error)}") from error


def _is_done(spark: SparkSession, table: str, step: Step) -> bool:
    """Return whether the table shows that a step is done; False for one that fills a column."""
    if step.keeps and not step.drops:
        return _is_view(spark, table)
    if step.drops and step.drops in {table, step.keeps}:
        return not any(exists(spark, name) for name in (step.drops, table))
    if step.adds:
        return step.adds.lower() in column_names(spark, table)
    return bool(step.drops) and step.drops.lower() not in column_names(spark, table)


def _is_statement_done(spark: SparkSession, table: str, step: Step, statement: str) -> bool:
    """Return whether a statement was executed before, for those that Spark can't execute twice."""
    if step.adds and not statement.startswith(f"ALTER TABLE {quoted(table)} DROP COLUMN"):
        return step.adds.lower() in column_names(spark, table)
    if statement.startswith(("CREATE VIEW", "ALTER VIEW")):
        return _is_view(spark, table)
    if renamed := _RENAMED.fullmatch(statement):
        return not exists(spark, renamed[1]) and exists(spark, renamed[2])
    return False


def _is_view(spark: SparkSession, name: str) -> bool:
    *namespace, last = table_names.split(name)
    views = spark.sql(f"SHOW VIEWS IN {table_names.quoted_parts(namespace)}").collect()
    return any(view.viewName.lower() == last.lower() and not view.isTemporary for view in views)


def _snapshot(spark: SparkSession, table: str) -> int | None:
    return head(load(spark, table)) if exists(spark, table) else None
