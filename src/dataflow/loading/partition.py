"""By what a loaded table is partitioned: a column's values, or the days of its moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.errors import UsageError, did_you_mean
from dataflow.loading.scan import Column
from dataflow.workflow.table_names import quote, typed

DAY = "day"
IDENTITY = "identity"
_TIMES = {"date", "timestamp", "timestamp_ntz"}
_PARTS = {*_TIMES, "string", "boolean", "tinyint", "smallint", "int", "bigint"}


@dataclass(frozen=True)
class Partition:
    """How a table is partitioned.

    Attributes:
        column: The column.
        by_day: Whether by the days of its moments, rather than by its values.
    """

    column: str
    by_day: bool

    def __str__(self) -> str:
        return part_text(self.column, DAY if self.by_day else IDENTITY)


def part_text(column: str, transform: str) -> str:
    """Return a part of a partitioning as a DDL has it; one that no load makes is named by Iceberg's transform."""
    if transform == IDENTITY:
        return typed_column(column)
    return f"days({typed_column(column)})" if transform == DAY else f"{transform}({typed_column(column)})"


def typed_column(name: str) -> str:
    """Return a column's name as one types it into SQL."""
    return typed(quote(name))


def partition_of(asked: str | None, columns: Sequence[Column]) -> Partition | None:
    """Return the partitioning that is asked for: a column, or `day` for the one column that has dates or moments.

    Raises:
        UsageError: There is no such column, or no table is partitioned by its values.
    """
    if asked is None:
        return None
    column = next((it for it in columns if it.name.lower() == asked.lower()), None)
    if column is None and asked.lower() == DAY:
        column = _only_day(columns)
    if column is None:
        nearest = did_you_mean(asked, [DAY, *(it.name for it in columns)])
        raise UsageError(f"--partition {asked}: there is no column '{asked}'{nearest}")
    if column.type.name not in _PARTS:
        raise UsageError(
            f"--partition {asked}: its values are {column.type}, by which no table is partitioned",
            "partition by a day, or by a column with few values",
        )
    return Partition(column.name, column.type.name.startswith("timestamp"))


def _only_day(columns: Sequence[Column]) -> Column:
    days = [it for it in columns if it.type.name in _TIMES]
    if len(days) == 1:
        return days[0]
    names = ", ".join(f"'{it.name}'" for it in days)
    raise UsageError(
        f"--partition {DAY}: {f'the columns {names} have days' if days else 'no column has days'}",
        f"name the one that counts: --partition {days[0].name}" if days else "write days as 2026-01-31",
    )
