"""Lays out a graph in layers along the flow of data, ordered so that few edges cross.

This is the Sugiyama method in its simple form: longest paths give the layers, long edges get a waypoint in each layer
that they pass, and alternating sweeps order each layer by the mean position of its neighbours.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

_SWEEPS = 12


@dataclass(frozen=True)
class _Waypoint:
    """A point where an edge passes a layer."""

    edge: tuple[Hashable, Hashable]
    layer: int


Item = Hashable
T = TypeVar("T", bound=Hashable)


@dataclass
class Layout:
    """The positions of boxes and edges.

    Attributes:
        boxes: The left and top position of each box.
        routes: The waypoints of each edge, in order.
        width: The total width.
        height: The total height.
        backward: Edges that close a cycle.
    """

    boxes: dict[Item, tuple[float, float]] = field(default_factory=dict)
    routes: dict[tuple[Item, Item], list[tuple[float, float]]] = field(default_factory=dict)
    width: float = 0.0
    height: float = 0.0
    backward: set[tuple[Item, Item]] = field(default_factory=set)


def arrange(
    sizes: Mapping[T, tuple[float, float]],
    edges: Iterable[tuple[T, T]],
    *,
    between: float = 110.0,
    apart: float = 22.0,
) -> Layout:
    """Place boxes from left to right.

    Args:
        sizes: Width and height of each box.
        edges: Which box feeds which.
        between: Space between layers.
        apart: Space between the boxes of a layer.
    """
    own: dict[Item, tuple[float, float]] = dict(sizes.items())
    return _arrange(own, list(dict.fromkeys((a, b) for a, b in edges if a != b)), between, apart)


def _arrange(
    sizes: Mapping[Item, tuple[float, float]], edges: Sequence[tuple[Item, Item]], between: float, apart: float
) -> Layout:
    found = Layout(backward=_back_edges(list(sizes), edges))
    forward = [(a, b) if (a, b) not in found.backward else (b, a) for a, b in edges]
    layer = _layers(list(sizes), forward)
    layers, links = _with_waypoints(layer, forward)
    _order_layers(layers, links)
    heights = {item: sizes[item][1] if item in sizes else 6.0 for each in layers for item in each}
    tops = _tops(layers, links, heights, apart)
    left = 0.0
    for each in layers:
        wide = max((sizes[item][0] for item in each if item in sizes), default=0.0)
        for item in each:
            if isinstance(item, _Waypoint):
                points = found.routes.setdefault(item.edge, [])
                points += [(left, tops[item] + 3), (left + wide, tops[item] + 3)]
            else:
                found.boxes[item] = (left, tops[item])
        left += wide + between
    found.width = max(0.0, left - between)
    found.height = max((tops[item] + heights[item] for each in layers for item in each), default=0.0)
    for edge in found.backward:
        points = found.routes.pop((edge[1], edge[0]), [])
        found.routes[edge] = points[::-1]
    return found


def _back_edges(nodes: Sequence[Item], edges: Sequence[tuple[Item, Item]]) -> set[tuple[Item, Item]]:
    """Return few edges without which there is no cycle: those that lead back in an order of the nodes.

    The order is that of Eades, Lin and Smyth (1993): what nothing feeds first, what feeds nothing last, and of the
    rest first what feeds most more than it is fed.
    """
    after: dict[Item, set[Item]] = {node: set() for node in nodes}
    before: dict[Item, set[Item]] = {node: set() for node in nodes}
    for a, b in edges:
        after[a].add(b)
        before[b].add(a)
    left = dict.fromkeys(nodes)
    first: list[Item] = []
    last: list[Item] = []
    while left:
        taken = next((node for node in left if not after[node]), None)
        if taken is not None:
            last.append(taken)
        else:
            taken = next((node for node in left if not before[node]), None)
            taken = taken if taken is not None else max(left, key=lambda node: len(after[node]) - len(before[node]))
            first.append(taken)
        del left[taken]
        for other in before[taken]:
            after[other].discard(taken)
        for other in after[taken]:
            before[other].discard(taken)
    place = {node: at for at, node in enumerate([*first, *reversed(last)])}
    return {(a, b) for a, b in edges if place[a] > place[b]}


def _layers(nodes: Sequence[Item], edges: Sequence[tuple[Item, Item]]) -> dict[Item, int]:
    """Put each box right of all that feed it; one that nothing feeds goes next to the first that it feeds."""
    before: dict[Item, list[Item]] = {}
    after: dict[Item, list[Item]] = {}
    for a, b in edges:
        before.setdefault(b, []).append(a)
        after.setdefault(a, []).append(b)
    waiting = {node: len(before.get(node, ())) for node in nodes}
    ready = [node for node in nodes if not waiting[node]]
    layer = dict.fromkeys(nodes, 0)
    for node in ready:  # it grows on the way
        for below in after.get(node, ()):
            layer[below] = max(layer[below], layer[node] + 1)
            waiting[below] -= 1
            if not waiting[below]:
                ready.append(below)
    for node in reversed(ready):
        if not before.get(node) and after.get(node):
            layer[node] = min(layer[below] for below in after[node]) - 1
    return layer


def _with_waypoints(
    layer: Mapping[Item, int], edges: Sequence[tuple[Item, Item]]
) -> tuple[list[list[Item]], list[tuple[Item, Item]]]:
    layers: list[list[Item]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for node, at in layer.items():
        layers[at].append(node)
    links: list[tuple[Item, Item]] = []
    for a, b in edges:
        last: Item = a
        for at in range(layer[a] + 1, layer[b]):
            place = _Waypoint((a, b), at)
            layers[at].append(place)
            links.append((last, place))
            last = place
        links.append((last, b))
    return layers, links


def _order_layers(layers: list[list[Item]], links: Sequence[tuple[Item, Item]]) -> None:
    before: dict[Item, list[Item]] = {}
    after: dict[Item, list[Item]] = {}
    for a, b in links:
        before.setdefault(b, []).append(a)
        after.setdefault(a, []).append(b)
    place = {item: at for each in layers for at, item in enumerate(each)}
    best, fewest = [list(each) for each in layers], _crossings(layers, after, place)
    for sweep in range(_SWEEPS):
        beside, walk = (before, layers) if sweep % 2 == 0 else (after, layers[::-1])
        for each in walk:
            each.sort(key=lambda item: _mean([place[other] for other in beside.get(item, ())], place[item]))
            place.update({item: at for at, item in enumerate(each)})
        crossings = _crossings(layers, after, place)
        if crossings < fewest:
            best, fewest = [list(each) for each in layers], crossings
    layers[:] = best


def _mean(places: Sequence[int], own: int) -> float:
    return sum(places) / len(places) if places else float(own)


def _crossings(
    layers: Sequence[Sequence[Item]], after: Mapping[Item, Sequence[Item]], place: Mapping[Item, int]
) -> int:
    """Count how often edges between neighbouring layers cross."""
    count = 0
    for each in layers:
        ends = [(place[item], place[below]) for item in each for below in after.get(item, ())]
        if len(ends) > 400:  # counting would take longer than the picture is worth
            continue
        count += sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(ends) for c, d in ends[:i])
    return count


def _tops(
    layers: Sequence[Sequence[Item]], links: Sequence[tuple[Item, Item]], heights: Mapping[Item, float], apart: float
) -> dict[Item, float]:
    """Stack each layer, then pull boxes to the middle of their neighbours as far as those beside them let them."""
    beside: dict[Item, list[Item]] = {}
    for a, b in links:
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    tops: dict[Item, float] = {}
    tallest = max((sum(heights[i] + apart for i in each) for each in layers), default=0.0)
    for each in layers:
        at = (tallest - sum(heights[item] + apart for item in each)) / 2
        for item in each:
            tops[item] = at
            at += heights[item] + apart
    for _ in range(8):
        for each in (*layers, *layers[::-1]):
            _align_layer(each, beside, heights, tops, apart)
    lowest = min(tops.values(), default=0.0)
    return {item: top - lowest for item, top in tops.items()}


def _align_layer(
    each: Sequence[Item],
    beside: Mapping[Item, Sequence[Item]],
    heights: Mapping[Item, float],
    tops: dict[Item, float],
    apart: float,
) -> None:
    """Move a layer's boxes towards their neighbours' middle, in order, without overlap (pooled like a regression)."""
    blocks: list[list[float]] = []  # sum of wished offsets, how many, height up to here
    sizes: list[list[Item]] = []
    for item in each:
        middles = [tops[other] + heights[other] / 2 for other in beside.get(item, ())]
        wish = sum(middles) / len(middles) - heights[item] / 2 if middles else tops[item]
        blocks.append([wish, 1.0, heights[item] + apart])
        sizes.append([item])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] + blocks[-2][2] > blocks[-1][0] / blocks[-1][1]:
            wished, count, high = blocks.pop()
            block = blocks[-1]
            block[0] += wished - count * block[2]
            block[1] += count
            block[2] += high
            last = sizes.pop()
            sizes[-1] += last
    for (wished, count, _), items in zip(blocks, sizes, strict=True):
        at = wished / count
        for item in items:
            tops[item] = at
            at += heights[item] + apart
