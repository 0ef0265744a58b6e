"""Carrying a campaign out on the table: the next step, and the way back.

Iceberg commits each statement of a step whole or not at all. What a statement does is looked up on the table before it
is done, so that a process that died before it could write its success down is followed by one that goes on there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.jobs.spark.script import statements as split
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.campaign.events import applied_steps, begun_steps
from dataflow.migration.changes import new_name
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.steps import Step, kept_name
from dataflow.migration.store import CampaignEvent, CampaignStore, subjects_of
from dataflow.migration.verify import missing_rows, require_equal
from dataflow.spark.errors import message_of
from dataflow.tables.column_migration import moving, pairs
from dataflow.tables.iceberg import column_names, exists, head, load, properties, quoted
from dataflow.tables.quoting import column_name
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.migration.impact import AffectedWorkflow, ScriptLine


Report = Callable[[str], None]

_RENAMED = re.compile(r"ALTER TABLE (`.+`) RENAME TO (`.+`)")


def next_step(campaign: Campaign, events: Sequence[CampaignEvent]) -> Step | None:
    """Return the step to carry out next; None when all are done. That readers move is no step of ours."""
    done = applied_steps(events)
    return next((step for step in campaign.steps if step.sql and step.name not in done), None)


def require_not_cancelling(campaign: Campaign, events: Sequence[CampaignEvent]) -> None:
    """Refuse to go on with a campaign that somebody began to take back: what is undone already would be missing.

    Raises:
        UsageError: Somebody did.
    """
    if subjects_of(events, "cancelling"):
        raise UsageError(f"campaign {campaign.id} is being cancelled", f"dataflow migration cancel {campaign.id}")


def require_readers_moved(
    step: Step,
    found: Sequence[ReaderStatus],
    by_place: Sequence[AffectedWorkflow] = (),
    *,
    force: bool,
    reason: str | None,
) -> None:
    """Refuse to take the old away while anybody uses it, and to put a view where somebody still writes.

    Args:
        step: The step that comes next.
        found: Where readers and writers stand.
        by_place: Who fails once the table has a column more.
        force: Whether they are to break.
        reason: Why.

    Raises:
        UsageError: Force was asked for without a reason or the other way round, or for a step that breaks nobody.
        DataflowError: Somebody has not moved; names them.
    """
    places = by_place if step.adds else ()
    breaks = step.irreversible or bool(step.keeps) or bool(places)
    if force and not breaks:
        raise UsageError(f"'{step.says}' needs no --force: it breaks nobody")
    concerned = [each for each in found if step.irreversible or (breaks and _writes(each, step))]
    left = [standing for standing in concerned if standing.is_open]
    if reason is not None and not force:
        raise UsageError("--reason is what is kept of a --force", "leave it out, or add --force")
    if force and not (reason or "").strip():
        raise UsageError("--force needs a --reason, which is kept in the campaign")
    if places and not force:
        named = "; ".join(f"{it.workflow} ({it.owner or 'no owner'}), {_shown_place(it.lines[0])}" for it in places)
        count = _counted(len(places), "take")
        raise DataflowError(
            f"{count} all columns by position, and would fail once {step.adds} is there: {named}",
            "let them name the columns that they take, or --force --reason WHY, which is kept",
            permanent=True,
        )
    if left and not force:
        named = ", ".join(f"{s.reader.workflow} ({s.reader.owner or 'no owner'})" for s in left)
        raise DataflowError(
            f"{len(left)} of {len(concerned)} workflows have not moved: {named}; '{step.says}' would break them",
            "wait for them, or --force --reason WHY, which is kept",
            permanent=True,
        )


def _counted(number: int, verb: str) -> str:
    return f"1 workflow {verb}s" if number == 1 else f"{number} workflows {verb}"


def _shown_place(line: ScriptLine) -> str:
    return f"{display_path(Path(line.file))}:{line.number}"


def _writes(standing: ReaderStatus, step: Step) -> bool:
    """Say whether a workflow writes the table that is to be kept; one that reads it too is a reader first."""
    return standing.reader.role == "writes" or step.keeps in map(kept_name, standing.reader.writes)


def execute_step(
    spark: SparkSession, campaign: Campaign, step: Step, campaigns: CampaignStore, who: str, reason: str | None = None
) -> str:
    """Carry a step out, and note it.

    Args:
        spark: The session.
        campaign: The campaign.
        step: Its step.
        campaigns: Where it is noted.
        who: Who does it.
        reason: Why it is done although somebody has not moved, or old and new differ.

    Returns:
        How it went: `done`, `was done already`, or why it was left out.

    Raises:
        DataflowError: The table refuses, or old and new differ, and the step would let go of the old.
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
        went = "left out, as this catalog has no views"
    if reason is not None:
        campaigns.note(campaign.id, "forced", step.name, who, reason)
    campaigns.note(campaign.id, "applied", step.name, who, None, detail)
    if next_step(campaign, campaigns.events(campaign.id)) is None:
        campaigns.close(campaign.id, "done", who)
    return went


