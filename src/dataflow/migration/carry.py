"""Carrying a campaign out on the table: the next step, the check that old and new agree, and the way back.

Iceberg commits each statement of a step whole or not at all. What a statement does is looked up on the table before it
is done, so that a process that died before it could write its success down is followed by one that goes on there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError
from dataflow.jobs.cause import message_of
from dataflow.jobs.script import statements as split
from dataflow.migration.campaign import Campaign, applied, begun
from dataflow.migration.changes import new_name
from dataflow.migration.progress import Standing
from dataflow.migration.state import Campaigns, Event
from dataflow.migration.steps import Step, kept_name
from dataflow.tables.iceberg import field_paths, head, load, quoted
from dataflow.tables.literals import column_name
from dataflow.tables.moving import Pair, even_out, pairs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.migration.changes import Change

Say = Callable[[str], None]

_RENAMED = re.compile(r"ALTER TABLE (`.+`) RENAME TO (`.+`)")


def next_step(campaign: Campaign, events: Sequence[Event]) -> Step | None:
    """Return the step to carry out next; None when all are done. That readers move is no step of ours."""
    done = applied(events)
    return next((step for step in campaign.steps if step.sql and step.name not in done), None)


def require_moved(step: Step, found: Sequence[Standing], *, force: bool, reason: str | None) -> None:
    """Refuse to take the old away while anybody uses it, and to put a view where somebody still writes.

    Raises:
        UsageError: Force was asked for without a reason, or for a step that breaks nobody.
        DataflowError: Somebody has not moved; names them.
    """
    breaks = step.irreversible or bool(step.keeps)
    if force and not breaks:
        raise UsageError(f"'{step.says}' needs no --force: it breaks nobody")
    concerned = [each for each in found if step.irreversible or (breaks and _writes(each, step))]
    left = [standing for standing in concerned if standing.is_open]
    if force and not (reason or "").strip():
        raise UsageError("--force needs a --reason, which is kept in the campaign")
    if left and not force:
        named = ", ".join(f"{s.reader.workflow} ({s.reader.owner or 'no owner'})" for s in left)
        raise DataflowError(
            f"{len(left)} of {len(concerned)} workflows have not moved: {named}; '{step.says}' would break them",
            "wait for them, or --force --reason WHY, which is kept",
            permanent=True,
        )


def _writes(standing: Standing, step: Step) -> bool:
    """Say whether a workflow writes the table that is to be kept; one that reads it too is a reader first."""
    return standing.reader.role == "writes" or step.keeps in map(kept_name, standing.reader.writes)


def carry_out(
    spark: SparkSession, campaign: Campaign, step: Step, campaigns: Campaigns, who: str, reason: str | None = None
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
    _require_possible(spark, campaign, step)
    detail = {"sql": step.sql, "snapshot": _snapshot(spark, campaign.table)}
    campaigns.note(campaign.id, "applying", step.name, who, reason, detail)
    went = "was done already" if _is_done(spark, campaign.table, step) else "done"
    if went == "done":
        _require_agreement(spark, campaign, step, forced=reason is not None)
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


def what_goes(spark: SparkSession, campaign: Campaign, step: Step) -> str:
    """Say what a contract step takes away for good, in figures."""
    table = quoted(campaign.table)
    if step.drops in {campaign.table, step.keeps}:
        gone = next((name for name in (step.drops, campaign.table) if spark.catalog.tableExists(name)), None)
        if gone is None:
            return f"{step.drops}, which is gone already"
        (row,) = spark.sql(f"SELECT count(*) AS n FROM {quoted(gone)}").collect()
        return f"the table {gone} with its {row.n:,} rows and its history"
    if step.drops.lower() not in _columns(spark, campaign.table):
        return f"column {step.drops}, which is gone already"
    column = column_name(step.drops)
    (row,) = spark.sql(f"SELECT count({column}) AS filled, count(*) AS n FROM {table}").collect()
    return (
        f"column {step.drops} with {row.filled:,} values in {row.n:,} rows; rolling the table back would bring rows "
        "back, not the column, and one of that name that is added again is empty"
    )


@dataclass(frozen=True)
class Agreement:
    """Whether old and new agree.

    Attributes:
        says: What was compared.
        rows: How many rows were.
        different: How many of them differ.
    """

    says: str
    rows: int
    different: int


def verify(spark: SparkSession, campaign: Campaign, events: Sequence[Event]) -> list[Agreement]:
    """Compare old and new where both are: now, or in the last snapshot before the old was taken away.

    Raises:
        DataflowError: There is nothing to compare yet, or no more.
    """
    breaking = [change for change in campaign.changes if not change.safe]
    found = [each for change in breaking for each in _agreements(spark, campaign, change, events)]
    if not found:
        raise DataflowError(
            "there is nothing to compare: old and new never stood side by side",
            "`dataflow migration apply` puts the new beside the old first",
        )
    return found


def _agreements(
    spark: SparkSession, campaign: Campaign, change: Change, events: Sequence[Event]
) -> Iterator[Agreement]:
    if change.kind == "replace":
        yield _tables_agree(spark, campaign.table, change.to)
        return
    name = new_name(change)
    if not name:
        return
    where = _both_in(spark, campaign, change.column, name, events)
    if where is None:
        return
    old, new = column_name(change.column), column_name(name)
    pair = Pair(change.column, change.type, name, change.to if change.kind == "type" else change.type)
    differ = f"NOT {pair.agree} OR ({old} IS NOT NULL AND {new} IS NULL)"  # the new type may not hold a value
    (row,) = spark.sql(f"SELECT count(*) AS n, count_if({differ}) AS d FROM {quoted(campaign.table)}{where}").collect()
    yield Agreement(f"{change.column} and {name}{' before the contract' if where else ''}", row.n, row.d)


def _both_in(spark: SparkSession, campaign: Campaign, old: str, new: str, events: Sequence[Event]) -> str | None:
    """Return where both columns are: an empty text for now, a time travel for before the contract, or None."""
    if {old.lower(), new.lower()} <= _columns(spark, campaign.table):
        return ""
    drops = {step.name for step in campaign.steps if step.drops == old}
    for event in reversed(events):
        if event.kind == "applied" and event.subject in drops and event.detail and event.detail.get("snapshot"):
            where = f" VERSION AS OF {event.detail['snapshot']}"
            with contextlib.suppress(Exception):  # that snapshot may have expired, or be older than the new column
                then = spark.sql(f"SELECT * FROM {quoted(campaign.table)}{where} LIMIT 0").columns
                return where if {old.lower(), new.lower()} <= {column.lower() for column in then} else None
    return None


def _tables_agree(spark: SparkSession, table: str, new: str) -> Agreement:
    old = next((name for name in (kept_name(table), table) if spark.catalog.tableExists(name)), None)
    if old is None:
        raise DataflowError(f"{table} is gone, with its history: there is nothing left to compare {new} with")
    shared = [name for name in spark.table(old).columns if name.lower() in _columns(spark, new)]
    listed = ", ".join(map(column_name, shared))
    (row,) = spark.sql(
        f"SELECT (SELECT count(*) FROM {quoted(old)}) AS n, count(*) AS d FROM "
        f"(SELECT {listed} FROM {quoted(old)} EXCEPT ALL SELECT {listed} FROM {quoted(new)})"
    ).collect()
    return Agreement(f"the rows of {old} in {new}, by {', '.join(shared)}", row.n, row.d)


def undo(
    spark: SparkSession, campaign: Campaign, events: Sequence[Event], campaigns: Campaigns, who: str, say: Say
) -> None:
    """Take back what a campaign did beside the old, newest first."""
    by_name = {step.name: step for step in campaign.steps}
    for name in reversed(begun(events)):
        step = by_name[name]
        if not step.undo:
            continue
        if (gone := _gone(spark, campaign, step)) is not None:
            say(gone)
        else:
            _run(spark, campaign, step, step.undo)
            campaigns.note(campaign.id, "undone", name, who)
            say(f"took back {name}: {step.says}")


def _gone(spark: SparkSession, campaign: Campaign, step: Step) -> str | None:
    """Say why a step is not taken back: what it stood beside is gone, and what it made alone is left."""
    if step.keeps:
        if any(map(spark.catalog.tableExists, (step.keeps, campaign.table))):
            return None
        return f"{campaign.table} stays as it is: {step.keeps} is gone already"
    columns = _columns(spark, campaign.table)
    if step.drops and step.drops.lower() not in columns:
        return f"{step.drops} stays away: it is gone already"
    olds = (change.column for change in campaign.changes if step.adds and new_name(change) == step.adds)
    old = next((old for old in olds if old.lower() not in columns), None)
    return None if old is None else f"{step.adds} stays: {old} is gone already, and what it held is nowhere else"


def for_good(campaign: Campaign, done: Sequence[str]) -> list[str]:
    """Say which of the steps that were carried out can't be taken back."""
    return [
        f"can't be taken back: {step.says}"
        for step in campaign.steps
        if step.name in done and (step.irreversible or " TYPE " in step.sql or "DROP NOT NULL" in step.sql)
    ]


