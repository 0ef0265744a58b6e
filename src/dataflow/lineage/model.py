"""The lineage model that recorded, static and imported lineage share: flows into table writes, and their producers.

The words are those of OpenLineage: a source column either becomes the value of a target column (a DIRECT
transformation), or influences which rows or values there are (INDIRECT: a filter, a join, the order of a window).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from dataflow.workflow import table_names

UNKNOWN_COLUMNS = "*"
"""Stands for the columns of a table where it is unknown which of them are read."""

_NEVER = dt.datetime.fromtimestamp(0, dt.UTC)


@dataclass(frozen=True, order=True)
class Flow:
    """One dependency of a write on a table or a column.

    A direct flow from a source column to no target column is reference-only: the query names the column, and no row or
    value depends on it (`SELECT id FROM (SELECT id, hours FROM plays)`). No data flows, but the query fails once the
    column is gone.

    A flow of the column `UNKNOWN_COLUMNS` adds to the other flows of a table: any other column may be read as well.

    Attributes:
        source: The table read, without its catalog.
        source_column: The column read; empty for the table as a whole, which has one such flow.
        target_column: The column written; empty where the source influences which rows are written.
        indirect: Whether the transformation is INDIRECT (a filter, a join, the order of a window) rather than DIRECT.
    """

    source: str
    source_column: str = ""
    target_column: str = ""
    indirect: bool = False

    @property
    def is_reference_only(self) -> bool:
        """Whether the query names the column, and nothing written depends on it."""
        return bool(self.source_column) and not (self.target_column or self.indirect or self.has_unknown_columns)

    @property
    def has_unknown_columns(self) -> bool:
        """Whether it is unknown which columns of the source are read."""
        return self.source_column == UNKNOWN_COLUMNS


@dataclass(frozen=True)
class TableWrite:
    """A write of one table, and the flows into it.

    Attributes:
        target: The table written, without its catalog.
        flows: Where its columns and rows come from.
        assigned_columns: The columns that the write assigns values to, constants included, where that is known.
        required_columns: The columns that audits of the table and its primary key need.
    """

    target: str
    flows: frozenset[Flow]
    assigned_columns: frozenset[str] = frozenset()
    required_columns: frozenset[str] = frozenset()

    @property
    def constant_columns(self) -> frozenset[str]:
        """The assigned columns whose values come from no table, such as a literal or a count."""
        return self.assigned_columns - {flow.target_column for flow in self.flows}

    def __or__(self, other: TableWrite) -> TableWrite:
        """Merge two writes of one table."""
        parts = (
            self.flows | other.flows,
            self.assigned_columns | other.assigned_columns,
            self.required_columns | other.required_columns,
        )
        return TableWrite(self.target, *parts)


ColumnName = tuple[str, str]
"""A table and one of its columns."""


def with_references(writes: Iterable[TableWrite], names: Iterable[ColumnName]) -> list[TableWrite]:
    """Add columns that a workflow references as reference-only flows, unless a write already has a flow from them.

    A reference to a table that is written, such as in its DDL or its audits, is added to the write of that table alone.

    Args:
        writes: The writes of a workflow, one for each table.
        names: The columns that the workflow references anywhere.
    """
    found, named = list(writes), set(names)
    targets = {write.target for write in found}
    return [
        _with_references_of(write, {name for name in named if name[0] not in targets or name[0] == write.target})
        for write in found
    ]


def _with_references_of(write: TableWrite, names: Iterable[ColumnName]) -> TableWrite:
    known = {(flow.source, flow.source_column.lower()) for flow in write.flows if not flow.is_reference_only}
    known |= {(write.target, column.lower()) for column in write.assigned_columns}
    flows = {flow for flow in write.flows if not flow.is_reference_only}
    only = {Flow(*name) for name in names} | (write.flows - flows)
    once = {(flow.source, flow.source_column.lower()): flow for flow in sorted(only)}
    return replace(write, flows=frozenset(flows | {flow for name, flow in once.items() if name not in known}))


class Origin(StrEnum):
    """Where lineage is known from."""

    RECORDED = "recorded"
    DEPLOYED = "deployed"
    CHECKOUT = "checkout"
    OPENLINEAGE = "openlineage"


@dataclass(frozen=True)
class Producer:
    """A workflow that writes a table, and where that is known from.

    Attributes:
        origin: Where it is known from.
        workflow: The id of the workflow.
        target: The table, without its catalog.
        owner: The owner of the workflow.
        environment: The environment in which it ran or is deployed.
        bundle: The bundle of a deployed workflow.
        run_id: The latest recorded run.
        file: The definition, as its origin names it.
        seen: When this was last observed.
    """

    origin: Origin
    workflow: str
    target: str
    owner: str | None = None
    environment: str | None = None
    bundle: str | None = None
    run_id: str | None = None
    file: str | None = None
    seen: dt.datetime = _NEVER


def plain_name(name: str, catalog: str) -> str:
    """Return the name of a table without quotes and without its catalog."""
    return table_names.joined(table_names.without_catalog(name, catalog))
