"""The overview: which tables, whose, fresh until when, green since when, what failed, and what is due."""

from __future__ import annotations

import datetime as dt
import re
import time

import pytest
from starlette.testclient import TestClient

from dataflow.migration.store import campaigns
from dataflow.state.database import StateDatabase
from dataflow.state.utc import now
from dataflow.ui.app import make_app
from dataflow.ui.page import Asked
from dataflow.ui.read.health import DAYS as STRIP
from dataflow.ui.read.overview import overview_of
from tests.support.hostile import HOSTILE
from tests.support.many_runs import add_many_runs
from tests.support.ui_world import DAYS, date_of, source_at


def overview(world, **options):
    return overview_of(world, Asked(options=options))


def test_tables_are_listed_the_user_s_own_first_with_owner_tags_and_mark(world):
    lines = overview(world).lines
    assert [it.known.name for it in lines] == ["prod.titles", f"prod.{HOSTILE[0]}", "prod.views"]
    assert (lines[0].owner, lines[0].facts.tags, lines[0].facts.fresh) == (
        "alice",
        ("titles", "daily"),
        f"{date_of(DAYS - 1)}",
    )
    assert lines[2].facts is None


def test_a_strip_has_a_mark_for_each_day_that_runs_were_for(world):
    titles, _, views = overview(world).lines
    assert len(titles.health.days) == STRIP
    assert {it.day: it.state for it in views.health.days if it.state} == {
        date_of(day): "failed" if day % 4 == 3 else "warning" if day == 9 else "succeeded" for day in range(DAYS)
    }
    assert titles.health.days[-1].run.endswith("_main")


def test_the_last_failure_and_the_days_that_are_green_since_are_told(world):
    titles, _, views = overview(world).lines
    assert views.health.failure.run == f"{now().date() - dt.timedelta(days=2):%Y%m%d}t030100-107_main"
    assert views.health.failure.error == f"write: {HOSTILE[0]} is broken"
    assert views.health.green_since.date() == now().date() - dt.timedelta(days=1)
    assert titles.health.failure is None
    assert titles.health.green_since.date() == now().date() - dt.timedelta(days=DAYS - 1)
    assert titles.health.warnings == 1


def test_filters_take_an_owner_a_tag_and_a_part_of_a_name(world):
    assert [it.known.name for it in overview(world, owner="bob").lines] == ["prod.views"]
    assert [it.known.name for it in overview(world, tag="daily").lines] == ["prod.titles"]
    assert [it.known.name for it in overview(world, name="VIEW").lines] == ["prod.views"]
    assert overview(world, tag="another").lines == []
    assert overview(world).owners == sorted(["alice", "bob", HOSTILE[1]])


def test_workflows_that_run_by_themselves_are_listed_too(world):
    assert [it.known.name for it in overview(world, kind="workflows").lines] == [
        "alice.plays0.daily",
        f"{HOSTILE[3]}.2.daily",
        "bob.plays1.daily",
    ]


def test_open_campaigns_are_listed_those_that_are_overdue_marked(world, client):
    with StateDatabase(world.environment.state) as database:
        row = {"environment": "sandbox", "opened": now(), "opened_by": HOSTILE[0], "definition": {}}
        day = now().date()
        for name, state, deadline in (("late", "open", day - dt.timedelta(1)), ("over", "done", day)):
            database.insert(campaigns, {**row, "id": name, "table_name": "t", "state": state, "deadline": deadline})
    world.database.look()
    try:
        assert [(it.id, it.late) for it in overview(world).campaigns] == [("late", True)]
        assert '<strong class="warning-text">overdue</strong>' in client.get("/").text
    finally:
        with StateDatabase(world.environment.state) as database, database.begin() as connection:
            connection.execute(campaigns.delete())


@pytest.mark.parametrize("address", ["/", "/?kind=workflows", "/runs", f"/?owner={HOSTILE[1]}&name=%3Cscript%3E"])
def test_names_that_try_to_be_markup_stay_text(client, address):
    text = client.get(address).text
    assert "<script>document" not in text
    assert "<img" not in text
    assert "<svg onload" not in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e\u2066]", text)
    assert "1337" not in text  # 7 * 191: of a name that is a template


def test_a_part_beyond_the_last_is_the_last(world):
    assert overview(world, part="99").part == 1
    assert overview(world, part="-1").part == 1
    assert overview(world, part="٣").part == 1


def test_no_page_grows_with_the_runs_and_a_thousand_tables_are_listed_in_parts(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    source = source_at(f"sqlite:///{tmp_path / 'state.db'}", tmp_path)
    with StateDatabase(source.environment.state) as database:
        add_many_runs(database, tables=1000, days=5)
    client = TestClient(make_app(source), base_url="http://localhost")
    sizes = {}
    for address in ("/", "/?kind=workflows&name=w", "/?owner=team3", "/runs", "/runs?part=100"):
        began = time.process_time()
        answer = client.get(address)
        assert answer.status_code == 200
        assert time.process_time() - began < 2
        sizes[address] = len(answer.content)
    assert max(sizes.values()) < 200_000, sizes
    found = overview(source, part="2", owner="team3")
    assert (found.count, found.parts, len(found.lines)) == (50, 1, 50)
    assert (overview(source).count, overview(source).parts) == (1000, 20)
    page = client.get("/?name=table&part=2").text
    assert 'rel="prev" href="/?name=table&amp;part=1"' in page
    assert 'href="/?name=table&amp;part=3"' in page
