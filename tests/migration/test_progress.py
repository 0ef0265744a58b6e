"""Who has moved, as seen by what runs and is deployed, or by their own word."""

from __future__ import annotations

import datetime as dt

import pytest

from dataflow.lineage.model import Origin
from dataflow.lineage.store.reader import LineageStore
from tests.support.team import DEADLINE, OLD, create


def test_who_only_names_a_column_is_a_reader_until_a_run_does_not(team):
    name, target = "dave.one", "out.dave_one"
    script = team.folder / "dave_one" / "write.sql"
    script.write_text(f"INSERT OVERWRITE {target} SELECT id, 1 AS total\nFROM (SELECT id, hours FROM prod.plays)\n")
    (said,) = (each for each in team.plan()["touched"] if each["workflow"] == name)
    assert (said["role"], said["columns"]) == ("reads", ["hours"])
    assert [line["number"] for line in said["lines"]] == [2]
    team.start()
    for more, state in (("prod.plays.hours ..", "open"), ("prod.plays.view_hours ..", "moved")):
        now = dt.datetime.now(dt.UTC)
        team.state.add(name, target, "prod.plays.id -> id", more, seen=now, environment="sandbox")
        assert {each["workflow"]: each["state"] for each in team.status()["readers"]}[name] == state
    now = dt.datetime.now(dt.UTC)
    team.state.add(name, target, "raw.other.id -> id", "prod.plays.hours ..", seen=now, environment="sandbox")
    assert {each["workflow"]: each["state"] for each in team.status()["readers"]}[name] == "open"
    edges = team.command.json("migration", "lineage", "prod.plays.hours")
    assert target not in str(edges)
    assert name not in {
        each.workflow for _, found in LineageStore(team.state.address).readers({"prod.plays"}) for each in found
    }


def test_who_reads_a_table_with_its_columns_unknown_is_never_counted_as_moved(team):
    team.start()
    now = dt.datetime.now(dt.UTC)
    flows = ("prod.plays", "prod.plays.view_hours -> hours", "prod.plays.* ..")
    team.state.add("dave.one", "out.dave_one", *flows, seen=now, environment="sandbox")
    found = {each["workflow"]: each for each in team.status()["readers"]}["dave.one"]
    assert found["state"] == "open"
    assert found["why"].endswith("may read it: its columns are unknown")
    (edge,) = (
        edge
        for each in team.command.json("migration", "lineage", "prod.plays.hours", "--downstream")["workflows"]
        if each["workflow"] == "dave.one" and each["source"] == "recorded"
        for edge in each["takes"]
    )
    assert edge == {"from": "prod.plays.hours", "into": None, "decides": False}
    team.state.add("frank.new", "out.frank", "prod.plays", "prod.plays.* ..", seen=now, environment="sandbox")
    assert {each["workflow"]: each["state"] for each in team.status()["readers"]}["frank.new"] == "open"
    shown = team.migration("lineage", "prod.plays.hours", "--downstream").stdout
    (line,) = (line for line in shown.splitlines() if "out.frank" in line)
    assert "frank.new (frank), may read it: its columns are unknown · recorded by a run 2" in line
    assert "*" not in LineageStore(team.state.address).columns("prod.plays")


def test_readers_count_as_moved_by_their_latest_run_and_others_by_their_word(team):
    team.start()
    assert {each["state"] for each in team.status()["readers"]} == {"open"}
    team.ran("bob.one", "view_hours")
    team.migration("ack", "carol", "--note", "both are retired")
    found = {each["workflow"]: each for each in team.status()["readers"]}
    assert {name: each["state"] for name, each in found.items()} == {
        "alice.plays": "open",
        "bob.one": "moved", "bob.two": "open", "carol.one": "acked", "carol.two": "acked", "dave.one": "open",
    }  # fmt: skip
    assert found["carol.one"]["why"] == "alice: both are retired"

    team.ran("carol.two", "hours")  # it said so, and runs with the old name all the same
    team.ran("frank.new", "hours")  # somebody began to read the old name meanwhile
    found = {each["workflow"]: each for each in team.status()["readers"]}
    assert found["carol.two"]["why"].startswith("acknowledged, but a later run reads it")
    assert found["frank.new"]["state"] == "open"
    assert team.status()["burn_down"][-1]["open"] == 5

    text = team.migration("status").stdout
    assert "2 of 7 moved" in text
    assert "contract 1" in text
    page = team.migration("status", "--output", "html").stdout
    assert page.startswith("<!doctype html>")
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_patch_that_is_tried_out_elsewhere_moves_nobody_here(team):
    team.start()
    team.ran("bob.one", "view_hours", environment="staging")
    assert {each["workflow"]: each["state"] for each in team.status()["readers"]}["bob.one"] == "open"
    team.ran("bob.one", "view_hours")
    team.ran("bob.one", "hours", environment="staging")
    assert {each["workflow"]: each["state"] for each in team.status()["readers"]}["bob.one"] == "moved"


