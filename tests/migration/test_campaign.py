"""Campaigns as a table's owner runs them, without Spark."""

from __future__ import annotations

import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataflow.migration.store import CampaignStore
from tests.support.team import DEADLINE, READERS, create

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")


def test_a_plan_names_who_is_touched_by_column_down_to_the_last_and_on_which_lines(team):
    plan = team.command.json("migration", "plan", "prod.plays", "--rename", "hours=view_hours")
    roles = {each["workflow"]: each["role"] for each in plan["touched"]}
    assert roles == {**dict.fromkeys(READERS, "reads"), "alice.plays": "writes", "erin.board": "downstream"}
    bob = next(each for each in plan["touched"] if each["workflow"] == "bob.one")
    assert [(Path(line["file"]).parent.name, line["number"]) for line in bob["lines"]] == [
        ("bob_one", 2),
        ("bob_one", 4),
    ]
    assert plan["owners"]["carol"] == ["carol.one", "carol.two"]
    assert [step["name"] for step in plan["steps"]] == [
        "expand 1",
        "expand 2",
        "expand 3",
        "move",
        "contract 1",
    ]

    text = team.migration("plan", "prod.plays", "--rename", "hours=view_hours").stdout
    assert "breaking  rename column hours to view_hours" in text
    assert "bob_one/write.sql:2: SELECT id, sum(p.hours) AS total" in text

    other = team.command.json("migration", "plan", "prod.plays", "--drop", "date")
    assert [each["workflow"] for each in other["touched"]] == ["alice.plays"]  # nobody reads it

    safe = team.migration("plan", "prod.plays", "--type", "id=bigint").stdout
    assert "safe      change the type of id to BIGINT" in safe


def test_what_needs_another_table_is_planned_with_who_is_touched_and_not_started(team):
    ddl = "CREATE TABLE prod.plays (id INT, hours DOUBLE, date DATE) USING iceberg PARTITIONED BY (date)"
    (team.folder / "new.sql").write_text(ddl)
    found = team.command.json("migration", "plan", "prod.plays", "--to", "new.sql")
    assert [(change["kind"], change["safe"]) for change in found["changes"]] == [("partition", False)]
    assert {each["workflow"] for each in found["touched"]} >= {*READERS, "alice.plays"}
    assert found["steps"] == []
    said = '"partition by date" can\'t be migrated column by column; replace the table instead'
    assert said in found["notes"][0]
    assert "steps: none, see the note" in team.migration("plan", "prod.plays", "--to", "new.sql").stdout
    done = team.migration("start", "prod.plays", "--to", "new.sql", "--deadline", DEADLINE, code=2)
    assert said in done.stderr
    assert "--replace-by NEW" in done.stderr


