"""The order of steps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.workflow.graph import Edge, cycles, needs_in_written_order, needs_of, ordered, parse_edges

IDS = [f"s{n}" for n in range(8)]


def test_a_chain_is_several_edges() -> None:
    assert parse_edges(3, "a -> b->c") == [Edge("a", "b", 3), Edge("b", "c", 3)]


@pytest.mark.parametrize("text", ["a", "", "a ->", "-> b", "a -> -> b", "a, b"])
def test_what_is_no_edge_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an edge; write 'first -> second'"):
        parse_edges(0, text)


def test_without_edges_each_step_needs_the_one_before() -> None:
    assert needs_in_written_order(["a", "b", "c"]) == {"a": frozenset(), "b": {"a"}, "c": {"b"}}
    assert ordered(needs_in_written_order(["c", "a", "b"])) == ["c", "a", "b"]


def test_a_cycle_is_named_in_full_from_where_it_closes() -> None:
    edges = [Edge("a", "b", 0), Edge("b", "c", 1), Edge("c", "a", 2)]
    assert [(edge.item, cycle) for edge, cycle in cycles(edges)] == [(2, ["a", "b", "c", "a"])]


def test_a_step_that_needs_itself_is_a_cycle() -> None:
    assert [cycle for _, cycle in cycles([Edge("a", "a", 0)])] == [["a", "a"]]


def test_two_cycles_are_both_found() -> None:
    edges = [Edge("a", "b", 0), Edge("b", "a", 1), Edge("c", "d", 2), Edge("d", "c", 3)]
    assert sorted(edge.item for edge, _ in cycles(edges)) == [1, 3]


@given(st.permutations(IDS), st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7))))
def test_the_order_of_any_graph_without_cycles_respects_its_edges(
    written: list[str], pairs: set[tuple[int, int]]
) -> None:
    edges = [Edge(IDS[a], IDS[b], 0) for a, b in pairs if a < b]
    assert not list(cycles(edges))
    order = ordered(needs_of(written, edges))
    assert sorted(order) == IDS
    assert all(order.index(edge.before) < order.index(edge.after) for edge in edges)


@given(
    st.lists(st.sampled_from(IDS), min_size=1, max_size=5, unique=True),
    st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS))),
)
def test_any_cycle_is_found_and_is_one(ring: list[str], more: list[tuple[str, str]]) -> None:
    pairs = [*zip(ring, [*ring[1:], ring[0]], strict=True), *more]
    edges = [Edge(before, after, item) for item, (before, after) in enumerate(pairs)]
    found = list(cycles(edges))
    assert found
    for closing, cycle in found:
        assert cycle[0] == cycle[-1] == closing.after
        assert all(step in pairs for step in pairwise(cycle))
