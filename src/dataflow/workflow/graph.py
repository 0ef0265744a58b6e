"""The order of steps: edges such as `ddl -> write`, what each step needs, and cycles named in full."""

from __future__ import annotations

import graphlib
import heapq
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ARROW = "->"


@dataclass(frozen=True)
class Edge:
    """One arrow.

    Attributes:
        before: The step that comes first.
        after: The step that needs it.
        item: Which line of `dag` says so.
    """

    before: str
    after: str
    item: int


def parse_edges(item: int, text: str) -> list[Edge]:
    """Read one line of `dag`: `a -> b`, or a chain `a -> b -> c`.

    Raises:
        ValueError: It is none.
    """
    names = [name.strip() for name in text.split(ARROW)]
    if len(names) < 2 or not all(names):
        raise ValueError(f"'{text}' is not an edge; write 'first {ARROW} second'")
    return [Edge(before, after, item) for before, after in itertools.pairwise(names)]


def needs_in_written_order(ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return what each step needs when no edges are given: the step before it."""
    return {after: frozenset({before} if before else ()) for before, after in zip(["", *ids], ids, strict=False)}


def needs_of(ids: Iterable[str], edges: Iterable[Edge]) -> dict[str, frozenset[str]]:
    """Return for each step the steps that must have finished first."""
    found: dict[str, set[str]] = {id_: set() for id_ in ids}
    for edge in edges:
        found[edge.after].add(edge.before)
    return {id_: frozenset(before) for id_, before in found.items()}


def cycles(edges: Sequence[Edge]) -> Iterator[tuple[Edge, list[str]]]:
    """Find cycles: each with its last-written edge, and its steps, the first one repeated at the end."""
    left = list(edges)
    while True:
        names = {name for edge in left for name in (edge.before, edge.after)}
        try:
            graphlib.TopologicalSorter(needs_of(sorted(names), left)).prepare()
        except graphlib.CycleError as error:
            cycle: list[str] = error.args[1]
            arrows = set(itertools.pairwise(cycle))
            closing = max((e for e in left if (e.before, e.after) in arrows), key=lambda e: e.item)
            yield closing, _starting_at(closing.after, cycle)
            left = [e for e in left if (e.before, e.after) != (closing.before, closing.after)]
        else:
            return


def ordered(needs: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the steps so that each stands after all that it needs, else in the order written.

    Args:
        needs: What each step needs, without cycles; its keys stand in the order written.
    """
    position = {id_: number for number, id_ in enumerate(needs)}
    sorter = graphlib.TopologicalSorter(needs)
    sorter.prepare()
    ready: list[int] = []
    names = list(needs)
    order: list[str] = []
    while sorter.is_active():
        for id_ in sorter.get_ready():
            heapq.heappush(ready, position[id_])
        first = names[heapq.heappop(ready)]
        order.append(first)
        sorter.done(first)
    return order


def _starting_at(name: str, cycle: list[str]) -> list[str]:
    start = cycle.index(name)
    ring = cycle[:-1]
    turned = [*ring[start:], *ring[:start]] if name in ring else ring
    return [*turned, turned[0]]
