"""Lineage as the pages show it, out of a real state database."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from dataflow.lineage.model import Origin
from dataflow.lineage.show.labels import EdgeKind
from dataflow.lineage.store.reader import LineageStore
from dataflow.ui.read.lineage import column_lineage, column_map, lineage_map, neighbours, picture
from tests.support.hostile import HOSTILE
from tests.support.lineage_state import NOW, state
from tests.support.ui_facts import many_tables

__all__ = ["state"]


def pairs(found):
    return [(edge.source, edge.target) for edge in found.edges]


def test_all_tables_of_an_environment_are_there_with_evidence_and_its_age(state):
    state.add("alice.plays", "prod.plays", "raw.events.seconds -> hours", environment="production", run_id="r1")
    state.add("bob.sums", "prod.sums", "prod.plays.hours -> total", environment="production", hours=5)
    state.add(
        "bob.sums", "prod.sums", "prod.plays.hours -> total",
        environment="production", origin=Origin.DEPLOYED, bundle="c0ffee00" * 8, hours=1,
    )  # fmt: skip
    state.add("carol.try", "carol.sums", "prod.plays.hours -> total", environment="sandbox")
    state.add("dave.event", "lake.seen", "prod.sums.total -> n", origin=Origin.OPENLINEAGE)
    state.add("erin.own", "prod.own", "prod.own.a -> a", environment="production")
    state.add("frank.gone", "", "prod.plays", environment="production")
    found = lineage_map(LineageStore(state.address), "production")
    assert found.tables == ("lake.seen", "prod.own", "prod.plays", "prod.sums", "raw.events")
    assert pairs(found) == [("prod.plays", "prod.sums"), ("prod.sums", "lake.seen"), ("raw.events", "prod.plays")]
    (edge,) = found.sources["prod.sums"]
    assert [(it.says, it.workflow, it.owner, NOW - it.seen) for it in edge.evidence] == [
        ("in a deployed bundle", "bob.sums", "bob", dt.timedelta(hours=1)),
        ("recorded by a run", "bob.sums", "bob", dt.timedelta(hours=5)),
    ]
    assert (edge.origin, NOW - edge.seen) == (Origin.RECORDED, dt.timedelta(hours=1))
    assert found.writers == {"prod.plays": ("alice.plays",), "prod.sums": ("bob.sums",), "lake.seen": ("dave.event",)}
    assert len(found.readers["prod.sums"]) == 1
    everywhere = lineage_map(LineageStore(state.address), None)
    assert "carol.sums" in everywhere.tables


def test_the_neighbours_of_a_table_are_those_of_the_whole(state):
    for n in range(30):
        state.add(f"alice.w{n}", f"prod.t{n}", f"prod.t{n // 2 - 1}.a -> a", f"prod.t{n - 7}", environment="production")
    store = LineageStore(state.address)
    whole = lineage_map(store, "production")
    for table in whole.tables:
        mine = neighbours(store, table, "production")
        assert mine.sources.get(table, ()) == whole.sources.get(table, ())
        assert mine.readers.get(table, ()) == whole.readers.get(table, ())
    nothing = neighbours(store, "prod.nothing", "production")
    assert (nothing.edges, nothing.tables) == ((), ())
    assert neighbours(store, "prod.t3", "elsewhere").tables == ()
    state.add("alice.own", "prod.own", "prod.own.a -> a", environment="production")
    assert neighbours(LineageStore(state.address), "prod.own", "production").tables == ("prod.own",)


def test_columns_are_followed_both_ways_and_say_what_they_do(state):
    state.add("alice.plays", "prod.plays", "raw.events.seconds -> hours", "raw.events.kind ~>", "raw.events.id ..")
    state.add("bob.sums", "prod.sums", "prod.plays.hours -> total", "prod.plays.hours ~> place")
    state.add("carol.all", "prod.all", "prod.plays", "prod.plays.* ..")
    found = column_lineage(LineageStore(state.address), "prod.plays", None)
    assert [(it.source, it.source_column, it.target_column, it.kind) for it in found.upstream] == [
        ("raw.events", "kind", "", EdgeKind.DECIDES_ROWS),
        ("raw.events", "seconds", "hours", EdgeKind.VALUE),
    ]
    assert [(it.source_column, it.target, it.target_column, it.kind) for it in found.downstream] == [
        ("", "prod.all", "", EdgeKind.MAY_READ),
        ("hours", "prod.sums", "place", EdgeKind.DECIDES),
        ("hours", "prod.sums", "total", EdgeKind.VALUE),
    ]
    assert found.downstream[1].evidence[0].workflow == "bob.sums"


def test_the_columns_of_all_tables_are_one_graph(state):
    state.add("alice.plays", "prod.plays", "raw.events.seconds -> hours", "raw.events.kind ~>", environment="p")
    state.add("bob.sums", "prod.sums", "prod.plays.hours -> total", environment="p")
    state.add("carol.try", "x.y", "prod.plays.hours -> total", environment="sandbox")
    found = column_map(LineageStore(state.address), "p")
    names = [".".join(filter(None, it)) for it in found.columns]
    assert {(names[a], names[b], kind) for a, b, kind in found.edges} == {
        ("raw.events.seconds", "prod.plays.hours", EdgeKind.VALUE),
        ("raw.events.kind", "prod.plays", EdgeKind.DECIDES_ROWS),
        ("prod.plays.hours", "prod.sums.total", EdgeKind.VALUE),
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_names_may_be_anything(state, name):
    state.add(name, f"prod.{name}", "prod.s.a -> a", owner=name, environment=name)
    found = lineage_map(LineageStore(state.address), name)
    assert pairs(found) == [("prod.s", f"prod.{name}")]
    assert found.edges[0].evidence[0].workflow == name
    assert {box.table for box in picture(found).boxes} == {"prod.s", f"prod.{name}"}


def test_a_picture_has_a_box_for_each_table_and_a_route_for_each_edge(state):
    state.add("a", "prod.b", "prod.a", "prod.c")
    state.add("b", "prod.c", "prod.b")  # a circle
    state.add("c", "prod.d", "prod.a")
    state.add("d", "prod.alone", "prod.alone.x -> x")
    found = lineage_map(LineageStore(state.address), None)
    drawn = picture(found)
    assert {box.table for box in drawn.boxes} == {"prod.a", "prod.b", "prod.c", "prod.d"}
    assert [route.edge for route in drawn.routes] == list(found.edges)
    boxes = {box.table: box for box in drawn.boxes}
    for route in drawn.routes:
        source, target = boxes[route.edge.source], boxes[route.edge.target]
        assert route.points[0] == (source.left + source.width, source.top + source.height / 2)
        assert route.points[-1] == (target.left, target.top + target.height / 2)
    assert all(0 <= box.left <= drawn.width and 0 <= box.top <= drawn.height for box in drawn.boxes)


def test_a_state_that_holds_nothing_has_no_lineage(tmp_path):
    store = LineageStore(f"sqlite:///{tmp_path / 'none.db'}")
    assert lineage_map(store, "production").tables == ()
    assert picture(lineage_map(store, "production")).boxes == ()
    assert column_lineage(store, "prod.plays", None).upstream == ()


def test_a_thousand_tables_are_read_and_placed_at_once(state):
    many_tables(state.database, "production")
    begin = time.process_time()
    found = lineage_map(LineageStore(state.address), "production")
    drawn = picture(found)
    took = time.process_time() - begin
    assert (len(found.tables), len(drawn.boxes)) == (1000, 1000)
    again = time.process_time()
    picture(found)
    assert time.process_time() - again < took / 2  # the layout is kept
    assert took < 5
