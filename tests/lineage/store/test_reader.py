"""Lineage at the state address, on SQLite and on PostgreSQL, and the ways through it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from dataflow.errors import DataflowError
from dataflow.lineage.graph import traverse
from dataflow.lineage.model import Origin
from dataflow.lineage.store import reader as store_module
from dataflow.lineage.store.reader import LineageStore
from dataflow.lineage.store.writer import delete_other_targets, flows, producers
from tests.support.lineage_state import State


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request, tmp_path):
    address = f"sqlite:///{tmp_path / 'state.db'}"
    if request.param == "postgresql":
        address = request.getfixturevalue("postgresql")
    found = State(address)
    yield found
    with found.database.begin() as connection:
        for table in (flows, producers):
            connection.execute(table.delete())
    found.database.close()


def fill(state):
    state.add("a.one", "s.b", "s.a.x -> y", "s.a.k ~>")
    state.add("b.two", "s.c", "s.b.y -> z", "s.other.q -> q")
    state.add("c.three", "s.d", "s.c.z ~> r", "s.c.q -> q")


def names(found):
    return {".".join(filter(None, node)): level for node, level in found.levels.items()}


@pytest.mark.parametrize("at_once", [400, 0], ids=["asked for some", "all read at once"])
def test_tables_and_columns_are_followed_both_ways(anywhere, at_once, monkeypatch):
    monkeypatch.setattr(store_module, "_BATCH_SIZE", at_once or 1)
    fill(anywhere)
    store = LineageStore(anywhere.address)
    down = traverse([store], ("s.a", ""), downstream=True, depth=9)
    assert names(down) == {"s.a": 0, "s.b": 1, "s.c": 2, "s.d": 3}
    column = traverse([store], ("s.a", "x"), downstream=True, depth=9)
    assert names(column) == {"s.a.x": 0, "s.b.y": 1, "s.c.z": 2, "s.d.r": 3}
    up = traverse([store], ("s.d", "r"), downstream=False, depth=9)
    assert names(up)["s.a.x"] == 3
    assert names(traverse([store], ("s.d", ""), downstream=False, depth=1)) == {"s.d": 0, "s.c": 1}
    assert names(traverse([store], ("s.a", "x"), downstream=True, depth=2)) == {"s.a.x": 0, "s.b.y": 1, "s.c.z": 2}
    assert store.columns("s.c") == {"z", "q"}
    assert store.knows("s.other")
    assert not store.knows("s.nothing")


def test_what_only_decides_leads_to_the_table_and_further_only_when_asked(anywhere):
    fill(anywhere)
    store = LineageStore(anywhere.address)
    assert names(traverse([store], ("s.a", "k"), downstream=True, depth=9)) == {"s.a.k": 0, "s.b": 1}
    through = traverse([store], ("s.a", "k"), downstream=True, depth=9, through_rows=True)
    assert names(through) == {"s.a.k": 0, "s.b": 1, "s.c": 2, "s.d": 3}


def test_who_reads_a_table_with_its_columns_unknown_may_read_each_of_them_unless_a_run_knows(anywhere):
    fill(anywhere)
    anywhere.add("p.program", "s.p", "s.a", origin=Origin.DEPLOYED)
    anywhere.add("q.program", "s.q", "s.a", origin=Origin.DEPLOYED)
    anywhere.add("q.program", "s.q", "s.a.k -> k")
    store = LineageStore(anywhere.address)
    down = traverse([store], ("s.a", "x"), downstream=True, depth=9)
    assert names(down) == {"s.a.x": 0, "s.b.y": 1, "s.p": 1, "s.c.z": 2, "s.d.r": 3}
    assert names(traverse([store], ("s.p", "v"), downstream=False, depth=9)) == {"s.p.v": 0, "s.a": 1}
    through = traverse([store], ("s.a", "x"), downstream=True, depth=9, through_rows=True)
    assert "s.p" not in names(through)


def test_a_cycle_ends(anywhere):
    fill(anywhere)
    anywhere.add("d.four", "s.a", "s.d.r -> x")
    found = traverse([LineageStore(anywhere.address)], ("s.a", "x"), downstream=True, depth=99)
    assert names(found) == {"s.a.x": 0, "s.b.y": 1, "s.c.z": 2, "s.d.r": 3}
    assert [edge[1] for edge in found.edges["s.d", "r"]] == [("s.a", "x")]


def test_the_same_flows_are_stored_once_however_many_runs_had_them(anywhere):
    for hours in (9, 5, 1):
        anywhere.add("a.one", "s.b", "s.a.x -> y", hours=hours)
    anywhere.add("z.copy", "s.e", "s.a.x -> y")
    with anywhere.database.begin() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(flows)).scalar() == 2
    found = traverse([LineageStore(anywhere.address)], ("s.a", ""), downstream=True, depth=1)
    assert sorted(edge[3].workflow for edge in found.all_edges()) == ["a.one", "z.copy"]


def test_an_older_word_does_not_replace_a_newer_one(anywhere):
    anywhere.add("a.one", "s.b", "s.a.new -> y", hours=1)
    anywhere.add("a.one", "s.b", "s.a.old -> y", hours=8)
    assert LineageStore(anywhere.address).columns("s.a") >= {"new"}
    found = traverse([LineageStore(anywhere.address)], ("s.a", "old"), downstream=True, depth=1)
    assert not found.edges


def test_what_a_workflow_writes_no_more_is_forgotten_for_that_origin_and_environment_alone(anywhere):
    for origin in (Origin.RECORDED, Origin.DEPLOYED):
        anywhere.add("a.one", "s.c", "s.a", origin=origin, environment="production")
    anywhere.add("a.one", "s.b", "s.a", environment="production")
    anywhere.add("a.one", "s.c", "s.a", environment="staging")
    with anywhere.database.begin() as connection:
        delete_other_targets(connection, Origin.RECORDED, "a.one", "production", ["s.b"])
    left = sorted(
        (p.target, p.origin.value, p.environment) for p in LineageStore(anywhere.address).of_workflows(["a.one"])
    )
    assert left == [
        ("s.b", "recorded", "production"), ("s.c", "deployed", "production"), ("s.c", "recorded", "staging"),
    ]  # fmt: skip


def test_where_nothing_was_ever_recorded_nothing_is_known(tmp_path):
    assert LineageStore(f"sqlite:///{tmp_path / 'none.db'}").tables() == set()


def test_a_state_that_can_t_be_reached_is_one_line_without_its_password():
    with pytest.raises(DataflowError, match=r"psycopg://me@127.0.0.1:1/x can't be read") as caught:
        LineageStore("postgresql+psycopg://me:hush@127.0.0.1:1/x").knows("s.a")
    assert "hush" not in str(caught.value)