def describe_removal(spark: SparkSession, campaign: Campaign, step: Step) -> str:
    """Say what a contract step takes away for good, in figures."""
    table = quoted(campaign.table)
    if step.drops in {campaign.table, step.keeps}:
        gone = next((name for name in (step.drops, campaign.table) if exists(spark, name)), None)
        if gone is None:
            return f"{step.drops}, which is gone already"
        (row,) = spark.sql(f"SELECT count(*) AS n FROM {quoted(gone)}").collect()
        return f"the table {gone} with its {row.n:,} rows and its history"
    if step.drops.lower() not in column_names(spark, campaign.table):
        return f"column {step.drops}, which is gone already"
    column = column_name(step.drops)
    pair = next((pair for pair in pairs(spark, campaign.table) if pair.old == step.drops), None)
    alone = f"{column} IS NULL AND {column_name(pair.new)} IS NOT NULL" if pair else "false"
    (row,) = spark.sql(
        f"SELECT count({column}) AS filled, count(*) AS n, count_if({alone}) AS alone FROM {table}"
    ).collect()
    only = f"; {row.alone:,} rows have a value in {pair.new} alone, and keep it" if pair and row.alone else ""
    return (
        f"column {step.drops} with {row.filled:,} values in {row.n:,} rows{only}; rolling the table back would bring "
        "rows back, not the column, and one of that name that is added again is empty"
    )


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
    """Take back what a campaign did beside the old, newest first.

    Args:
        spark: The session.
        campaign: The campaign.
        events: What happened to it.
        campaigns: Where it is noted.
        who: Who does it.
        say: Told what was taken back, and what was not.
        force: Whether what only the new holds may be lost.

    Raises:
        DataflowError: The new holds what the old does not.
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
            say(f"took back {name}: {step.says}")


def _require_no_loss(spark: SparkSession, campaign: Campaign, step: Step) -> None:
    """Give the old what only the new holds, as what was written past any run does; refuse where they differ.

    Raises:
        DataflowError: They do.
    """
    told = []
    if step.keeps and exists(spark, step.keeps) and _is_view(spark, campaign.table):
        new = next(change.to for change in campaign.changes if change.kind == "replace")
        rows = spark.sql(missing_rows(spark, new, step.keeps, spark.table(quoted(step.keeps)).columns)).count()
        if rows:
            told.append(f"{rows:,} rows of {new} are not in {step.keeps}: who reads {campaign.table} would miss them")
    beside = pairs(spark, campaign.table) if step.adds else []
    for pair in (pair for pair in beside if pair.new == step.adds):
        table, old, new = quoted(campaign.table), column_name(pair.old), column_name(pair.new)
        spark.sql(f"UPDATE {table} SET {old} = {pair.as_old} WHERE {old} IS NULL AND {new} IS NOT NULL")
        lost = f"{new} IS NOT NULL AND ({old} IS NULL OR NOT {pair.agree})"
        rows = spark.sql(f"SELECT 1 FROM {table} WHERE {lost}").count()
        if rows:
            told.append(f"{rows:,} rows have another value in {pair.new} than in {pair.old}, which would be lost")
    if told:
        raise DataflowError("; ".join(told), "bring them over first, or --force", permanent=True)


def _reason_to_keep(spark: SparkSession, campaign: Campaign, step: Step) -> str | None:
    """Say why a step is not taken back: what it stood beside is gone, and what it made alone is left."""
    if step.keeps:
        if any(exists(spark, name) for name in (step.keeps, campaign.table)):
            return None
        return f"{campaign.table} stays as it is: {step.keeps} is gone already"
    columns = column_names(spark, campaign.table)
    if step.drops and step.drops.lower() not in columns:
        return f"{step.drops} stays away: it is gone already"
    olds = (change.column for change in campaign.changes if step.adds and new_name(change) == step.adds)
    old = next((old for old in olds if old.lower() not in columns), None)
    return None if old is None else f"{step.adds} stays: {old} is gone already, and what it held is nowhere else"


def irreversible_effects(campaign: Campaign, done: Sequence[str]) -> list[str]:
    """Say which of the steps that were carried out can't be taken back."""
    return [
        f"can't be taken back: {step.says}"
        for step in campaign.steps
        if step.name in done and (step.irreversible or " TYPE " in step.sql or "DROP NOT NULL" in step.sql)
    ]


