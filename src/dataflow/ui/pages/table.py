"""One table: its columns, its days, its history, where it comes from, who reads it, and what defines it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from dataflow.errors import UsageError
from dataflow.lineage.model import plain_name
from dataflow.lineage.show.labels import EdgeKind
from dataflow.state.utc import now
from dataflow.ui.page import Asked, Page
from dataflow.ui.problem import Part, part
from dataflow.ui.read.campaigns import open_on
from dataflow.ui.read.catalog import open_catalog
from dataflow.ui.read.catalog_names import tables_of
from dataflow.ui.read.definitions import DeployedDefinition, definitions_of
from dataflow.ui.read.lineage import (
    ColumnLineage,
    LineageMap,
    column_lineage,
    column_picture,
    lineage_map,
    neighbours,
    store_of,
)
from dataflow.ui.read.table import TableDetail, table_detail
from dataflow.ui.source import Source

if TYPE_CHECKING:
    from dataflow.ui.read.lineage import TableEdge

_MOST_DRAWN = 60
"""How many edges of columns are drawn; more are listed alone."""


@dataclass(frozen=True)
class TablePage:
    """What the page of a table shows.

    Attributes:
        name: The table.
        detail: What the catalog has of it; nothing where it has no such table.
        around: Who feeds it and whom it feeds.
        columns: The same by column.
        drawn: A picture of that; None where there is too much of it, or nothing.
        definitions: What writes it, as it was deployed.
        campaigns: The open campaigns on it.
    """

    name: str
    detail: Part[TableDetail | None]
    around: Part[LineageMap]
    columns: Part[ColumnLineage]
    drawn: Markup | None
    definitions: Part[list[DeployedDefinition]]
    campaigns: Part[tuple[str, ...]]

    @property
    def sources(self) -> tuple[TableEdge, ...]:
        """The edges into it."""
        return () if self.around.value is None else self.around.value.sources.get(self.name, ())

    @property
    def readers(self) -> tuple[TableEdge, ...]:
        """The edges from it."""
        return () if self.around.value is None else self.around.value.readers.get(self.name, ())

    @property
    def plain_kind(self) -> EdgeKind:
        """What an edge does that needs no words."""
        return EdgeKind.VALUE


def read(source: Source, asked: Asked) -> TablePage:
    """Return what the page shows.

    Raises:
        UsageError: Neither the catalog nor lineage knows the table.
    """
    environment = source.environment
    name = plain_name(asked.subject["table"], environment.catalog_name)
    detail = part(lambda: table_detail(open_catalog(source), name, now().date()))
    around = part(lambda: neighbours(store_of(source), name, environment.name))
    columns = part(lambda: column_lineage(store_of(source), name, environment.name))
    if detail.problem is None and detail.value is None and around.value is not None and name not in around.value.tables:
        raise UsageError(f"neither the catalog nor lineage knows a table '{name}' in {environment.name}")
    edges = 0 if columns.value is None else len(columns.value.upstream) + len(columns.value.downstream)
    drawn = column_picture(columns.value, name) if columns.value is not None and 0 < edges <= _MOST_DRAWN else None
    return TablePage(
        name,
        detail,
        around,
        columns,
        None if drawn is None else Markup(drawn),  # noqa: S704 - made of shapes and of escaped texts
        part(lambda: definitions_of(source.registry, environment.name, name)),
        part(lambda: open_on(source.database, name, environment.name)),
    )


def exported(source: Source) -> Iterable[Mapping[str, str]]:
    """Yield the tables that get a page: those of the catalog, and those that lineage knows."""
    listed = part(lambda: tables_of(source)).value or []
    found = part(lambda: lineage_map(store_of(source), source.environment.name)).value
    for name in sorted({*listed, *(found.tables if found is not None else ())}):
        yield {"table": name}


PAGE = Page("table", "/tables/{table}", "Table", read, exported=exported)
