"""Lineage as the pages show it: all tables of an environment with their edges, and the columns of one table.

An edge says who reports it (a run, a deployed bundle, an OpenLineage event) and when that was seen last.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.lineage.graph import has_unknown_columns, is_reference_only
from dataflow.lineage.model import Origin, Producer
from dataflow.lineage.show.graph_layout import Layout, arrange
from dataflow.lineage.show.labels import ORIGINS, EdgeKind, edge_kind
from dataflow.lineage.show.picture import Drawing, JoinedEdges
from dataflow.lineage.store.reader import LineageStore

if TYPE_CHECKING:
    from dataflow.lineage.graph import ColumnEdge
    from dataflow.ui.source import Source

_LETTER, _NARROWEST, _WIDEST, _HEIGHT = 7.4, 90.0, 320.0, 26.0
_BETWEEN, _APART = 110.0, 6.0
_SECONDS = 5.0
"""How long a connection, and what it has indexed of all lineage, is used by who looks again."""

_STRAIGHT = 10.0
"""How far beside a straight line a bend may lie that is left out."""


@dataclass(frozen=True)
class Evidence:
    """What says that there is an edge.

    Attributes:
        origin: What kind of source says so.
        workflow: The workflow that reads the one and writes the other.
        seen: When that was observed last.
        owner: The owner of the workflow.
        environment: Where it ran or is deployed.
        bundle: The bundle of a deployed workflow.
        run_id: The latest recorded run.
    """

    origin: Origin
    workflow: str
    seen: dt.datetime
    owner: str | None = None
    environment: str | None = None
    bundle: str | None = None
    run_id: str | None = None

    @property
    def says(self) -> str:
        """What kind of source says so, in words."""
        return ORIGINS[self.origin]


@dataclass(frozen=True)
class TableEdge:
    """A table that feeds another.

    Attributes:
        source: The table that is read.
        target: The table that is written.
        evidence: What says so, the latest first.
    """

    source: str
    target: str
    evidence: tuple[Evidence, ...]

    @property
    def seen(self) -> dt.datetime:
        """When it was observed last."""
        return self.evidence[0].seen

    @property
    def origin(self) -> Origin:
        """The most trusted origin of what says so."""
        return min((it.origin for it in self.evidence), key=list(ORIGINS).index)


@dataclass(frozen=True)
class ColumnStep:
    """A column that feeds another, or decides which rows a table has.

    Attributes:
        source: The table that is read.
        source_column: Its column; empty where it is unknown which columns are read.
        target: The table that is written.
        target_column: Its column; empty where the source decides which rows are written, or nobody knows.
        kind: What the source does.
        evidence: What says so, the latest first.
    """

    source: str
    source_column: str
    target: str
    target_column: str
    kind: EdgeKind
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class LineageMap:
    """The tables of an environment, and which feeds which.

    Attributes:
        tables: All tables with lineage, in the order of the alphabet.
        edges: Which feeds which.
    """

    tables: tuple[str, ...] = ()
    edges: tuple[TableEdge, ...] = ()

    @functools.cached_property
    def sources(self) -> Mapping[str, tuple[TableEdge, ...]]:
        """The edges into each table."""
        return _grouped(self.edges, lambda edge: edge.target)

    @functools.cached_property
    def readers(self) -> Mapping[str, tuple[TableEdge, ...]]:
        """The edges from each table."""
        return _grouped(self.edges, lambda edge: edge.source)

    @functools.cached_property
    def writers(self) -> Mapping[str, tuple[str, ...]]:
        """The workflows that write each table."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for edge in self.edges:
            for it in edge.evidence:
                found[edge.target][it.workflow] = None
        return {table: tuple(sorted(names)) for table, names in found.items()}


@dataclass(frozen=True)
class ColumnLineage:
    """The columns that one table takes and gives.

    Attributes:
        upstream: The edges into its columns.
        downstream: The edges from its columns.
    """

    upstream: tuple[ColumnStep, ...] = ()
    downstream: tuple[ColumnStep, ...] = ()


@dataclass(frozen=True)
class ColumnMap:
    """The columns of all tables, and which feeds which.

    Attributes:
        columns: All columns with lineage, each with its table; an empty one stands for the table and its rows.
        edges: Places in `columns` of source and target, and what the source does there.
    """

    columns: tuple[tuple[str, str], ...] = ()
    edges: tuple[tuple[int, int, EdgeKind], ...] = ()


