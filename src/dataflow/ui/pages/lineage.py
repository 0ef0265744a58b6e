"""Lineage of the whole environment: a picture to move about in, by table and by column, and the same as a list."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.foreign import for_terminal_line
from dataflow.lineage.show.labels import ORIGINS, EdgeKind
from dataflow.secret import masked
from dataflow.state.utc import now
from dataflow.ui.page import Asked, Page
from dataflow.ui.read.lineage import ColumnMap, LineageMap, Picture, column_map, lineage_map, picture, store_of
from dataflow.ui.source import Source

if TYPE_CHECKING:
    from dataflow.ui.read.lineage import TableEdge

_SECONDS = 5.0
"""How long lineage that was read is shown to who looks again."""

_MOST_ROWS = 5000
"""How many edges are listed."""

_MOST_COLUMN_EDGES = 40_000
"""How many edges of columns a page carries; beyond, columns are followed on the pages of tables alone."""

_KINDS = tuple(EdgeKind)


@dataclass(frozen=True)
class Row:
    """An edge in the list.

    Attributes:
        edge: The edge.
        source: The place of its source among the tables.
        target: That of its target.
    """

    edge: TableEdge
    source: int
    target: int


@dataclass(frozen=True)
class LineagePage:
    """What the page shows.

    Attributes:
        tables: All tables with lineage.
        rows: The edges, as a list.
        more_rows: How many more there are.
        data: What the picture is drawn of, for the page's script.
        chosen: The table that was asked for; empty for none.
        has_columns: Whether columns can be followed in the picture.
        alone: The tables that nothing feeds and that feed nothing.
    """

    tables: tuple[str, ...]
    rows: tuple[Row, ...]
    more_rows: int
    data: dict[str, Any]
    chosen: str
    has_columns: bool
    alone: tuple[str, ...]


def read(source: Source, asked: Asked) -> LineagePage:
    """Return what the page shows."""
    environment = source.environment.name
    store = store_of(source)
    found = source.kept(("lineage", environment), _SECONDS, lambda: lineage_map(store, environment))
    columns = source.kept(("columns", environment), _SECONDS, lambda: column_map(store, environment))
    if len(columns.edges) > _MOST_COLUMN_EDGES:
        columns = ColumnMap()
    places = {table: place for place, table in enumerate(found.tables)}
    rows = [Row(edge, places[edge.source], places[edge.target]) for edge in found.edges]
    rows.sort(key=lambda it: (it.edge.target, it.edge.source))
    return LineagePage(
        found.tables,
        tuple(rows[:_MOST_ROWS]),
        max(0, len(rows) - _MOST_ROWS),
        _data(found, picture(found), columns, places),
        asked.option("table"),
        bool(columns.edges),
        tuple(it for it in found.tables if it not in found.sources and it not in found.readers),
    )


def _data(found: LineageMap, drawn: Picture, columns: ColumnMap, places: dict[str, int]) -> dict[str, Any]:
    """Return what the picture is drawn of, as short as may be: names once, everything else by their places."""
    origins, moment = list(ORIGINS), now()
    of_table: dict[str, list[str]] = defaultdict(list)
    named: list[tuple[int, int]] = []
    for table, column in columns.columns:
        named.append((places.get(table, -1), len(of_table[table])))
        of_table[table].append(_shown(column))
    return {
        "tables": [_shown(table) for table in found.tables],
        "boxes": [
            [places[it.table], *map(round, (it.left, it.top, it.width, it.height)), it.degree] for it in drawn.boxes
        ],
        "edges": [
            [
                places[it.edge.source],
                places[it.edge.target],
                origins.index(it.edge.origin),
                [[round(x), round(y)] for x, y in it.points[1:-1]],
                max(0, (moment - it.edge.seen).days),
            ]
            for it in drawn.routes
        ],
        "origins": [it.value for it in origins],
        "kinds": [it.value for it in _KINDS],
        "columns": [of_table.get(table, []) for table in found.tables],
        "links": [
            [*named[source], *named[target], _KINDS.index(kind)]
            for source, target, kind in columns.edges
            if named[source][0] >= 0 and named[target][0] >= 0
        ],
    }


def _shown(name: str) -> str:
    return masked(for_terminal_line(name))


PAGE = Page("lineage", "/lineage", "Lineage", read, listed=True)
