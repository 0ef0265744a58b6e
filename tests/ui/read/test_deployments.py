"""Deployments as the pages show them, out of a real registry."""

from __future__ import annotations

import pytest

from dataflow.assets.registry import Registry
from dataflow.tables.schema.recorded_schema import RecordedSchema
from dataflow.ui.read.definitions import definitions_of
from dataflow.ui.read.deployments import deployment_history, deployment_list, revision
from tests.support.hostile import HOSTILE
from tests.support.ui_facts import AT, KEY, bundle, package, switch


@pytest.fixture
def registry(tmp_path):
    return Registry(str(tmp_path / "registry"))


def test_each_deployment_says_who_changed_it_and_when(registry):
    switch(registry, {KEY: package(bundle(registry))})
    switch(registry, {KEY: package(bundle(registry, "version: 2\n"))}, by="bob")
    switch(registry, {KEY: package(bundle(registry))}, name="branch-x", database="x", expires=AT)
    switch(registry, {}, name="old", action="destroy")
    assert [(it.name, it.number, it.by, it.packages, it.database) for it in deployment_list(registry)] == [
        ("production", 2, "bob", 1, None),
        ("branch-x", 1, "alice", 1, "x"),
        ("old", 1, "alice", 0, None),
    ]
    found = deployment_history(registry, "production")
    assert [(it.number, it.by, it.action, it.commit, list(it.changed)) for it in found.rows] == [
        (2, "bob", "deploy", "1a2b3c4d", ["top"]),
        (1, "alice", "deploy", "1a2b3c4d", ["top"]),
    ]
    assert deployment_history(registry, "nowhere") is None


def test_of_a_long_history_only_the_end_is_read(registry, monkeypatch):
    same = {KEY: package(bundle(registry))}
    for _ in range(12):
        switch(registry, same)
    asked = []
    read = Registry.entry
    monkeypatch.setattr(Registry, "entry", lambda self, series, n: asked.append(n) or read(self, series, n))
    found = deployment_history(registry, "production", most=3)
    assert [it.number for it in found.rows] == [12, 11, 10]
    assert (found.earlier, sorted(asked)) == (9, [9, 10, 11, 12])
    assert [it.changed for it in found.rows] == [{}, {}, {}]
    assert deployment_history(registry, "production", most=12).earlier == 0


def test_a_revision_shows_all_that_it_changed(registry):
    schema = {"prod.top": RecordedSchema(columns={"id": "INT"})}
    first = bundle(registry, "jobs:\n  - a\n", "SELECT 1\nFROM a\n", schemas=schema, params={"DB": "p"})
    schema = {"prod.top": RecordedSchema(columns={"id": "BIGINT", "n": "INT"})}
    second = bundle(
        registry, "jobs:\n  - b\n", "SELECT 2\nFROM a\n", None, schemas=schema,
        params={"DB": "q", "API_TOKEN": "abcdefgh", "NAMED": "${secret:X}"},
        catalog={"uri": "https://alice:geheim99@lake.example.org"},
    )  # fmt: skip
    switch(registry, {KEY: package(first), "alice/films:gone": package(first)})
    switch(registry, {KEY: package(second), "alice/films:stays": package(first)})
    found = revision(registry, "production", 2)
    assert [(it.path, it.action) for it in found.packages] == [
        ("gone", "removed"),
        ("stays", "added"),
        ("top", "changed"),
    ]
    assert (found.has_before, found.has_after, found.unchanged) == (True, False, 0)
    diff = found.packages[2].diff
    (workflow,) = diff.workflows
    assert (workflow.name, workflow.action, workflow.lines) == (
        "alice.top.main",
        "changed",
        (" jobs:", "-  - a", "+  - b"),
    )
    assert workflow.notes == ("schedule: 0 3 * * * UTC → none",)
    (script,) = diff.scripts
    assert (script.name, script.lines) == ("top/src/write.sql", ("-SELECT 1", "+SELECT 2", " FROM a"))
    assert diff.tables == ("prod.top: column id: INT to BIGINT", "prod.top: column n INT added")
    assert diff.settings == (
        "params: API_TOKEN: none → ***",
        "params: DB: p → q",
        "params: NAMED: none → ${secret:X}",
        "catalog: uri: none → https://lake.example.org",
    )
    assert [(it.name, it.before[:8], it.after[:8]) for it in diff.assets] == [
        ("top/src/write.sql", "1a2b3c4d", "1a2b3c4d")
    ]
    assert revision(registry, "production", 1).has_before is False
    assert revision(registry, "production", 3) is None
    assert revision(registry, "production", 0) is None


def test_a_bundle_that_is_gone_is_said_and_hides_nothing_else(registry, tmp_path):
    kept, lost = bundle(registry), bundle(registry, "version: 3\n")
    switch(registry, {KEY: package(lost), "alice/films:other": package(kept)})
    (tmp_path / "registry" / "objects" / lost).unlink()
    top, other = sorted(revision(registry, "production", 1).packages, key=lambda it: it.path, reverse=True)
    assert top.diff is None
    assert "is missing in the registry" in top.why
    assert other.diff.workflows[0].action == "added"


def test_the_definitions_that_write_a_table_are_those_that_were_deployed(registry):
    switch(
        registry,
        {KEY: package(bundle(registry, "jobs: []\n", "SELECT 7\n")), "a/b:c": package("0" * 64, writes=("x.y",))},
    )
    (found,) = definitions_of(registry, "production", "prod.top")
    assert (found.repository, found.package, found.workflows) == ("alice/films", "top", ("alice.top.main",))
    assert [(it.name, it.text) for it in (*found.definitions, *found.scripts)] == [
        ("top/main.sch.yaml", "jobs: []\n"),
        ("top/src/write.sql", "SELECT 7\n"),
    ]
    assert definitions_of(registry, "production", "prod.other") == []
    assert definitions_of(registry, "nowhere", "prod.top") == []


@pytest.mark.parametrize("text", HOSTILE)
def test_what_others_deploy_stays_text(registry, text):
    switch(registry, {KEY: package(bundle(registry, text, text, id=text), repository=text, commit=text)}, by=text)
    found = revision(registry, "production", 1)
    assert (found.row.by, found.packages[0].diff.workflows[0].name) == (text, text)
    assert definitions_of(registry, "production", "prod.top")[0].scripts[0].text == text