def _require_possible(spark: SparkSession, campaign: Campaign, step: Step) -> None:
    """Refuse what could not be gone through with, before anything is begun."""
    if step.keeps and not step.drops and all(map(spark.catalog.tableExists, (campaign.table, step.keeps))):
        raise DataflowError(
            f"there is a table {step.keeps}, the name under which the rows of {campaign.table} are to be kept",
            "give that one another name first",
            permanent=True,
        )
    if step.phase == "expand" and campaign.old_columns:
        _require_loose(spark, campaign)
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


def _require_loose(spark: SparkSession, campaign: Campaign) -> None:
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
                    f"first: ALTER TABLE {campaign.table} {fix}",
                    permanent=True,
                )


def _require_agreement(spark: SparkSession, campaign: Campaign, step: Step, *, forced: bool) -> None:
    """Refuse to let go of the old where the new does not hold the same; what is merely empty is filled."""
    try:
        if step.drops and step.drops not in {campaign.table, step.keeps}:
            mine = [pair for pair in pairs(spark, campaign.table) if pair.old == step.drops]
            even_out(spark, quoted(campaign.table), "true", mine, ())
            changes = [change for change in campaign.changes if change.column == step.drops]
        else:
            changes = [change for change in campaign.changes if step.keeps and not step.drops]
        for each in (found for change in changes for found in _agreements(spark, campaign, change, ())):
            if each.different:
                raise DataflowError(f"{each.different:,} of {each.rows:,} rows, comparing {each.says}")
    except DataflowError as error:
        if not forced:
            raise DataflowError(
                f"old and new differ: {error.message}",
                "let the new hold what the old does and try again, or --force --reason WHY, which is kept",
                permanent=True,
            ) from error


