"""Lineage put into a state database, in a spelling that tests can be read in."""

from __future__ import annotations

import datetime as dt

import pytest

from dataflow.lineage.model import Flow, Origin, Producer, TableWrite
from dataflow.lineage.store.writer import store_lineage
from dataflow.state.database import StateDatabase

NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)


def taken(*flows):
    """Spell flows: `s.a` a table, `s.a.x -> y` a value, `s.a.x ~> y` and `s.a.x ~>` what decides, `s.a.x ..` a name."""
    found = set()
    for text in flows:
        if text.endswith(" .."):
            table, _, column = text.removesuffix(" ..").rpartition(".")
            found.add(Flow(table, column))
            continue
        for arrow in (" -> ", " ~>"):
            if arrow in text:
                source, _, into = text.partition(arrow)
                table, _, column = source.rpartition(".")
                found |= {Flow(table), Flow(table, column, into.strip(), arrow == " ~>")}
                break
        else:
            found.add(Flow(text))
    return frozenset(found)


class State:
    """A state database that lineage can be put into."""

    def __init__(self, address):
        self.address = address
        self.database = StateDatabase(address)

    def add(self, workflow, target, *flows, owner=None, origin=Origin.RECORDED, hours=3, **more):
        named = [frozenset(more.pop(name, ())) for name in ("given", "needed")]
        seen = more.pop("seen", NOW - dt.timedelta(hours=hours))
        owner = workflow.partition(".")[0] if owner is None else owner or None
        producer = Producer(origin, workflow, target, owner=owner, seen=seen, **more)
        with self.database.begin() as connection:
            store_lineage(connection, [(producer, TableWrite(target, taken(*flows), *named))])


@pytest.fixture
def state(tmp_path):
    found = State(f"sqlite:///{tmp_path / 'home' / 'state.db'}")
    yield found
    found.database.close()
