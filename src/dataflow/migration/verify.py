"""Compares old and new columns or tables: for `migration verify`, and before the old is dropped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.changes import new_name
from dataflow.migration.steps import Step, kept_name
from dataflow.migration.store import CampaignEvent
from dataflow.spark.errors import short_message
from dataflow.tables.column_migration import ColumnPair, column_pairs, synchronize
from dataflow.tables.iceberg import column_names, column_types, exists, quoted
from dataflow.tables.quoting import column_name

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.migration.changes import TableChange


@dataclass(frozen=True)
class Comparison:
    """The result of comparing old and new.

    Attributes:
        says: What was compared.
        rows: The number of rows compared.
        different: The number of rows that differ.
    """

    says: str
    rows: int
    different: int


def verify(spark: SparkSession, campaign: Campaign, events: Sequence[CampaignEvent]) -> list[Comparison]:
    """Compare old and new where both exist: now, or in the last snapshot before the old was dropped.

    Raises:
        DataflowError: There is no state in which both exist.
    """
    breaking = [change for change in campaign.changes if not change.safe]
    found = [each for change in breaking for each in _comparisons(spark, campaign, change, events)]
    if not found:
        has_new = any(change.kind == "replace" or new_name(change) for change in breaking)
        raise DataflowError(
            "there is nothing to compare: old and new do not both exist",
            "`dataflow migration apply` adds the new first" if has_new else "this campaign only drops",
        )
    return found


def _comparisons(
    spark: SparkSession, campaign: Campaign, change: TableChange, events: Sequence[CampaignEvent]
) -> Iterator[Comparison]:
    if change.kind == "replace":
        yield _compare_tables(spark, campaign.table, change.to)
        return
    name = new_name(change)
    if not name:
        return
    where = _where_both_exist(spark, campaign, change.column, name, events)
    if where is None:
        return
    old, new = column_name(change.column), column_name(name)
    pair = ColumnPair(change.column, change.type, name, change.to if change.kind == "type" else change.type)
    differ = f"NOT {pair.agree} OR ({old} IS NULL) <> ({new} IS NULL)"  # the other type may not hold a value
    (row,) = spark.sql(f"SELECT count(*) AS n, count_if({differ}) AS d FROM {quoted(campaign.table)}{where}").collect()
    yield Comparison(f"{change.column} and {name}{' before the contract' if where else ''}", row.n, row.d)


def _where_both_exist(
    spark: SparkSession, campaign: Campaign, old: str, new: str, events: Sequence[CampaignEvent]
) -> str | None:
    """Return the time travel clause of a state with both columns: empty for now; None where there is none."""
    if {old.lower(), new.lower()} <= column_names(spark, campaign.table):
        return ""
    drops = {step.name for step in campaign.steps if step.drops == old}
    for event in reversed(events):
        if event.kind == "applied" and event.subject in drops and event.detail and event.detail.get("snapshot"):
            where = f" VERSION AS OF {event.detail['snapshot']}"
            with contextlib.suppress(Exception):  # that snapshot may have expired, or be older than the new column
                then = spark.sql(f"SELECT * FROM {quoted(campaign.table)}{where} LIMIT 0").columns
                return where if {old.lower(), new.lower()} <= {column.lower() for column in then} else None
    return None


def _compare_tables(spark: SparkSession, table: str, new: str) -> Comparison:
    old = next((name for name in (kept_name(table), table) if exists(spark, name)), None)
    if old is None:
        raise DataflowError(f"{table} was dropped with its history: there is nothing to compare {new} with")
    shared = [name for name in spark.table(quoted(old)).columns if name.lower() in column_names(spark, new)]
    if not shared:
        raise DataflowError(f"{old} and {new} have no column in common: there is nothing to compare")
    try:
        missing = missing_rows(spark, old, new, shared)
        (row,) = spark.sql(
            f"SELECT (SELECT count(*) FROM {quoted(old)}) AS n, count(*) AS d FROM ({missing})"
        ).collect()
    except Exception as error:
        raise DataflowError(f"{old} and {new} can't be compared: {short_message(error)}") from error
    return Comparison(f"the rows of {old} in {new}, by {', '.join(shared)}", row.n, row.d)


def missing_rows(spark: SparkSession, one: str, other: str, columns: Sequence[str]) -> str:
    """Return a query for the rows of a table that another one lacks, compared by some columns."""
    wanted, there = ({name.lower(): t for name, t in column_types(spark, it).items()} for it in (one, other))
    sides: list[list[str]] = [[], []]
    for name in columns:
        type_, column = wanted[name.lower()], column_name(name)
        values = (column, column if there[name.lower()] == type_ else f"try_cast({column} AS {type_})")
        for side, value in zip(sides, values, strict=True):  # maps, which Spark does not compare, by their text
            side.append(f"to_json(struct({value} AS x))" if "map<" in type_.lower() else value)
    mine, others = (", ".join(side) for side in sides)
    return f"SELECT {mine} FROM {quoted(one)} EXCEPT ALL SELECT {others} FROM {quoted(other)}"


def require_equal(spark: SparkSession, campaign: Campaign, step: Step, *, forced: bool) -> None:
    """Require that the new equals the old before the old is dropped; NULLs in the new are filled first."""
    try:
        if step.drops and step.drops not in {campaign.table, step.keeps}:
            changes = [change for change in campaign.changes if change.column == step.drops]
            for name in filter(None, map(new_name, changes)):
                if name.lower() not in column_names(spark, campaign.table):
                    raise DataflowError(f"column {name} does not exist; dropping {step.drops} would lose its values")
            mine = [pair for pair in column_pairs(spark, campaign.table) if pair.old == step.drops]
            synchronize(spark, quoted(campaign.table), "true", mine, ())
        elif step.drops and exists(spark, kept_name(campaign.table)):
            return  # it was compared when it was renamed, and has not been written since
        else:
            changes = [change for change in campaign.changes if change.kind == "replace"]
        for each in (found for change in changes for found in _comparisons(spark, campaign, change, ())):
            if each.different:
                raise DataflowError(f"{each.different:,} of {each.rows:,} rows, comparing {each.says}")
    except DataflowError as error:
        if not forced:
            raise DataflowError(
                f"old and new differ: {error.message}",
                "make both columns equal and retry, or use --force --reason WHY, which is recorded",
                permanent=True,
            ) from error
