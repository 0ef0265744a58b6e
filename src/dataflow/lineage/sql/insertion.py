"""The columns of an INSERT, for checks."""

from __future__ import annotations

from dataclasses import dataclass

from dataflow.lineage.sql.relations import QueryColumn
from dataflow.lineage.sql.statements import Statement


@dataclass(frozen=True)
class Insertion:
    """The columns of an INSERT.

    Attributes:
        table: The table.
        statement: The statement.
        columns: The columns of its query, in order.
        partition_values: The columns with a value in its PARTITION clause.
        by_name: Whether columns are matched by name.
        listed_columns: The table's columns that the statement lists; empty where it lists none.
        is_known: Whether all columns of the query are known.
        target: The columns of the table at that point; None where they are unknown.
    """

    table: str
    statement: Statement
    columns: tuple[QueryColumn, ...]
    partition_values: tuple[str, ...]
    by_name: bool
    listed_columns: tuple[str, ...]
    is_known: bool
    target: tuple[str, ...] | None
