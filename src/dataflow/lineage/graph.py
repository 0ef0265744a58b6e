"""Lineage as a graph: tables and columns, who takes which from where, and who says so.

Nodes and edges are plain tuples: a catalog of ten thousand tables has some hundred thousand of them, and a command
that looks ten steps far should answer at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dataflow.lineage.model import UNKNOWN_COLUMNS, Producer

Node = tuple[str, str]
"""A table without its catalog, and a column of it; an empty one means the table, or which rows it has."""

Edge = tuple[Node, Node, bool, Producer]
"""What is read, what is written, whether it only decides about it (a filter, a join), and by whom."""

ColumnEdge = tuple[str, str, str, bool]
"""A source, its column, the column that it goes into, and whether it only decides; as in `workflow.flow.Flow`."""


def is_reference_only(taken: ColumnEdge) -> bool:
    """Say whether a column is only named: nothing flows, but what names it fails without it."""
    return bool(taken[1]) and not (taken[2] or taken[3] or has_unknown_columns(taken))


def has_unknown_columns(taken: ColumnEdge) -> bool:
    """Say whether nobody can tell which columns of the source are read."""
    return taken[1] == UNKNOWN_COLUMNS


def qualified_name(node: Node) -> str:
    """Return a node as people write it: `database.table.column`."""
    return f"{node[0]}.{node[1]}" if node[1] else node[0]


class LineageSource(Protocol):
    """Somewhere that lineage is known from."""

    def readers(self, tables: Collection[str]) -> Iterable[tuple[str, Sequence[Producer]]]:
        """Return for each of these tables who reads it."""

    def writers(self, tables: Collection[str]) -> Iterable[tuple[Producer, Sequence[str]]]:
        """Return who writes these tables, each with the tables that it reads for one of them."""

    def flows(self, tables: Collection[str], *, downstream: bool) -> Iterable[tuple[Producer, Iterable[ColumnEdge]]]:
        """Return what is taken from these tables, or goes into them, column by column, and by whom."""


@dataclass
class Traversal:
    """What can be reached from a node.

    Attributes:
        start: From where.
        downstream: Whether with the data, to those who read; else against it.
        edges: By the node that they lead away from, on the way from the start.
        levels: How many steps away each node is.
    """

    start: Node
    downstream: bool
    edges: dict[Node, list[Edge]] = field(default_factory=dict)
    levels: dict[Node, int] = field(default_factory=dict)

    def beyond(self, edge: Edge) -> Node:
        """Return the node that an edge leads to."""
        return edge[1] if self.downstream else edge[0]

    def all_edges(self) -> Iterator[Edge]:
        """Yield all edges, the nearest first."""
        for edges in self.edges.values():
            yield from edges


def traverse(
    sources: Sequence[LineageSource], start: Node, *, downstream: bool, depth: int, through_rows: bool = False
) -> Traversal:
    """Follow lineage from a table or a column, level by level; a node that was met before is not entered again.

    Args:
        sources: Where lineage is known from.
        start: Where to begin.
        downstream: Whether to follow the data to its readers; else to where it came from.
        depth: How many steps.
        through_rows: Whether to go on from what a column only decides about.
    """
    found = Traversal(start, downstream, levels={start: 0})
    columns = bool(start[1])
    frontier = {start}
    for level in range(1, depth + 1):
        following: set[Node] = set()
        edges = _column_edges if columns else _table_edges
        for at, leading in edges(sources, frontier, downstream=downstream):
            found.edges.setdefault(at, []).extend(leading)
            for edge in leading:
                beyond = edge[1] if downstream else edge[0]
                if beyond not in found.levels:
                    found.levels[beyond] = level
                    if through_rows or not columns or edge[1][1]:
                        following.add(beyond)
        frontier = following
        if not frontier:
            break
    return found


def _table_edges(
    sources: Sequence[LineageSource], frontier: set[Node], *, downstream: bool
) -> Iterator[tuple[Node, list[Edge]]]:
    tables = {table for table, _ in frontier}
    for source in sources:
        if downstream:
            for table, producers in source.readers(tables):
                begin = (table, "")
                yield begin, [(begin, (producer.target, ""), False, producer) for producer in producers]
        else:
            for producer, read in source.writers(tables):
                into = (producer.target, "")
                yield into, [((table, ""), into, False, producer) for table in read]


def _column_edges(
    sources: Sequence[LineageSource], frontier: set[Node], *, downstream: bool
) -> Iterator[tuple[Node, list[Edge]]]:
    wanted: dict[str, dict[str, Node]] = {}
    for node in frontier:
        wanted.setdefault(node[0], {})[node[1].lower()] = node
    for source in sources:
        for producer, taken in source.flows(wanted.keys(), downstream=downstream):
            for flow in taken:
                for at in _matching_nodes(flow, producer, wanted, downstream=downstream):
                    begin = (flow[0], flow[1])
                    if has_unknown_columns(flow):  # any column may be meant, the one that is asked for among them
                        begin = at if downstream else (flow[0], "")
                    yield at, [(begin, (producer.target, flow[2]), flow[3], producer)]


def _matching_nodes(
    flow: ColumnEdge, producer: Producer, wanted: dict[str, dict[str, Node]], *, downstream: bool
) -> Iterable[Node]:
    """Return the wanted nodes that a flow leads away from; of a naming there are none."""
    source, source_column, target_column, _ = flow
    if is_reference_only(flow):
        return ()
    if downstream:
        if has_unknown_columns(flow):
            return wanted.get(source, {}).values()
        at = wanted.get(source, {}).get(source_column.lower())
        return () if at is None else (at,)
    if not source_column:
        return ()
    here = wanted.get(producer.target, {})
    if target_column:
        at = here.get(target_column.lower())
        return () if at is None else (at,)
    return here.values()  # what decides about rows decides about each of their columns