@dataclass(frozen=True)
class Box:
    """Where a table stands in the picture.

    Attributes:
        table: The table.
        left: Its left side.
        top: Its upper side.
        width: How wide it is.
        height: How high it is.
        degree: How many edges it has.
    """

    table: str
    left: float
    top: float
    width: float
    height: float
    degree: int


@dataclass(frozen=True)
class Route:
    """How an edge runs through the picture.

    Attributes:
        edge: The edge.
        points: Where it goes through, from its source to its target.
    """

    edge: TableEdge
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Picture:
    """The picture of all tables.

    Attributes:
        boxes: The tables.
        routes: The edges.
        width: How wide it is.
        height: How high it is.
    """

    boxes: tuple[Box, ...] = ()
    routes: tuple[Route, ...] = ()
    width: float = 0.0
    height: float = 0.0


def store_of(source: Source) -> LineageStore:
    """Return the lineage at the state address of what is looked at.

    Raises:
        DataflowError: It can't be reached, or is of an earlier version.
    """
    _ = source.database  # says what is wrong with the address, in one way for all pages
    return source.kept("lineage store", _SECONDS, lambda: LineageStore(source.environment.state))


def lineage_map(store: LineageStore, environment: str | None) -> LineageMap:
    """Return the lineage of all tables.

    Args:
        store: Recorded, deployed and imported lineage.
        environment: Only what runs or is deployed there, and events, which know no environment; all when None.
    """
    edges, written = defaultdict[tuple[str, str], list[Producer]](list), set[str]()
    for producer, read in store.writers(store.tables()):
        if _is_of(producer, environment):
            written.add(producer.target)
        for source in dict.fromkeys(read):
            edges[source, producer.target].append(producer)
    return _map(edges, environment, written)


def neighbours(store: LineageStore, table: str, environment: str | None) -> LineageMap:
    """Return the tables that feed one, and those that it feeds, without the lineage of all others.

    Args:
        store: Recorded, deployed and imported lineage.
        table: The table, without its catalog.
        environment: As for `lineage_map`.
    """
    edges = defaultdict[tuple[str, str], list[Producer]](list)
    known = set[str]()
    for producer, read in store.writers({table}):
        known |= {table} if _is_of(producer, environment) else set()
        for source in dict.fromkeys(read):
            edges[source, table].append(producer)
    for _, producers in store.readers({table}):
        for producer in producers:
            edges[table, producer.target].append(producer)
    return _map(edges, environment, known)


def column_lineage(store: LineageStore, table: str, environment: str | None) -> ColumnLineage:
    """Return which columns feed those of a table, and which its columns feed.

    Args:
        store: Recorded, deployed and imported lineage.
        table: The table, without its catalog.
        environment: As for `lineage_map`.
    """
    into, out = (
        [
            (producer, list(taken))
            for producer, taken in store.flows({table}, downstream=downstream)
            if producer.target and _is_of(producer, environment)
        ]
        for downstream in (False, True)
    )
    upstream = _column_edges((producer, taken) for producer, taken in into if producer.target == table)
    downstream = _column_edges(
        (producer, [flow for flow in taken if flow[0] == table]) for producer, taken in out if producer.target != table
    )
    return ColumnLineage(tuple(upstream), tuple(downstream))


def column_map(store: LineageStore, environment: str | None) -> ColumnMap:
    """Return which columns of all tables feed which.

    Args:
        store: Recorded, deployed and imported lineage.
        environment: As for `lineage_map`.
    """
    steps = _column_edges(
        (producer, list(taken))
        for producer, taken in store.flows(store.tables(), downstream=False)
        if producer.target and _is_of(producer, environment)
    )
    places: dict[tuple[str, str], int] = {}
    edges = []
    for it in steps:
        pair = ((it.source, it.source_column), (it.target, it.target_column))
        source, target = (places.setdefault(node, len(places)) for node in pair)
        if source != target:
            edges.append((source, target, it.kind))
    return ColumnMap(tuple(places), tuple(edges))


def column_picture(found: ColumnLineage, table: str) -> str:
    """Return which columns a table takes and gives as an SVG picture, whose texts are escaped."""
    edges: JoinedEdges = {}
    for step in (*found.upstream, *found.downstream):
        key = ((step.source, step.source_column), (step.target, step.target_column), step.kind)
        edges[key] = [
            Producer(it.origin, it.workflow, step.target, it.owner, it.environment, it.bundle, it.run_id, seen=it.seen)
            for it in step.evidence
        ]
    return Drawing((table, ""), edges).svg()


