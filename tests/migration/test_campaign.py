"""Campaigns as a table's owner runs them, without Spark; mail and web are real."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lineage_state import State
from servers import PROJECT, Hook, Mail

from dataflow.engine.catalog import open_catalog
from dataflow.migration.state import Campaigns
from dataflow.migration.store import Store
from dataflow.workflow.flow import Origin
from dataflow.workflow.project import Environment

OLD = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
DEADLINE = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=60)).isoformat()
READER = """\
INSERT OVERWRITE out.{name} PARTITION (date = DATE '2026-01-01')
SELECT id, sum(p.hours) AS total
FROM prod.plays AS p
WHERE p.hours > 0
GROUP BY id
"""
MAIN = """\
version: 1
workflow:
  id: {id}
  owner: {owner}
jobs:
  - job:
      id: write
      type: Spark
      spark:
        script: write.sql
"""
READERS = {"bob.one": "bob", "bob.two": "bob", "carol.one": "carol", "carol.two": "carol", "dave.one": "dave"}


@pytest.fixture
def mail():
    with Mail() as found:
        yield found


@pytest.fixture
def hook():
    with Hook() as found:
        yield found


def create(*tables):
    """Make tables in the catalog."""
    import pyarrow as pa

    catalog = open_catalog(Environment("sandbox"))
    catalog.create_namespace_if_not_exists("prod")
    schema = pa.schema([("id", pa.int32()), ("hours", pa.float64()), ("date", pa.date32())])
    for table in tables:
        catalog.create_table(table, schema, location=str(Path(os.environ["DATAFLOW_HOME"]) / table))


class Team:
    """A repository with five readers of prod.plays, whose runs are on record."""

    def __init__(self, command, state, mail, hook):
        self.command, self.state = command, state
        self.folder = command.folder
        self.project = PROJECT.format(name="sandbox", state=state.address, port=mail.port, hook=hook.address)
        (self.folder / "dataflow.yaml").write_text(self.project)
        for name, owner in READERS.items():
            folder = self.folder / name.replace(".", "_")
            folder.mkdir()
            (folder / "main.sch.yaml").write_text(MAIN.format(id=name, owner=owner))
            (folder / "write.sql").write_text(READER.format(name=folder.name))
            self.ran(name, "hours", OLD)
        state.add("alice.plays", "prod.plays", "raw.events.seconds -> hours", seen=OLD)
        state.add("erin.board", "out.board", "out.bob_one.total -> total", seen=OLD)

    def ran(self, name, column, seen=None, environment="sandbox"):
        """Record a run of a reader that reads a column."""
        target = f"out.{name.replace('.', '_')}"
        flows = (f"prod.plays.{column} -> total", f"prod.plays.{column} ~>", "prod.plays.id -> id")
        self.state.add(name, target, *flows, seen=seen or dt.datetime.now(dt.UTC), environment=environment)

    def migration(self, *arguments, **options):
        return self.command("migration", *arguments, **options)

    def start(self, *more, **options):
        return self.migration(
            "start", "prod.plays", "--rename", "hours=view_hours", "--deadline", DEADLINE, *more, **options
        )

    def plan(self):
        return self.command.json("migration", "plan", "prod.plays", "--rename", "hours=view_hours")

    def status(self):
        return self.command.json("migration", "status")


@pytest.fixture
def team(here_command, mail, hook):
    home = Path(here_command.environ["DATAFLOW_HOME"])
    create("prod.plays")
    state = State(f"sqlite:///{home / 'team.db'}")
    yield Team(here_command, state, mail, hook)
    state.records.close()


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
        "expand 1", "expand 2", "expand 3", "move", "contract 1",
    ]  # fmt: skip

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
    said = "to partition by date is nothing that readers can move through column by column"
    assert said in found["notes"][0]
    assert "steps: none, see the note" in team.migration("plan", "prod.plays", "--to", "new.sql").stdout
    done = team.migration("start", "prod.plays", "--to", "new.sql", "--deadline", DEADLINE, code=2)
    assert said in done.stderr
    assert "--replace-by NEW" in done.stderr


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
        each.workflow for _, found in Store(team.state.address).readers({"prod.plays"}) for each in found
    }


def test_a_plan_names_who_fails_once_the_table_has_a_column_more(team):
    assert team.plan()["by_position"] == []
    script = team.folder / "dave_one" / "write.sql"
    script.write_text("INSERT OVERWRITE out.dave_one\nSELECT * FROM prod.plays\n")
    (said,) = team.plan()["by_position"]
    (line,) = said["lines"]
    assert (said["workflow"], said["owner"], said["role"], said["writes"]) == (
        "dave.one", "dave", "takes all", ["out.dave_one"],
    )  # fmt: skip
    assert (line["file"], line["number"], line["text"]) == (str(script), 2, "SELECT * FROM prod.plays")
    text = team.migration("plan", "prod.plays", "--rename", "hours=view_hours").stdout
    place = "  dave.one (dave) · checkout just now\n      dave_one/write.sql:2: SELECT * FROM prod.plays\n"
    assert f"takes all columns by position: fails once a column is added\n{place}" in text
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
        (("plan", "prod.plays", "--type", "hours=bigit"), "'bigit' is no type that can be read"),
        (("plan", "prod.plays", "--rename", "hours"), "'--rename hours' is no pair"),
        (("plan", "prod.plays", "--to", "none.sql"), "there is no file 'none.sql'"),
        (("plan", "prod.plays", "--replace-by", "prod.plays"), "can't be replaced by itself"),
        (("plan", "prod.plays", "--drop-table", "--drop", "hours"), "prod.plays can't go and change as well"),
        (("start", "prod.plays", "--drop", "hours", "--deadline", "soon"), "'soon' is no date"),
        (("start", "prod.plays", "--drop", "hours", "--deadline", "2020-01-01"), "the deadline 2020-01-01 is over"),
        (("start", "prod.plays", "--type", "id=bigint", "--deadline", DEADLINE), "it needs no campaign"),
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
    assert "a campaign is open on prod.plays already" in team.start("--name", "again", code=2).stderr
    assert [path.name for path in (team.folder / "migrations").iterdir()] == [file.name]
    assert [row["state"] for row in team.command.json("migration", "list")] == ["open"]


def test_readers_are_not_sent_in_a_circle(team):
    create("prod.better")
    team.migration("start", "prod.plays", "--replace-by", "prod.better", "--deadline", DEADLINE, "--name", "there")
    back = ("start", "prod.better", "--replace-by", "prod.plays", "--deadline", DEADLINE)
    done = team.migration(*back, code=2)
    assert "prod.plays can't take the place of prod.better: campaign there is to replace the table" in done.stderr
    assert [path.name for path in (team.folder / "migrations").iterdir()] == ["there.yaml"]
    team.migration("cancel", "there")
    team.migration(*back)


def test_a_message_says_whether_the_new_is_there_already(team):
    team.start("--name", "hours")
    assert "The new is not there yet" in team.migration("notify", "--dry-run").stdout
    campaigns = Campaigns(team.state.records, "sandbox")
    for step in ("expand 1", "expand 2", "expand 3"):
        campaigns.note("hours", "applied", step, "alice")
    assert "Old and new stand side by side until then" in team.migration("notify", "--dry-run").stdout


def test_a_campaign_that_somebody_began_to_cancel_is_not_gone_on_with(team):
    team.start("--name", "hours")
    Campaigns(team.state.records, "sandbox").note("hours", "cancelling", "hours", "alice")
    done = team.migration("apply", code=2)
    assert "campaign hours is being cancelled" in done.stderr
    assert "dataflow migration cancel hours" in done.stderr


def test_a_reason_without_a_force_is_not_dropped_in_silence(team):
    team.start()
    assert "--reason is what is kept of a --force" in team.migration("apply", "--reason", "why", code=2).stderr


def test_a_campaign_that_is_refused_leaves_the_open_one_s_file_as_it_was(team):
    team.start("--name", "hours")
    file = team.folder / "migrations" / "hours.yaml"
    before = file.read_text()
    for wish in (["--drop", "id"], ["--rename", "hours=h"]):
        team.migration("start", "prod.plays", *wish, "--deadline", DEADLINE, "--name", "hours", code=2)
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == ["hours.yaml"]
    assert "can't name a campaign" in team.start("--name", "../../evil", code=2).stderr


def test_nobody_is_sent_to_a_table_that_is_let_go_meanwhile(team):
    create("prod.better", "prod.best")
    team.migration("start", "prod.plays", "--replace-by", "prod.better", "--deadline", DEADLINE)
    for wish in (["--drop-table"], ["--replace-by", "prod.best"]):
        done = team.migration("start", "prod.better", *wish, "--deadline", DEADLINE, code=2)
        assert "prod.better can't go: campaign" in done.stderr
        assert "sends readers of prod.plays there" in done.stderr


def test_killed_between_the_last_step_and_its_end_the_campaign_is_ended_by_apply(team):
    team.start("--name", "hours")
    campaigns = Campaigns(team.state.records, "sandbox")
    for step in ("expand 1", "expand 2", "expand 3", "contract 1"):
        campaigns.note("hours", "applied", step, "alice")
    assert "campaign hours is done" in team.migration("apply").stdout
    assert campaigns.get("hours").state == "done"
    assert team.status()["state"] == "done"  # of what ended, the last is shown
    assert "no campaigns are open" in team.migration("apply", code=2).stderr


def test_each_owner_is_told_once_of_their_own_workflows_lines_and_a_patch(team, mail, hook):
    team.start()
    dry = team.migration("notify", "--dry-run").stdout
    assert mail.mails == []
    done = team.migration("notify")
    assert "told bob (announcement): bob@example.org" in done.stdout
    ((subject, text),) = mail.to("bob@example.org")
    assert subject.startswith("prod.plays: rename column hours to view_hours by " + DEADLINE)
    assert text.strip() in dry
    assert "bob.one" in text
    assert "carol" not in text
    assert "bob_one/write.sql:4: WHERE p.hours > 0" in text
    assert "-SELECT id, sum(p.hours) AS total\n+SELECT id, sum(p.view_hours) AS total" in text
    assert "dataflow migration ack bob --campaign" in text
    (posted,) = hook.texts
    assert "carol.one" in posted
    assert len(mail.to("dave@example.org")) == 1

    again = team.migration("notify")
    assert "nobody has to be told anything now" in again.stdout
    assert len(mail.mails) == 2
    assert len(hook.texts) == 1


def test_reminders_come_as_the_deadline_nears_and_grow_more_pressing(team, mail):
    team.start()
    team.migration("notify")
    from dataflow.migration.state import campaigns

    for days, said in ((30, "30 days left"), (6, "6 days left"), (1, "1 day left"), (-1, "OVERDUE")):
        today = dt.datetime.now(dt.UTC)
        moved = {"opened": today - dt.timedelta(days=90), "deadline": today.date() + dt.timedelta(days=days)}
        with team.state.records.begin() as connection:
            connection.execute(campaigns.update().values(moved))
        team.migration("notify")
        team.migration("notify")
        assert mail.to("bob@example.org")[-1][0].startswith(said)
    assert len(mail.to("bob@example.org")) == 5


def test_an_owner_without_an_address_is_one_line_and_the_others_are_told(team, mail):
    team.start()
    (team.folder / "dataflow.yaml").write_text(team.project.replace("  dave:\n    email: dave@example.org\n", ""))
    done = team.migration("notify", code=1)
    assert "not told: dave: there is no address for 'dave'" in done.stderr
    assert "add owners.dave.email" in done.stderr
    assert len(mail.to("bob@example.org")) == 1
    (team.folder / "dataflow.yaml").write_text(team.project)
    assert "told dave" in team.migration("notify").stdout
    assert len(mail.mails) == 2


def test_messages_can_go_into_files(team, mail):
    team.start()
    team.migration("notify", "--files", "out-box")
    assert sorted(path.name for path in (team.folder / "out-box").iterdir()) == [
        "bob-announcement.txt", "carol-announcement.txt", "dave-announcement.txt",
    ]  # fmt: skip
    assert mail.mails == []


def test_killed_while_sending_nobody_is_told_twice(team, mail):
    team.start()
    mail.waits_for = "dave@example.org"
    process = subprocess.Popen(
        [sys.executable, "-m", "dataflow", "migration", "notify"], cwd=team.folder, env=team.command.environ,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert mail.waiting.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    mail.waits_for = None
    done = team.migration("notify")
    assert "dave (announcement) may or may not have been told" in done.stderr + done.stdout
    assert len(mail.to("bob@example.org")) == 1
    assert len(mail.to("dave@example.org")) == 1


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


def test_a_campaign_is_carried_out_where_it_was_started(team):
    (team.folder / "dataflow.yaml").write_text(f"{team.project}  staging:\n    state: {team.state.address}\n")
    team.start("--name", "hours")
    for command in (["apply"], ["cancel"], ["verify"], ["status"], ["ack", "bob"], ["notify"]):
        assert "no campaigns are open in staging" in team.migration(*command, "--env", "staging", code=2).stderr
    named = team.migration("apply", "hours", "--env", "staging", code=2).stderr
    assert "campaign hours is in sandbox, not in staging" in named
    listed = team.command.json("migration", "list", "--env", "staging")
    assert [(row["campaign"], row["environment"], row["state"]) for row in listed] == [("hours", "sandbox", "open")]


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
    assert "may write it: its columns are not known" in team.migration("status").stdout


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


def test_the_contract_is_refused_by_name_before_spark_is_started(team):
    team.start()
    from dataflow.engine.records import now

    campaigns = Campaigns(team.state.records, "sandbox")
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
    campaigns = Campaigns(team.state.records, "sandbox")
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
    team.start("--name", "again")
    assert json.loads(team.migration("status", "--output", "json").stdout)["campaign"] == "again"