def _require_possible(spark: SparkSession, campaign: Campaign, step: Step) -> None:
    """Refuse what could not be gone through with, before anything is begun."""
    if step.keeps and not step.drops and all(exists(spark, name) for name in (campaign.table, step.keeps)):
        raise DataflowError(
            f"there is a table {step.keeps}, the name under which the rows of {campaign.table} are to be kept",
            "give that one another name first",
            permanent=True,
        )
    if step.phase == "expand" and campaign.old_columns:
        _require_droppable(spark, campaign)
        others = moving(properties(load(spark, campaign.table)))
        if others and others != {c.column: new_name(c) or None for c in campaign.changes if not c.safe and c.column}:
            raise DataflowError(
                f"columns of {campaign.table} are on the move already: {', '.join(others)}",
                "it may be another environment's campaign on the same catalog: end that one first",
                permanent=True,
            )
    for change in campaign.changes:
        if change.kind == "type" and not change.safe and step.phase == "expand":
            there, back = (change.type, change.to), (change.to, change.type)
            try:
                spark.sql("SELECT " + ", ".join(f"try_cast(CAST(NULL AS {a}) AS {b})" for a, b in (there, back)))
            except Exception as error:
                raise DataflowError(
                    f"{change.column} can't be carried from {change.type} to {change.to} and back: Spark has no cast",
                    f"cancel this campaign, and plan another table: dataflow migration plan {campaign.table} "
                    "--replace-by NEW",
                    permanent=True,
                ) from error


def _require_droppable(spark: SparkSession, campaign: Campaign) -> None:
    """Refuse to let a column go that Iceberg would not drop in the end."""
    loaded = load(spark, campaign.table)
    schema, sorts = loaded.schema(), loaded.sortOrder().fields()
    ordered = {str(schema.findColumnName(sorts.get(i).sourceId())) for i in range(sorts.size())}
    for held, says, fix in (
        (ordered, "is written in the order of", "WRITE ORDERED BY others, or WRITE UNORDERED"),
        ({str(name) for name in schema.identifierFieldNames()}, "is identified by", "DROP IDENTIFIER FIELDS"),
    ):
        for column in campaign.old_columns:
            if any(name == column or name.startswith(f"{column}.") for name in held):
                raise DataflowError(
                    f"{campaign.table} {says} {column}, which can't be dropped in the end",
                    f"first: ALTER TABLE {table_names.typed(campaign.table)} {fix}",
                    permanent=True,
                )


def _run(spark: SparkSession, campaign: Campaign, step: Step, statements: str) -> None:
    for statement in (text.strip() for _, text in split(spark, statements)):
        if not _is_statement_done(spark, campaign.table, step, statement):
            try:
                spark.sql(statement)
            except Exception as error:
                raise DataflowError(f"'{step.says}' failed: {message_of(error)}") from error


def _is_done(spark: SparkSession, table: str, step: Step) -> bool:
    """Say whether the table shows a step done; whether a filling is, only the filling finds out."""
    if step.keeps and not step.drops:
        return _is_view(spark, table)
    if step.drops and step.drops in {table, step.keeps}:
        return not any(exists(spark, name) for name in (step.drops, table))
    if step.adds:
        return step.adds.lower() in column_names(spark, table)
    return bool(step.drops) and step.drops.lower() not in column_names(spark, table)


def _is_statement_done(spark: SparkSession, table: str, step: Step, statement: str) -> bool:
    """Say whether a statement was carried out already, for those that Spark would fail on then."""
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
