from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.campaign_world import World
from tests.support.lineage_state import State
from tests.support.servers import Hook, Mail
from tests.support.team import Team, create
from tests.support.two_repositories import TwoRepositories


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
    found.database.close()


@pytest.fixture
def mail():
    with Mail() as found:
        yield found


@pytest.fixture
def hook():
    with Hook() as found:
        yield found


@pytest.fixture
def team(here_command, mail, hook):
    home = Path(here_command.environ["DATAFLOW_HOME"])
    create("prod.plays")
    state = State(f"sqlite:///{home / 'team.db'}")
    yield Team(here_command, state, mail, hook)
    state.database.close()


@pytest.fixture
def two(here_command, tmp_path, monkeypatch):
    return TwoRepositories(tmp_path, here_command, monkeypatch)


@pytest.fixture
def started(two):
    """The two with a campaign whose new column is there, as far as the state says."""
    return two.expanded()