def test_a_plan_names_who_fails_once_the_table_has_a_column_more(team):
    assert team.plan()["by_position"] == []
    script = team.folder / "dave_one" / "write.sql"
    script.write_text("INSERT OVERWRITE out.dave_one\nSELECT * FROM prod.plays\n")
    (said,) = team.plan()["by_position"]
    (line,) = said["lines"]
    dave = {"workflow": "dave.one", "owner": "dave", "role": "takes all", "writes": ["out.dave_one"]}
    assert said == {**said, **dave}
    assert (line["file"], line["number"], line["text"]) == (str(script), 2, "SELECT * FROM prod.plays")
    text = team.migration("plan", "prod.plays", "--rename", "hours=view_hours").stdout
    place = "  dave.one (dave) · in files here TIME\n      dave_one/write.sql:2: SELECT * FROM prod.plays\n"
    assert f"select all columns by position: fail when a column is added\n{place}" in TIME.sub("TIME", text)
    assert team.command.json("migration", "plan", "prod.plays", "--drop", "hours")["by_position"] == []
    wanted = team.folder / "wanted.sql"
    wanted.write_text("CREATE TABLE prod.plays (id INT, hours DOUBLE, date DATE, more INT) USING iceberg")
    plan = team.command.json("migration", "plan", "prod.plays", "--to", wanted)
    assert (plan["breaking"], plan["by_position"]) == (False, [said])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "prod.play", "--drop", "hours"), "did you mean 'prod.plays'?"),
        (("plan", "prod.plays", "--drop", "hour"), "did you mean 'hours'?"),
        (("plan", "prod.plays", "--type", "hours=bigit"), "'bigit' is not a known type"),
        (("plan", "prod.plays", "--rename", "hours"), "'--rename hours' is not OLD=NEW"),
        (("plan", "prod.plays", "--to", "none.sql"), "there is no file 'none.sql'"),
        (("plan", "prod.plays", "--replace-by", "prod.plays"), "can't be replaced by itself"),
        (("plan", "prod.plays", "--drop-table", "--drop", "hours"), "can't be combined with column changes"),
        (("start", "prod.plays", "--drop", "hours", "--deadline", "soon"), "'soon' is not a date"),
        (
            ("start", "prod.plays", "--drop", "hours", "--deadline", "2020-01-01"),
            "the deadline 2020-01-01 is not in the future",
        ),
        (("start", "prod.plays", "--type", "id=bigint", "--deadline", DEADLINE), "no migration campaign is needed"),
        (("status",), "no campaigns are open"),
        (("lineage", "prod.plays.hour"), "did you mean 'hours'?"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(team, arguments, said):
    done = team.migration(*arguments, code=2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (team.folder / "migrations").exists()


def test_a_campaign_is_a_file_to_review_and_a_second_on_the_table_is_refused(team):
    done = team.start()
    (file,) = (team.folder / "migrations").iterdir()
    text = file.read_text()
    assert "deadline: '" + DEADLINE in text
    assert "bob_one/write.sql:2: SELECT id, sum(p.hours) AS total" in text
    assert "6 workflows to move" in done.stdout
    assert "prod.plays already has an open campaign" in team.start("--name", "again", code=2).stderr
    assert [path.name for path in (team.folder / "migrations").iterdir()] == [file.name]
    assert [row["state"] for row in team.command.json("migration", "list")] == ["open"]


def test_readers_are_not_sent_in_a_circle(team):
    create("prod.better")
    team.migration("start", "prod.plays", "--replace-by", "prod.better", "--deadline", DEADLINE, "--name", "there")
    back = ("start", "prod.better", "--replace-by", "prod.plays", "--deadline", DEADLINE)
    done = team.migration(*back, code=2)
    assert "prod.plays can't replace prod.better: campaign there will replace the table" in done.stderr
    assert [path.name for path in (team.folder / "migrations").iterdir()] == ["there.yaml"]
    team.migration("cancel", "there")
    team.migration(*back)


def test_a_campaign_that_somebody_began_to_cancel_is_not_gone_on_with(team):
    team.start("--name", "hours")
    CampaignStore(team.state.database, "sandbox").note("hours", "cancelling", "hours", "alice")
    done = team.migration("apply", code=2)
    assert "campaign hours is being cancelled" in done.stderr
    assert "dataflow migration cancel hours" in done.stderr


def test_a_reason_without_a_force_is_not_dropped_in_silence(team):
    team.start()
    assert "--reason can only be used with --force" in team.migration("apply", "--reason", "why", code=2).stderr


def test_a_campaign_that_is_refused_leaves_the_open_one_s_file_as_it_was(team):
    team.start("--name", "hours")
    file = team.folder / "migrations" / "hours.yaml"
    before = file.read_text()
    for wish in (["--drop", "id"], ["--rename", "hours=h"]):
        team.migration("start", "prod.plays", *wish, "--deadline", DEADLINE, "--name", "hours", code=2)
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == ["hours.yaml"]
    assert "is not a valid campaign name" in team.start("--name", "../../evil", code=2).stderr


def test_a_file_that_another_environment_s_campaign_has_is_left_alone(team):
    file = team.folder / "migrations" / "hours.yaml"
    file.parent.mkdir()
    file.write_text("another's\n")
    assert "migrations/hours.yaml already exists" in team.start("--name", "hours", code=2).stderr
    plain = f"prod-plays-{dt.datetime.now(dt.UTC):%Y%m%d}"
    file.rename(file.with_name(f"{plain}.yaml"))
    team.start()
    assert {path.name for path in file.parent.iterdir()} == {f"{plain}.yaml", f"{plain}-2.yaml"}
    assert file.with_name(f"{plain}.yaml").read_text() == "another's\n"


def test_what_several_note_at_once_is_all_kept(team):
    team.start("--name", "hours")
    campaigns = CampaignStore(team.state.database, "sandbox")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: campaigns.note("hours", "acked", f"w{number}", "alice"), range(80)))
    found = {event.subject for event in campaigns.events("hours") if event.kind == "acked"}
    assert found == {f"w{number}" for number in range(80)}


