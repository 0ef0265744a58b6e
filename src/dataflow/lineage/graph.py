"""Lineage as a graph of tables and columns, and its traversal.

Nodes and edges are plain tuples: a catalog of ten thousand tables has some hundred thousand of them, and a command
that looks ten steps far should answer at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dataflow.lineage.model import UNKNOWN_COLUMNS, Producer

Node = tuple[str, str]
"""A table without its catalog, and a column of it; an empty column stands for the table and its rows."""

Edge = tuple[Node, Node, bool, Producer]
"""Source, target, whether the transformation is indirect, and who writes the target."""

ColumnEdge = tuple[str, str, str, bool]
"""Source table, source column, target column and whether it is indirect: `model.Flow` as a plain tuple."""


def is_reference_only(taken: ColumnEdge) -> bool:
    """Return whether a query names the column, and nothing written depends on it; see `model.Flow`."""
    return bool(taken[1]) and not (taken[2] or taken[3] or has_unknown_columns(taken))


def has_unknown_columns(taken: ColumnEdge) -> bool:
    """Return whether it is unknown which columns of the source are read."""
    return taken[1] == UNKNOWN_COLUMNS


def qualified_name(node: Node) -> str:
    """Return the dotted name of a node: `database.table.column`."""
    return f"{node[0]}.{node[1]}" if node[1] else node[0]


class LineageSource(Protocol):
    """Something that lineage can be read from: the store, or a checkout."""

    def readers(self, tables: Collection[str]) -> Iterable[tuple[str, Sequence[Producer]]]:
        """Return the readers of each of these tables."""

    def writers(self, tables: Collection[str]) -> Iterable[tuple[Producer, Sequence[str]]]:
        """Return the writers of these tables, each with the tables that the write reads."""

    def flows(self, tables: Collection[str], *, downstream: bool) -> Iterable[tuple[Producer, Iterable[ColumnEdge]]]:
        """Return the column edges that leave these tables, or that enter them, by producer."""


@dataclass
class Traversal:
    """The part of the graph that is reachable from a node.

    Attributes:
        start: The node.
        downstream: Whether edges are followed to readers; else to sources.
        edges: The edges found, by the end that is nearer to the start.
        levels: The number of steps to each node.
    """

    start: Node
    downstream: bool
    edges: dict[Node, list[Edge]] = field(default_factory=dict)
    levels: dict[Node, int] = field(default_factory=dict)

    def far_end(self, edge: Edge) -> Node:
        """Return the end of an edge that is further from the start."""
        return edge[1] if self.downstream else edge[0]

    def all_edges(self) -> Iterator[Edge]:
        """Yield all edges, nearest first."""
        for edges in self.edges.values():
            yield from edges


def traverse(
    sources: Sequence[LineageSource], start: Node, *, downstream: bool, depth: int, through_rows: bool = False
) -> Traversal:
    """Traverse lineage from a table or a column, breadth first; each node is expanded once.

    Args:
        sources: Where lineage is read from.
        start: The node to start at.
        downstream: Whether to go to readers; else to sources.
        depth: The most steps to go.
        through_rows: Whether to go on from tables whose rows a column influences; who reads a table with its columns
            unknown is left out then.
    """
    found = Traversal(start, downstream, levels={start: 0})
    columns = bool(start[1])
    frontier = {start}
    for level in range(1, depth + 1):
        following: set[Node] = set()
        found_here = _table_edges(sources, frontier, downstream=downstream)
        if columns:
            found_here = _column_edges(sources, frontier, downstream=downstream, unsure=not through_rows)
        for at, leading in found_here:
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
    sources: Sequence[LineageSource], frontier: set[Node], *, downstream: bool, unsure: bool
) -> Iterator[tuple[Node, list[Edge]]]:
    wanted: dict[str, dict[str, Node]] = {}
    for node in frontier:
        wanted.setdefault(node[0], {})[node[1].lower()] = node
    every = [
        (producer, list(taken))
        for source in sources
        for producer, taken in source.flows(wanted.keys(), downstream=downstream)
    ]
    for producer, taken in every:
        for flow in taken:
            for at in _matching_nodes(flow, producer, wanted, downstream=downstream):
                begin = (flow[0], flow[1])
                if has_unknown_columns(flow):  # any column may be read, the wanted one included
                    begin = at if downstream else (flow[0], "")
                yield at, [(begin, (producer.target, flow[2]), flow[3], producer)]
    if unsure:
        yield from _unsure_edges(every, wanted, downstream=downstream)


def _unsure_edges(
    every: Sequence[tuple[Producer, Sequence[ColumnEdge]]], wanted: dict[str, dict[str, Node]], *, downstream: bool
) -> Iterator[tuple[Node, list[Edge]]]:
    """Yield an edge for each wanted column and each workflow that reads the table, nobody knows how."""
    told = {(producer.workflow, flow[0]) for producer, taken in every for flow in taken if flow[1]}
    for producer, taken in every:
        for source in dict.fromkeys(flow[0] for flow in taken):
            if (producer.workflow, source) in told or source == producer.target:
                continue
            for at in wanted.get(source if downstream else producer.target, {}).values():
                yield at, [(at if downstream else (source, ""), (producer.target, ""), False, producer)]


def _matching_nodes(
    flow: ColumnEdge, producer: Producer, wanted: dict[str, dict[str, Node]], *, downstream: bool
) -> Iterable[Node]:
    """Return the wanted nodes at the near end of an edge; a reference-only one has none."""
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
    return here.values()  # what influences rows influences each of their columns
