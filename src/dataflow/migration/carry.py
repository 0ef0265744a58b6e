"""Carrying a campaign out on the table: the next step, the check that old and new agree, and the way back.

Each step is one statement, and Iceberg commits it whole or not at all. What a step does is looked up on the table
before it is done, so that a process that died before it could write its success down is followed by one that finds it
done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError
from dataflow.jobs.cause import message_of
from dataflow.migration.campaign import Campaign, applied
from dataflow.migration.progress import Standing
from dataflow.migration.state import Campaigns, Event
from dataflow.migration.steps import Step, new_name
from dataflow.tables.iceberg import head, load, quoted
from dataflow.tables.literals import column_name

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.migration.changes import Change

Say = Callable[[str], None]


def next_step(campaign: Campaign, events: Sequence[Event]) -> Step | None:
    """Return the step to carry out next; None when all are done. That readers move is no step of ours."""
    done = applied(events)
    return next((step for step in campaign.steps if step.sql and step.name not in done), None)


def require_contract(step: Step, found: Sequence[Standing], *, force: bool, reason: str | None) -> None:
    """Refuse to take the old away while anybody reads it.

    Raises:
        UsageError: Force was asked for without a reason.
        DataflowError: Somebody has not moved; names them.
    """
    left = [standing for standing in found if standing.is_open]
    if force and not (reason or "").strip():
        raise UsageError("--force needs a --reason, which is kept in the campaign")
    if left and not force:
        named = ", ".join(f"{s.reader.workflow} ({s.reader.owner or 'no owner'})" for s in left)
        raise DataflowError(
            f"{len(left)} of {len(found)} readers have not moved: {named}; '{step.says}' would break them",
            "wait for them, or --force --reason WHY, which is kept",
            permanent=True,
        )


def carry_out(
    spark: SparkSession, campaign: Campaign, step: Step, campaigns: Campaigns, who: str, reason: str | None = None
) -> bool:
    """Carry a step out, and note it; say whether anything was left to do.

    Raises:
        DataflowError: The table refuses.
    """
    detail = {"sql": step.sql, "snapshot": _snapshot(spark, campaign.table)}
    campaigns.note(campaign.id, "applying", step.name, who, reason, detail)
    todo = not _is_done(spark, campaign.table, step)
    if todo:
        with _plainly(step):
            spark.sql(step.sql)
    if reason is not None:
        campaigns.note(campaign.id, "forced", step.name, who, reason)
    campaigns.note(campaign.id, "applied", step.name, who, None, detail)
    if next_step(campaign, campaigns.events(campaign.id)) is None:
        campaigns.close(campaign.id, "done", who)
    return todo


def what_goes(spark: SparkSession, campaign: Campaign, step: Step) -> str:
    """Say what a contract step takes away for good, in figures."""
    table = quoted(campaign.table)
    if not spark.catalog.tableExists(campaign.table):
        return f"{campaign.table}, which is gone already"
    if not step.drops:
        (row,) = spark.sql(f"SELECT count(*) AS n FROM {table}").collect()
        return f"the table {campaign.table} with its {row.n:,} rows and its history"
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
    kept = f"CAST({old} AS {change.to})" if change.kind == "type" else old
    (row,) = spark.sql(
        f"SELECT count(*) AS n, count_if(NOT ({kept} <=> {new})) AS d FROM {quoted(campaign.table)}{where}"
    ).collect()
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


def _tables_agree(spark: SparkSession, old: str, new: str) -> Agreement:
    if not spark.catalog.tableExists(old):
        raise DataflowError(f"{old} is gone, with its history: there is nothing left to compare {new} with")
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
    """Take back the columns that a campaign added, newest first."""
    by_name = {step.name: step for step in campaign.steps}
    for name in reversed(applied(events)):
        step = by_name[name]
        if step.undo:
            if step.adds.lower() in _columns(spark, campaign.table):
                with _plainly(step):
                    spark.sql(step.undo)
            campaigns.note(campaign.id, "undone", name, who)
            say(f"took back {name}: {step.says}")


def for_good(campaign: Campaign, done: Sequence[str]) -> list[str]:
    """Say which of the steps that were carried out can't be taken back."""
    return [
        f"can't be taken back: {step.says}"
        for step in campaign.steps
        if step.name in done and (step.irreversible or " TYPE " in step.sql)
    ]


def _is_done(spark: SparkSession, table: str, step: Step) -> bool:
    if not spark.catalog.tableExists(table):
        return step.irreversible
    columns = _columns(spark, table)
    if step.adds:
        return step.adds.lower() in columns
    return bool(step.drops) and step.drops.lower() not in columns


def _columns(spark: SparkSession, table: str) -> set[str]:
    return {name.lower() for name in spark.table(table).columns}


def _snapshot(spark: SparkSession, table: str) -> int | None:
    return head(load(spark, table)) if spark.catalog.tableExists(table) else None


@contextlib.contextmanager
def _plainly(step: Step) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise DataflowError(f"'{step.says}' failed: {message_of(error)}") from error