def test_nobody_is_sent_to_a_table_that_is_let_go_meanwhile(team):
    create("prod.better", "prod.best")
    team.migration("start", "prod.plays", "--replace-by", "prod.better", "--deadline", DEADLINE)
    for wish in (["--drop-table"], ["--replace-by", "prod.best"]):
        done = team.migration("start", "prod.better", *wish, "--deadline", DEADLINE, code=2)
        assert "prod.better can't be dropped: campaign" in done.stderr
        assert "moves readers of prod.plays to it" in done.stderr


def test_killed_between_the_last_step_and_its_end_the_campaign_is_ended_by_apply(team):
    team.start("--name", "hours")
    campaigns = CampaignStore(team.state.database, "sandbox")
    for step in ("expand 1", "expand 2", "expand 3", "contract 1"):
        campaigns.note("hours", "applied", step, "alice")
    assert "campaign hours is done" in team.migration("apply").stdout
    assert campaigns.get("hours").state == "done"
    assert team.status()["state"] == "done"  # of what ended, the last is shown
    assert "no campaigns are open" in team.migration("apply", code=2).stderr


def test_a_campaign_is_carried_out_where_it_was_started(team):
    (team.folder / "dataflow.yaml").write_text(f"{team.project}  staging:\n    state: {team.state.address}\n")
    team.start("--name", "hours")
    for command in (["apply"], ["cancel"], ["verify"], ["status"], ["ack", "bob"], ["notify"]):
        assert "no campaigns are open in staging" in team.migration(*command, "--env", "staging", code=2).stderr
    named = team.migration("apply", "hours", "--env", "staging", code=2).stderr
    assert "campaign hours is in sandbox, not in staging" in named
    listed = team.command.json("migration", "list", "--env", "staging")
    assert [(row["campaign"], row["environment"], row["state"]) for row in listed] == [("hours", "sandbox", "open")]


def test_the_contract_is_refused_by_name_before_spark_is_started(team):
    team.start()
    from dataflow.state.utc import now

    campaigns = CampaignStore(team.state.database, "sandbox")
    name = campaigns.get(None).id
    for step in ("expand 1", "expand 2", "expand 3"):
        campaigns.note(name, "applied", step, "alice")
    for reader in ("bob.one", "bob.two", "carol.one", "carol.two"):
        team.ran(reader, "view_hours", now())
    done = team.migration("apply", code=1)
    assert "2 of 6 workflows have not moved: dave.one (dave), alice.plays (alice)" in done.stderr
    team.state.add("alice.plays", "prod.plays", "raw.events.seconds -> view_hours", seen=now())
    done = team.migration("apply", code=1)
    assert "1 of 6 workflows have not moved: dave.one (dave)" in done.stderr
    assert "--force needs a --reason" in team.migration("apply", "--force", code=2).stderr


def test_cancel_is_refused_while_somebody_reads_or_writes_what_it_would_take_back(team):
    team.start()
    campaigns = CampaignStore(team.state.database, "sandbox")
    campaigns.note(campaigns.get(None).id, "applied", "expand 2", "alice")
    team.ran("bob.one", "view_hours")
    now = dt.datetime.now(dt.UTC)
    team.state.add("alice.plays", "prod.plays", "raw.events.seconds -> view_hours", seen=now)
    team.state.add("dave.zero", "prod.plays", "raw.events.id -> id", given=["id", "view_hours"], seen=now)
    done = team.migration("cancel", code=1)
    assert "alice.plays, bob.one, dave.zero use view_hours by now, which would be taken away" in done.stderr
    assert [row["state"] for row in team.command.json("migration", "list")] == ["open"]


def test_cancel_before_anything_was_applied_needs_no_spark(team):
    team.start()
    team.migration("cancel", "--reason", "never mind")
    assert [row["state"] for row in team.command.json("migration", "list")] == ["cancelled"]
    first = team.status()["campaign"]
    team.start()  # on the same day
    assert team.status()["campaign"] == f"{first}-2"
    team.migration("cancel")
    team.start("--name", "again")
    assert team.status()["campaign"] == "again"
