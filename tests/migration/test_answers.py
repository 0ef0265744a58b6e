"""What the commands on a campaign answer scripts."""

from __future__ import annotations

from pathlib import Path

from dataflow.migration.store import CampaignStore
from tests.support.team import DEADLINE


def test_a_campaign_answers_scripts_at_each_step(team):
    ask = team.command.json
    wish = ("prod.plays", "--rename", "hours=view_hours", "--deadline", DEADLINE, "--name", "hours")
    started = ask("migration", "start", *wish)
    assert (started["campaign"], started["deadline"]) == ("hours", DEADLINE)
    assert Path(started["file"]).name == "hours.yaml"
    assert started["plan"]["table"] == "prod.plays"

    due = ask("migration", "notify", "--dry-run")
    assert due["sent"] == due["failed"] == due["doubtful"] == []
    assert sorted(it["owner"] for it in due["due"]) == ["bob", "carol", "dave"]
    sent = ask("migration", "notify", "--files", "messages")
    assert [it["subject"] for it in sent["due"]] == [it["subject"] for it in due["due"]]
    assert sorted(it["owner"] for it in sent["sent"]) == sorted(it["owner"] for it in due["due"])
    assert {it["level"] for it in sent["sent"]} == {"announcement"}
    assert all(Path(team.folder, it["to"]).is_file() for it in sent["sent"])
    assert ask("migration", "notify", "--dry-run")["due"] == []

    assert ask("migration", "ack", "bob", "--note", "retired") == {"acknowledged": ["bob.one", "bob.two"]}
    campaigns = CampaignStore(team.state.database, "sandbox")
    for step in ("expand 1", "expand 2", "expand 3", "contract 1"):
        campaigns.note("hours", "applied", step, "alice")
    applied = ask("migration", "apply")
    assert applied == {"campaign": "hours", "table": "prod.plays", "applied": [], "next": None, "done": True}


def test_a_campaign_that_is_cancelled_says_what_is_left_of_it(team):
    team.start("--name", "hours")
    cancelled = team.command.json("migration", "cancel", "--reason", "we keep it")
    assert (cancelled["campaign"], cancelled["table"]) == ("hours", "prod.plays")
    assert isinstance(cancelled["not_undone"], list)
