"""Campaigns as the pages show them: a real one, on a table of the catalog, with readers whose runs are on record."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace

import pytest

from dataflow.lineage.query import open_lineage
from dataflow.migration.store import CampaignStore
from dataflow.ui.read.campaigns import campaign, campaigns, open_on
from dataflow.workflow.project import environment, find_project
from tests.support.lineage_state import State
from tests.support.team import DEADLINE, Team, create

NOW = dt.datetime.now(dt.UTC)
TODAY = NOW.date()


@pytest.fixture
def team(here_command):
    home = Path(here_command.environ["DATAFLOW_HOME"])
    create("prod.plays")
    state = State(f"sqlite:///{home / 'team.db'}")
    yield Team(here_command, state, SimpleNamespace(port=1), SimpleNamespace(address="http://127.0.0.1:1"))
    state.database.close()


@pytest.fixture
def known(team):
    return open_lineage(environment(find_project(team.folder), "sandbox"), None, [])


def test_a_campaign_shows_who_has_moved_and_who_is_open(team, known):
    assert campaigns(team.state.database, known, "sandbox", TODAY) == []
    team.start("--name", "hours-2027")
    team.ran("bob.one", "view_hours")
    team.migration("ack", "carol", "--note", "<b>retired</b>")
    events = CampaignStore(team.state.database, "sandbox").events("hours-2027")
    (found,) = campaigns(team.state.database, known, "sandbox", TODAY)
    assert (found.id, found.table, found.state, found.total, found.open, found.moved) == (
        "hours-2027", "prod.plays", "open", 6, 3, 3,
    )  # fmt: skip
    assert found.open_owners == ("alice", "bob", "dave")
    assert (str(found.deadline), found.days_left, found.is_overdue) == (DEADLINE, 60, False)
    assert [text for text in found.changes if "hours" in text]
    detail = campaign(team.state.database, known, "hours-2027", NOW)
    assert detail.summary == found
    assert [(it.workflow, it.owner, it.state) for it in detail.readers] == [
        ("alice.plays", "alice", "open"),
        ("bob.two", "bob", "open"),
        ("dave.one", "dave", "open"),
        ("bob.one", "bob", "moved"),
        ("carol.one", "carol", "acked"),
        ("carol.two", "carol", "acked"),
    ]
    assert detail.readers[4].why == "alice: <b>retired</b>"
    assert detail.burn_down[-1] == (TODAY, 3)
    assert [it.kind for it in detail.events][-1] == "opened"
    assert {it.is_done for it in detail.steps} == {False}
    assert detail.ending == ""
    assert f"deadline {DEADLINE}" in detail.chart
    assert CampaignStore(team.state.database, "sandbox").events("hours-2027") == events  # a look changes nothing
    assert open_on(team.state.database, "prod.plays", "sandbox") == ("hours-2027",)
    assert open_on(team.state.database, "prod.plays", "production") == ()
    assert campaigns(team.state.database, known, "production", TODAY) == []
    assert campaign(team.state.database, known, "nothing", NOW) is None


def test_a_campaign_that_is_over_says_how_it_ended(team, known):
    team.start("--name", "hours-2027")
    CampaignStore(team.state.database, "sandbox").close("hours-2027", "cancelled", "bob", "not worth it")
    (found,) = campaigns(team.state.database, known, None, TODAY + dt.timedelta(days=100))
    assert (found.state, found.open, found.total, found.is_overdue) == ("cancelled", None, 6, False)
    detail = campaign(team.state.database, known, "hours-2027", NOW)
    assert detail.ending == f"cancelled {TODAY} by bob: not worth it"
    assert open_on(team.state.database, "prod.plays", "sandbox") == ()


def test_one_that_is_open_beyond_its_deadline_is_overdue(team, known):
    team.start()
    (found,) = campaigns(team.state.database, known, None, TODAY + dt.timedelta(days=61))
    assert (found.days_left, found.is_overdue) == (-1, True)
