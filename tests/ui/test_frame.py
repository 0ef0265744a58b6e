"""The frame: who gets in, what each answer carries, and what is said where there is nothing to show."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3

import pytest
from starlette.testclient import TestClient

from dataflow.state.database import StateDatabase
from dataflow.ui.app import link, make_app
from dataflow.ui.pages import PAGES
from dataflow.ui.rendering import STATIC, TEMPLATES
from dataflow.ui.security import POLICY
from tests.support.hostile import HOSTILE
from tests.support.ui_world import source_at

TOKEN = "0123456789abcdef-token"
LISTED = [link(it.name) for it in PAGES if it.listed]
OF_STATE = [it for it in LISTED if it not in ("/deployments", "/schedules")]  # those are read from the registry


def client_of(source, token=None, base_url="http://localhost"):
    return TestClient(make_app(source, token), base_url=base_url, raise_server_exceptions=False)


@pytest.mark.parametrize("address", LISTED)
def test_every_answer_forbids_scripts_and_styles_that_are_not_its_own(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY
    assert not re.search(r"<script(?![^>]*\ssrc=)(?![^>]*application/json)|<style|\sstyle=|\son\w+=\"", answer.text)


def test_templates_switch_no_escaping_off_and_quote_every_attribute():
    for file in TEMPLATES.glob("*.html"):
        text = file.read_text("utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", text), file
        assert "own_style" not in text or file.name == "report.html"
        assert not re.search(r"=\{\{", text), file


def test_a_name_that_leads_here_from_elsewhere_gets_nothing(world):
    answer = client_of(world, base_url="http://evil.example").get("/")
    assert (answer.status_code, answer.text) == (403, "this address is not one of this machine\n")
    for host in ("http://localhost:8420", "http://127.0.0.1:8420", "http://[::1]:8420"):
        assert client_of(world, base_url=host).get("/").status_code == 200


def test_with_a_token_only_who_knows_it_gets_in(world):
    client = client_of(world, TOKEN, "http://team.example")
    assert client.get("/", follow_redirects=False).headers["location"] == "/login"
    assert "Token" in client.get("/").text
    wrong = client.post("/login", data={"token": "another"})
    assert (wrong.status_code, "This is not the token" in wrong.text) == (403, True)
    assert client.get("/", headers={"authorization": "Bearer another"}).url.path == "/login"
    assert client.get("/", headers={"authorization": f"Bearer {TOKEN}"}).url.path == "/"
    entered = client.post("/login", data={"token": TOKEN}, follow_redirects=False)
    assert "HttpOnly" in entered.headers["set-cookie"]
    assert TOKEN not in entered.headers["set-cookie"]
    assert client.get("/").url.path == "/"


def test_a_page_that_is_not_there_says_so(client):
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert "there is no such page" in answer.text


def test_a_run_that_is_not_there_says_so(client):
    answer = client.get(link("run", run=HOSTILE[0]))
    assert answer.status_code == 404
    assert "no run &#39;&lt;script&gt;" in answer.text


def test_nothing_can_be_changed(client):
    for method in ("post", "put", "delete"):
        assert getattr(client, method)("/").status_code == 405


@pytest.mark.parametrize("address", LISTED)
def test_where_nothing_has_been_made_yet_pages_say_so_and_make_nothing(tmp_path, monkeypatch, address):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    answer = client_of(source_at(None, tmp_path)).get(address)
    assert answer.status_code == 200
    assert not (tmp_path / "home" / "state.db").exists()


@pytest.mark.parametrize("address", OF_STATE)
def test_a_state_address_that_is_down_is_named_without_its_password(tmp_path, address):
    down = "postgresql+psycopg://me:hunter2-hunter2@127.0.0.1:1/state?connect_timeout=2"
    answer = client_of(source_at(down, tmp_path)).get(address)
    assert answer.status_code == 503
    assert "can&#39;t be opened" in answer.text
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("address", OF_STATE)
def test_records_of_an_earlier_version_are_left_as_they_are_and_named(tmp_path, address):
    file = tmp_path / "state.db"
    StateDatabase(f"sqlite:///{file}").close()
    with sqlite3.connect(file) as connection:
        connection.execute("ALTER TABLE dataflow_runs DROP COLUMN accelerator")
    connection.close()
    before = file.read_bytes()
    answer = client_of(source_at(f"sqlite:///{file}", tmp_path)).get(address)
    assert answer.status_code == 503
    assert "dataflow_runs has no column &#39;accelerator&#39;" in answer.text
    assert file.read_bytes() == before


def test_a_bug_says_no_more_than_that_it_is_one(world, monkeypatch, capsys):
    monkeypatch.setattr(type(world), "database", property(lambda _: 1 / 0))
    answer = client_of(world).get("/runs")
    assert answer.status_code == 500
    assert "that is a bug" in answer.text
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_the_first_load_of_each_page_is_at_most_300_kb(client):
    for address in LISTED:
        page = client.get(address)
        files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
        total = len(gzip.compress(page.content)) + sum(len(gzip.compress(client.get(it).content)) for it in files)
        assert len(files) >= 4
        assert total <= 300_000, (address, total)


def test_what_is_vendored_is_pinned_and_has_its_licence():
    for folder in (STATIC / "vendor").iterdir():
        if folder.is_dir():
            assert re.fullmatch(r"[a-z.-]+-\d+\.\d+\.\d+", folder.name)
            assert "Permission" in (folder / "LICENSE").read_text("utf-8")
    sums = json.loads((STATIC / "vendor/sha256.json").read_text())
    found = {str(it.relative_to(STATIC / "vendor")) for it in (STATIC / "vendor").rglob("*.js")}
    assert found == set(sums)
    import hashlib

    for name, checksum in sums.items():
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == checksum, name