def test_a_writer_that_still_reads_the_old_column_of_its_own_table_has_not_moved(team):
    team.start()
    for source, state in (("prod.plays.hours", "open"), ("prod.plays.view_hours", "moved")):
        now = dt.datetime.now(dt.UTC)
        team.state.add("alice.plays", "prod.plays", f"{source} -> view_hours", seen=now)
        found = {each["workflow"]: each["state"] for each in team.status()["readers"]}
        assert found["alice.plays"] == state


@pytest.mark.parametrize("origin", [Origin.RECORDED, Origin.DEPLOYED])
def test_a_writer_that_gives_the_old_column_a_constant_has_not_moved(team, origin):
    team.start()
    for given, state in (("hours", "open"), ("view_hours", "moved")):
        now = dt.datetime.now(dt.UTC)
        team.state.add("alice.plays", "prod.plays", "raw.events.k -> id", given=[given], origin=origin, seen=now)
        found = {each["workflow"]: each["state"] for each in team.status()["readers"]}
        assert found["alice.plays"] == state


def test_a_writer_whose_audits_still_look_at_the_old_column_has_not_moved(team):
    team.start()
    for needed, state in ((["id", "Hours"], "open"), (["id"], "moved")):
        now = dt.datetime.now(dt.UTC)
        team.state.add("alice.plays", "prod.plays", "raw.events.s -> view_hours", needed=needed, seen=now)
        (found,) = [each for each in team.status()["readers"] if each["workflow"] == "alice.plays"]
        assert found["state"] == state
    team.state.add("alice.plays", "prod.plays", "raw.events", needed=["id"], seen=now)
    assert "may write it: its columns are unknown" in team.migration("status").stdout


def test_a_view_waits_for_a_writer_that_reads_the_table_as_well(team):
    create("prod.better")
    team.state.add("alice.plays", "out.daily", "prod.plays.hours -> hours", seen=OLD)
    team.migration("start", "prod.plays", "--replace-by", "prod.better", "--deadline", DEADLINE)
    done = team.migration("apply", code=1)
    assert "1 of 1 workflows have not moved: alice.plays (alice)" in done.stderr


def test_a_reader_that_came_late_can_be_acknowledged_and_is_counted(team):
    team.start()
    team.ran("erin.late", "hours")
    assert (len(team.status()["readers"]), team.status()["burn_down"][-1]["open"]) == (7, 7)
    team.migration("ack", "erin.late", "--note", "ran once")
    found = {each["workflow"]: each["state"] for each in team.status()["readers"]}
    assert (found["erin.late"], team.status()["burn_down"][-1]["open"]) == ("acked", 6)
    team.ran("erin.late", "view_hours")
    assert {each["workflow"]: each["state"] for each in team.status()["readers"]}["erin.late"] == "moved"


def test_ack_of_nobody_names_the_nearest(team):
    team.start()
    assert "did you mean 'carol'?" in team.migration("ack", "carl", code=2).stderr


def test_a_trial_of_a_writer_and_of_who_is_only_deployed_here_moves_nobody_either(team):
    team.start()
    now = dt.datetime.now(dt.UTC)
    for given, where in (("hours", "sandbox"), ("view_hours", "staging")):
        team.state.add("alice.plays", "prod.plays", "raw.events.k -> id", given=[given], seen=now, environment=where)
    read = {"seen": OLD, "environment": "sandbox", "origin": Origin.DEPLOYED}
    team.state.add("frank.monthly", "out.monthly", "prod.plays.hours -> total", **read)
    team.state.add("frank.monthly", "out.trial", "prod.plays.view_hours -> total", seen=now, environment="staging")
    found = {each["workflow"]: each["state"] for each in team.status()["readers"]}
    assert (found["alice.plays"], found["frank.monthly"]) == ("open", "open")
