"""What a write took from where: the one word that recorded, static and imported lineage share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from dataflow.workflow import table_names

UNKNOWN = "*"
"""Stands for a table's columns where nobody can tell which of them are read."""

_NEVER = dt.datetime.fromtimestamp(0, dt.UTC)


@dataclass(frozen=True, order=True)
class Flow:
    """What a write took from where.

    A flow that has a source's column, yet none that it went into, and that did not decide, is a naming: the column
    stands in what is run, and no row or value depends on it (`SELECT id FROM (SELECT id, hours FROM plays)`). Nothing
    flows there, but what names a column fails once the column is gone.

    A flow of the column `UNKNOWN` stands beside what else is known of a table: any other of its columns may be read.

    Attributes:
        source: The table read, without its catalog.
        source_column: Its column; empty for the table as a whole, which stands once for each table read.
        target_column: The column that it went into; empty where it only decided which rows there are.
        indirect: Whether it decided (a filter, a join, the order of a window) rather than became the value.
    """

    source: str
    source_column: str = ""
    target_column: str = ""
    indirect: bool = False

    @property
    def is_naming(self) -> bool:
        """Whether the column is only named."""
        return bool(self.source_column) and not (self.target_column or self.indirect or self.is_unknown)

    @property
    def is_unknown(self) -> bool:
        """Whether nobody can tell which columns of the source are read."""
        return self.source_column == UNKNOWN


@dataclass(frozen=True)
class Written:
    """One table written, and what went into it.

    Attributes:
        target: The table written, without its catalog.
        flows: Where its columns come from.
        given: The columns that the write gave values to, constants among them, where that is known.
        needed: The columns that audits of the table and its key name.
    """

    target: str
    flows: frozenset[Flow]
    given: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()

    @property
    def constants(self) -> frozenset[str]:
        """The columns that were given values of no table, such as a literal or a count."""
        return self.given - {flow.target_column for flow in self.flows}

    def __or__(self, other: Written) -> Written:
        """Join two writes of one table."""
        parts = (self.flows | other.flows, self.given | other.given, self.needed | other.needed)
        return Written(self.target, *parts)


Name = tuple[str, str]
"""A table, and a column of it that something names."""


def with_names(writes: Iterable[Written], names: Iterable[Name]) -> list[Written]:
    """Add the columns that are named around some writes to those writes, where they are not known to do more.

    What is named of a table that is written, such as in its DDL or its audits, says nothing of the other tables.

    Args:
        writes: What a workflow writes, each table once.
        names: What it names anywhere.
    """
    found, named = list(writes), set(names)
    targets = {write.target for write in found}
    return [
        _naming(write, {name for name in named if name[0] not in targets or name[0] == write.target}) for write in found
    ]


def _naming(write: Written, names: Iterable[Name]) -> Written:
    known = {(flow.source, flow.source_column.lower()) for flow in write.flows if not flow.is_naming}
    known |= {(write.target, column.lower()) for column in write.given}
    flows = {flow for flow in write.flows if not flow.is_naming}
    only = {Flow(*name) for name in names} | (write.flows - flows)
    once = {(flow.source, flow.source_column.lower()): flow for flow in sorted(only)}
    return replace(write, flows=frozenset(flows | {flow for name, flow in once.items() if name not in known}))


class Origin(StrEnum):
    """Who says that a workflow reads something."""

    RECORDED = "recorded"
    DEPLOYED = "deployed"
    CHECKOUT = "checkout"
    OPENLINEAGE = "openlineage"


@dataclass(frozen=True)
class Producer:
    """Who writes a table, and who says so.

    Attributes:
        origin: Who says so.
        workflow: The workflow's id.
        target: The table, without its catalog.
        owner: Whose workflow it is.
        environment: Where it ran.
        bundle: The bundle that it came from, once workflows are deployed.
        run_id: The run that was recorded last.
        file: The definition, as its origin names it.
        seen: When this was last seen to hold.
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
    """Return a table's name as lineage knows it: without quotes, and without its catalog's name in front."""
    return table_names.joined(table_names.without_catalog(name, catalog))