def _run(spark: SparkSession, campaign: Campaign, step: Step, statements: str) -> None:
    for statement in (text.strip() for _, text in split(spark, statements)):
        if not _was_done(spark, campaign.table, step, statement):
            try:
                spark.sql(statement)
            except Exception as error:
                raise DataflowError(f"'{step.says}' failed: {message_of(error)}") from error


def _is_done(spark: SparkSession, table: str, step: Step) -> bool:
    """Say whether the table shows a step done; whether a filling is, only the filling finds out."""
    if step.keeps and not step.drops:
        return _is_view(spark, table)
    if step.drops and step.drops in {table, step.keeps}:
        return not any(map(spark.catalog.tableExists, (step.drops, table)))
    if step.adds:
        return step.adds.lower() in _columns(spark, table)
    return bool(step.drops) and step.drops.lower() not in _columns(spark, table)


def _was_done(spark: SparkSession, table: str, step: Step, statement: str) -> bool:
    """Say whether a statement was carried out already, for those that Spark would fail on then."""
    if step.adds and not statement.startswith(f"ALTER TABLE {quoted(table)} DROP COLUMN"):
        return step.adds.lower() in _columns(spark, table)
    if statement.startswith(("CREATE VIEW", "ALTER VIEW")):
        return _is_view(spark, table)
    if renamed := _RENAMED.fullmatch(statement):
        return not spark.catalog.tableExists(renamed[1]) and spark.catalog.tableExists(renamed[2])
    return False


def _is_view(spark: SparkSession, name: str) -> bool:
    namespace, _, last = name.rpartition(".")
    views = spark.sql(f"SHOW VIEWS IN {quoted(namespace)}").collect()
    return any(view.viewName.lower() == last.lower() for view in views)


def _columns(spark: SparkSession, table: str) -> set[str]:
    return set(field_paths(spark.table(table).schema))


def _snapshot(spark: SparkSession, table: str) -> int | None:
    return head(load(spark, table)) if spark.catalog.tableExists(table) else None
