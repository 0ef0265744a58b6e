"""The pages of tables, lineage, deployments, campaigns and schedules, as HTML."""

from __future__ import annotations

import gzip
import html
import json
import re
import time

import pytest
from starlette.testclient import TestClient

from dataflow.state.database import StateDatabase
from dataflow.ui.app import link, make_app
from tests.support.hostile import HOSTILE
from tests.support.ui_facts import many_tables
from tests.support.ui_world import source_at

TAG = re.compile(r"<[^>]+>")
DANGEROUS = re.compile(
    r"<script(?![^>]*\ssrc=\"/static/)(?![^>]*application/json)|<style|\sstyle=|\son\w+=\"|href=\"javascript", re.I
)
ADDRESSES = [
    "/tables/film.titles",
    "/tables/film.views",
    "/tables/film.all",
    link("table", table=f"film.{HOSTILE[0]}"),
    "/lineage",
    "/deployments",
    "/deployments/sandbox",
    "/revisions/sandbox/1",
    "/revisions/sandbox/2",
    "/campaigns",
    "/campaigns/hours-2027",
    "/schedules",
]


def words(page):
    """Return what a page says, its tags gone and its entities read."""
    return re.sub(r" ([,.;)])", r"\1", " ".join(html.unescape(TAG.sub(" ", page.text)).split()))


def get(client, address):
    page = client.get(address)
    assert page.status_code == 200, page.text[:500]
    return page


@pytest.mark.parametrize("address", ADDRESSES)
def test_names_and_values_stay_text(facts, address):
    page = get(facts, address)
    assert not DANGEROUS.search(page.text)
    assert "\x1b" not in page.text
    assert "{{" not in page.text.replace("{{ 7 * 191 }}", "")
    assert "1337" not in page.text
    for unsafe in ("<img src=x", "<svg onload", "<b>bold"):
        assert unsafe not in page.text


def test_a_table_tells_all_that_is_known_of_it(facts):
    said = words(get(facts, "/tables/film.titles"))
    for text in (
        "Owner alice",
        "Complete up to 2026-11-10 (Europe/Berlin), and 2026-11-14",
        "Size 24 rows",
        "Key date, id",
        "Partitioned by date",
        f"Tags gold, {HOSTILE[1]}",
        "Lifetime 400 days",
        "id key",
        "the title's number",
        "viewer",
        "country",
        "Missing: 2026-11-11, 2026-11-13.",
        "raw.events",
        "film.views",
        "By column",
        "raw.events · seconds film.titles · hours",
        "may read it: its columns are unknown",
        "recorded by a run",
        "in a deployed bundle c0ffee12",
        f"date={HOSTILE[0]}",
        "CREATE TABLE film.titles (",
        "What writes it: top",
        f"SELECT 2 -- {HOSTILE[1]}",
        "A campaign changes this table: hours-2027",
    ):
        assert text in said, text


def test_a_table_that_lineage_alone_knows_and_one_that_nobody_knows(facts):
    assert "The catalog has no such table; lineage knows it." in words(get(facts, "/tables/film.all"))
    page = facts.get(link("table", table=f"film.no{HOSTILE[0]}"))
    assert page.status_code == 404
    assert f"neither the catalog nor lineage knows a table 'film.no{HOSTILE[0]}' in sandbox" in words(page)


def test_all_lineage_is_a_list_and_the_same_as_data(facts):
    page = get(facts, "/lineage")
    assert page.text.count("<tr data-source=") == 4
    (data,) = re.findall(r'<script type="application/json" id="lineage-data">(.*?)</script>', page.text, re.S)
    assert "<" not in data
    found = json.loads(data)
    assert len(found["boxes"]) == len(found["tables"]) == 5
    names = {(found["tables"][a], found["tables"][b]) for a, b, *_ in found["edges"]}
    assert ("film.titles", "film.views") in names
    assert ("film.views", f"film.{HOSTILE[0]}") in names
    links = {
        (f"{found['tables'][a]}.{found['columns'][a][b]}", f"{found['tables'][c]}.{found['columns'][c][d]}")
        for a, b, c, d, _ in found["links"]
    }
    assert ("film.titles.hours", "film.views.hours") in links
    assert ("film.views.hours", f"film.{HOSTILE[0]}.{HOSTILE[3]}") in links


def test_a_thousand_tables_are_one_page_of_less_than_300_kb(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    source = source_at(f"sqlite:///{tmp_path / 'state.db'}", tmp_path)
    with StateDatabase(source.environment.state) as database:
        many_tables(database, "sandbox")
    client = TestClient(make_app(source), base_url="http://localhost")
    begin = time.process_time()
    page = get(client, "/lineage")
    took = time.process_time() - begin
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    total = len(gzip.compress(page.content)) + sum(len(gzip.compress(client.get(it).content)) for it in files)
    assert total <= 300_000
    assert took < 8
    source.close()


def test_deployments_say_who_when_and_what(facts):
    said = words(get(facts, "/deployments"))
    assert "sandbox #2 deploy 2026-11-02 03:00 UTC"[:18] in said
    assert HOSTILE[1] in said
    assert "branch-x isolated in x" in said
    said = words(get(facts, "/deployments/sandbox"))
    assert "#2 2026-11-02" in said
    assert said.index("#2 2026") < said.index("#1 2026")
    said = words(get(facts, "/revisions/sandbox/2"))
    for text in (
        f"deploy by {HOSTILE[1]}",
        "schedule: 0 3 * * * UTC → 0 4 * * * UTC",
        "- - a + - <script>",
        "-SELECT 1 +SELECT 2 -- <img",
        f"params: NOTE: none → {HOSTILE[3]}",
        "1 package changed, 0 unchanged",
        "Before: #1",
    ):
        assert text in said, text
    assert facts.get("/revisions/sandbox/77").status_code == 404
    assert facts.get(link("revision", environment=HOSTILE[0], number="x")).status_code == 404
    assert facts.get(link("deployment", environment="../..")).status_code == 404


def test_a_campaign_says_who_is_open(facts):
    said = words(get(facts, "/campaigns"))
    assert "hours-2027" in said
    assert "rename column hours to view_hours" in said
    assert "30 days left" in said
    said = words(get(facts, "/campaigns/hours-2027"))
    assert re.search(r"\d of \d readers have moved", said)
    assert f"bob: {HOSTILE[0]}" in said
    assert "carol.all" in said
    assert facts.get(link("campaign", campaign=HOSTILE[0])).status_code == 404


def test_schedules_say_when_and_what_is_paused(facts):
    said = words(get(facts, "/schedules"))
    assert "alice.top.main alice/films · top sandbox 0 3 * * * Europe/Berlin never 20" in said
    assert "branch-x" in said
    assert "paused" in said
    assert HOSTILE[0] in said


def test_a_state_address_that_is_down_hides_no_deployment(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    down = "postgresql+psycopg://me:hunter2-hunter2@127.0.0.1:1/state?connect_timeout=2"
    source = source_at(down, tmp_path)
    from tests.support.ui_facts import KEY, bundle, package, switch

    switch(source.registry, {KEY: package(bundle(source.registry))}, state=down)
    client = TestClient(make_app(source), base_url="http://localhost")
    assert "production" in words(get(client, "/deployments"))
    page = get(client, "/schedules")
    assert "production: the run records at" in words(page)
    assert "hunter2" not in page.text
    source.close()
