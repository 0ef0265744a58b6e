"""Messages of a campaign, to a mail server and a webhook that are real."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys

import pytest

from dataflow.migration.store import CampaignStore
from tests.support.team import DEADLINE


def test_who_takes_all_columns_by_position_is_told_before_one_is_added_and_waited_for(team):
    script = team.folder / "dave_one" / "write.sql"
    script.write_text("INSERT OVERWRITE out.dave_one\nSELECT * FROM prod.plays\n")
    team.start("--name", "hours")
    told = team.migration("notify", "--dry-run").stdout
    assert told.count("selects all columns by position, and fails when the new column is added") == 1
    CampaignStore(team.state.database, "sandbox").note("hours", "applied", "expand 1", "alice")
    done = team.migration("apply", code=1)
    assert (
        "1 workflow selects all columns by position and would fail when column view_hours is added: "
        "dave.one (dave), dave_one/" in (done.stderr)
    )
    assert "--force needs a --reason" in team.migration("apply", "--force", code=2).stderr


def test_a_message_says_whether_the_new_is_there_already(team):
    team.start("--name", "hours")
    assert "The new one does not exist yet" in team.migration("notify", "--dry-run").stdout
    campaigns = CampaignStore(team.state.database, "sandbox")
    for step in ("expand 1", "expand 2", "expand 3"):
        campaigns.note("hours", "applied", step, "alice")
    assert "Old and new both exist until then" in team.migration("notify", "--dry-run").stdout


def test_each_owner_is_told_once_of_their_own_workflows_lines_and_a_patch(team, mail, hook):
    team.start()
    dry = team.migration("notify", "--dry-run").stdout
    assert mail.mails == []
    done = team.migration("notify")
    assert "notified bob (announcement): bob@example.org" in done.stdout
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
    assert "no message is due now" in again.stdout
    assert len(mail.mails) == 2
    assert len(hook.texts) == 1


def test_reminders_come_as_the_deadline_nears_and_grow_more_pressing(team, mail):
    team.start()
    team.migration("notify")
    from dataflow.migration.store import campaigns

    for days, said in ((30, "30 days left"), (6, "6 days left"), (1, "1 day left"), (-1, "OVERDUE")):
        today = dt.datetime.now(dt.UTC)
        moved = {"opened": today - dt.timedelta(days=90), "deadline": today.date() + dt.timedelta(days=days)}
        with team.state.database.begin() as connection:
            connection.execute(campaigns.update().values(moved))
        team.migration("notify")
        team.migration("notify")
        assert mail.to("bob@example.org")[-1][0].startswith(said)
    assert len(mail.to("bob@example.org")) == 5


def test_an_owner_without_an_address_is_one_line_and_the_others_are_told(team, mail):
    team.start()
    (team.folder / "dataflow.yaml").write_text(team.project.replace("  dave:\n    email: dave@example.org\n", ""))
    done = team.migration("notify", code=1)
    assert "not notified: dave: there is no address for 'dave'" in done.stderr
    assert "add owners.dave.email" in done.stderr
    assert len(mail.to("bob@example.org")) == 1
    (team.folder / "dataflow.yaml").write_text(team.project)
    assert "notified dave" in team.migration("notify").stdout
    assert len(mail.mails) == 2


def test_messages_can_go_into_files(team, mail):
    team.start()
    team.migration("notify", "--files", "out-box")
    assert sorted(path.name for path in (team.folder / "out-box").iterdir()) == [
        "bob-announcement.txt", "carol-announcement.txt", "dave-announcement.txt",
    ]  # fmt: skip
    assert mail.mails == []


@pytest.mark.slow
def test_killed_while_sending_nobody_is_told_twice(team, mail):
    team.start()
    mail.waits_for = "dave@example.org"
    process = subprocess.Popen(
        [sys.executable, "-m", "dataflow", "migration", "notify"], cwd=team.folder, env=team.command.environ,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert mail.waiting.wait(120)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    mail.waits_for = None
    done = team.migration("notify")
    assert "dave (announcement) may or may not have been notified" in done.stderr + done.stdout
    assert len(mail.to("bob@example.org")) == 1
    assert len(mail.to("dave@example.org")) == 1
