from __future__ import annotations

import pytest
from campaign_world import World
from lineage_state import State
from servers import Hook, Mail


@pytest.fixture
def state(tmp_path):
    found = State(f"sqlite:///{tmp_path / 'home' / 'state.db'}")
    yield found
    found.records.close()


@pytest.fixture
def servers():
    """A real mail server and a webhook, as `servers.PROJECT` names them."""
    with Mail() as mail, Hook() as hook:
        yield mail, hook


@pytest.fixture
def world(spark, tmp_path, servers, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    found = World(spark, tmp_path, *servers)
    yield found
    found.records.close()