def picture(found: LineageMap) -> Picture:
    """Place all tables from left to right along the flow of data."""
    sizes = {table: (_width(table), _HEIGHT) for table in found.tables if _degree(found, table)}
    pairs = tuple((edge.source, edge.target) for edge in found.edges)
    layout = _arranged(tuple(sizes.items()), pairs)
    boxes = (
        Box(table, *layout.boxes[table], *sizes[table], _degree(found, table)) for table in sizes
    )  # those without a neighbour stand in the list alone
    routes = (Route(edge, tuple(_points(layout, sizes, edge))) for edge in found.edges)
    return Picture(tuple(boxes), tuple(routes), layout.width, layout.height)


@functools.lru_cache(maxsize=8)
def _arranged(sizes: tuple[tuple[str, tuple[float, float]], ...], pairs: tuple[tuple[str, str], ...]) -> Layout:
    """Return a layout, kept for as long as the tables and edges are the same: it takes 0.4 s for 1,000 tables."""
    return arrange(dict(sizes), pairs, between=_BETWEEN, apart=_APART)


def _points(layout: Layout, sizes: Mapping[str, tuple[float, float]], edge: TableEdge) -> Iterator[tuple[float, float]]:
    left, top = layout.boxes[edge.source]
    wide, high = sizes[edge.source]
    start = (left + wide, top + high / 2)
    left, top = layout.boxes[edge.target]
    end = (left, top + sizes[edge.target][1] / 2)
    yield from _without_small_bends([start, *layout.routes.get((edge.source, edge.target), ()), end])


def _without_small_bends(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out the points near the straight line between those that stay, as Ramer, Douglas and Peucker do."""
    (x, y), (u, v) = points[0], points[-1]
    long = math.hypot(u - x, v - y) or 1.0
    beside = [abs((v - y) * (a - x) - (u - x) * (b - y)) / long for a, b in points[1:-1]]
    farthest = max(beside, default=0.0)
    if farthest <= _STRAIGHT:
        return [points[0], points[-1]]
    at = beside.index(farthest) + 1
    return [*_without_small_bends(points[: at + 1])[:-1], *_without_small_bends(points[at:])]


def _degree(found: LineageMap, table: str) -> int:
    return len(found.sources.get(table, ())) + len(found.readers.get(table, ()))


def _map(
    edges: Mapping[tuple[str, str], Iterable[Producer]], environment: str | None, more: Iterable[str]
) -> LineageMap:
    """Return the edges that there are in an environment, each once; a table that feeds itself has none for that."""
    found = []
    for (source, target), producers in sorted(edges.items()):
        here = [it for it in producers if _is_of(it, environment)]
        if source and target and source != target and here:
            found.append(TableEdge(source, target, _evidence(here)))
    tables = {*filter(None, more), *(name for edge in found for name in (edge.source, edge.target))}
    return LineageMap(tuple(sorted(tables)), tuple(found))


def _width(table: str) -> float:
    return min(_WIDEST, max(_NARROWEST, len(table) * _LETTER + 20))


def _is_of(producer: Producer, environment: str | None) -> bool:
    return environment is None or producer.origin is Origin.OPENLINEAGE or producer.environment == environment


def _evidence(producers: Iterable[Producer]) -> tuple[Evidence, ...]:
    found = dict.fromkeys(
        Evidence(it.origin, it.workflow, it.seen, it.owner, it.environment, it.bundle, it.run_id) for it in producers
    )
    return tuple(sorted(found, key=lambda it: (it.seen, it.workflow, it.origin), reverse=True))


def _column_edges(found: Iterable[tuple[Producer, Sequence[ColumnEdge]]]) -> Iterator[ColumnStep]:
    edges = defaultdict[tuple[str, str, str, str, EdgeKind], list[Producer]](list)
    for producer, taken in found:
        told = {flow[0] for flow in taken if flow[1]}
        for flow in taken:
            if is_reference_only(flow) or (not flow[1] and flow[0] in told):
                continue
            source, column, into, indirect = flow
            unknown = has_unknown_columns(flow) or not column
            kind = edge_kind((producer.target, into), indirect=indirect, of_columns=True)
            kind = EdgeKind.MAY_READ if unknown else kind
            edges[source, "" if unknown else column, producer.target, into, kind].append(producer)
    for key, producers in sorted(edges.items()):
        yield ColumnStep(*key, _evidence(producers))


def _grouped(edges: Iterable[TableEdge], key: Callable[[TableEdge], str]) -> dict[str, tuple[TableEdge, ...]]:
    found: dict[str, list[TableEdge]] = defaultdict(list)
    for edge in edges:
        found[key(edge)].append(edge)
    return {table: tuple(each) for table, each in found.items()}
