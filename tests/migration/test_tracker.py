"""Issues of a campaign, in trackers that keep to GitHub's and Jira's documented contracts."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from dataflow.foreign import for_jira, for_jira_block, for_markdown_block, for_markdown_prose
from dataflow.migration.notice_text import NoticeContent
from dataflow.migration.store import campaigns
from dataflow.migration.tracker import answers, github, sync
from dataflow.migration.tracker.text import _fitting
from tests.support.team import DEADLINE
from tests.support.trackers import TOKEN, GithubServer, JiraServer

KINDS = {"github": GithubServer, "jira": JiraServer, "jira cloud": lambda: JiraServer(cloud=True)}
OF_CLOUD_TOO = pytest.mark.parametrize("tracker", KINDS, indirect=True)


@pytest.fixture(params=["github", "jira"])
def tracker(request):
    with KINDS[request.param]() as found:
        yield found


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Wait for less than people would."""
    monkeypatch.setattr(github, "BETWEEN_WRITES", 0)
    monkeypatch.setattr(sync, "SETTLES", dt.timedelta(seconds=1))
    monkeypatch.setattr(sync, "_LOOK", 0.1)


@pytest.fixture
def filed(team, tracker, monkeypatch):
    """A team with a tracker and an open campaign; bob and dave are known to the tracker, and nobody has an address."""
    team.tracker = tracker
    owners = "".join(f"  {name}:\n    tracker: {tracker.person(name)}\n" for name in ("bob", "dave"))
    state = re.search(r"state: (.*)", team.project)[1]
    (team.folder / "dataflow.yaml").write_text(
        f"version: 1\nproject: demo\nowners:\n{owners}{tracker.settings}environments:\n  sandbox:\n    state: {state}\n"
    )
    monkeypatch.setenv("TRACKER_TOKEN", TOKEN)
    team.command.environ["TRACKER_TOKEN"] = TOKEN
    team.start("--name", "hours")
    return team


@OF_CLOUD_TOO
def test_each_owner_has_one_issue_with_lines_patch_and_deadline_which_is_updated_and_not_repeated(filed, tracker):
    dry = filed.command.json("migration", "notify", "--dry-run")
    assert [(it["owner"], it["action"], it["key"]) for it in dry["issues"]] == [
        ("bob", "filed", None), ("carol", "filed", None), ("dave", "filed", None),
    ]  # fmt: skip
    assert tracker.requests == []

    done = filed.command.json("migration", "notify")
    assert [(it["owner"], it["action"], it["key"]) for it in done["issues"]] == [
        ("bob", "filed", tracker.key(1)), ("carol", "filed", tracker.key(2)), ("dave", "filed", tracker.key(3)),
    ]  # fmt: skip
    assert [it["text"] for it in done["issues"]] == [it["text"] for it in dry["issues"]]
    assert not done["failed"] + done["issues_failed"] + done["due"]
    title, body, state = tracker.rows()[0]
    assert title == f"prod.plays: rename column hours to view_hours by {DEADLINE}, 2 of your workflows use it"
    assert "bob_one/write.sql:4: WHERE p.hours > 0" in body
    assert "-SELECT id, sum(p.hours) AS total\n+SELECT id, sum(p.view_hours) AS total" in body
    assert re.search(rf"[-*] rename column hours to view\\_hours\n\nTo do by {DEADLINE}: ", body)
    assert "dataflow migration ack bob --campaign hours" in body
    assert "carol" not in body
    assert state == "open"
    assert tracker.labels(1) == ["migration-hours", "data"]
    assert [tracker.assignee(it) for it in (1, 2, 3)] == [tracker.person("bob"), None, tracker.person("dave")]

    asked = len(tracker.requests)
    again = filed.migration("notify")
    assert again.stdout == "no message is due now\n"
    assert {verb for verb, *_ in tracker.requests[asked:]} == {"GET"}

    filed.ran("bob.one", "view_hours")
    done = filed.migration("notify")
    assert f"updated {tracker.key(1)} of bob" in done.stderr
    title, body, _ = tracker.rows()[0]
    assert title.endswith("one of your workflows uses it")
    assert "bob_one" not in body
    assert len(tracker.issues) == 3


@OF_CLOUD_TOO
def test_status_closes_the_issue_of_who_has_moved_and_reopens_it_once_they_read_the_old_name_again(filed, tracker):
    filed.migration("notify")
    filed.ran("carol.one", "view_hours")
    filed.migration("ack", "carol.two", "--note", "retired")
    status = filed.status()
    assert {it["owner"]: it["state"] for it in status["issues"]} == {"bob": "open", "carol": "closed", "dave": "open"}
    assert [state for *_, state in tracker.rows()] == ["open", "closed", "open"]
    (said,) = tracker.comments(2)
    assert "carol.one: its latest run no longer uses the old name" in said
    assert "carol.two: alice: retired" in said

    asked = len(tracker.requests)
    assert "(closed)" in filed.migration("status").stdout
    assert tracker.requests[asked:] == []  # nothing has changed, and nobody is asked

    filed.ran("carol.one", "hours")
    shown = filed.migration("status")
    assert f"reopened {tracker.key(2)} of carol" in shown.stderr
    assert [state for *_, state in tracker.rows()] == ["open", "open", "open"]
    assert "Reopened: carol.one: its latest run reads it" in tracker.comments(2)[1]
    assert len(tracker.issues) == 3


@pytest.mark.slow
def test_reminders_are_comments_each_once_and_a_deadline_that_has_passed_is_in_the_text(filed, tracker):
    filed.migration("notify")
    for days, said in ((30, "30 days left"), (6, "6 days left"), (-1, "has passed")):
        today = dt.datetime.now(dt.UTC)
        moved = {"opened": today - dt.timedelta(days=90), "deadline": today.date() + dt.timedelta(days=days)}
        with filed.state.database.begin() as connection:
            connection.execute(campaigns.update().values(moved))
        filed.migration("notify")
        filed.migration("notify")
        assert said in tracker.comments(1)[-1]
    assert len(tracker.comments(1)) == 3
    assert "has passed, and alice can't finish the change" in tracker.rows()[0][1].replace("\\", "")
    assert len(tracker.issues) == 3


def test_who_closes_an_issue_by_hand_finds_it_open_again_and_a_deleted_one_is_filed_anew(filed, tracker):
    filed.migration("notify")
    tracker.set_state(1, "closed")
    tracker.delete(3)
    done = filed.migration("notify")
    assert f"reopened {tracker.key(1)} of bob" in done.stderr
    assert "bob.one: its latest run reads it" in tracker.comments(1)[0]
    assert f"filed {tracker.key(4)} of dave" in done.stderr
    assert len(tracker.issues) == 4
    assert filed.migration("notify").stdout == "no message is due now\n"


def test_a_token_that_is_refused_is_one_line_for_all_and_is_shown_nowhere(filed, tracker, monkeypatch):
    monkeypatch.setenv("TRACKER_TOKEN", "wrong-token-hush")
    done = filed.migration("notify", code=1)
    assert done.stderr.count("refuses the token") == 1
    assert "no issue for bob, carol, dave: " in done.stderr
    assert "→ check tracker.token in dataflow.yaml, and whether it expired" in done.stderr
    assert "wrong-token-hush" not in done.stdout + done.stderr
    monkeypatch.delenv("TRACKER_TOKEN")
    assert "TRACKER_TOKEN" in filed.migration("notify", code=1).stderr
    monkeypatch.setenv("TRACKER_TOKEN", TOKEN)
    filed.migration("notify")
    assert len(tracker.issues) == 3


@pytest.mark.slow
def test_a_rate_limit_is_waited_for_and_one_that_lasts_loses_nothing(filed, tracker, monkeypatch):
    status, headers, body = tracker.limit
    tracker.fail("POST", tracker.place, status, headers=headers, body=body)
    filed.migration("notify")
    assert len(tracker.issues) == 3
    assert len(tracker.asked("POST", tracker.place)) == 4

    tracker.issues.clear()
    monkeypatch.setattr(answers, "PATIENCE", 2)
    tracker.fail("GET", "/", status, headers={"Retry-After": "3600"}, body=body, times=99)
    done = filed.migration("notify", code=1)
    assert "takes no more requests for 3,600 s" in done.stderr
    assert "→ run the same command again later: nothing is lost, nothing is filed twice" in done.stderr
    tracker.faults.clear()
    filed.migration("notify")
    assert len(tracker.issues) == 3


@OF_CLOUD_TOO
@pytest.mark.parametrize(("status", "done"), [(502, True), (0, True), (502, False)])
def test_an_answer_that_is_lost_does_not_file_twice(filed, tracker, status, done):
    if tracker.kind == "jira":
        tracker.index_lag = 3
    tracker.fail("POST", tracker.place, status, body={"message": "Server Error"}, done=done)
    filed.migration("notify")
    assert [title.split(":")[0] for title, *_ in tracker.rows()] == ["prod.plays"] * 3
    assert len({body for _, body, _ in tracker.rows()}) == 3
    assert len(tracker.asked("POST", tracker.place)) == 3 + (not done)


def test_a_server_error_that_lasts_is_said_and_what_it_may_have_filed_is_looked_for_next_time(filed, tracker):
    tracker.fail("POST", tracker.place, 500, body=b"<html>oh</html>", done=True, times=1)
    if tracker.kind == "jira":
        tracker.index_lag = 10**6  # whatever was filed is not found
    tracker.fail("POST", tracker.place, 500, body=b"<html>oh</html>", times=1)
    if tracker.kind == "github":
        tracker.fail("GET", tracker.place, 200, body=[], times=99)
    done = filed.migration("notify", code=1)
    assert "answers 500" in done.stderr
    assert len(tracker.issues) == 1
    tracker.faults.clear()
    tracker.index_lag = 0
    done = filed.command.json("migration", "notify")
    assert [it["key"] for it in done["issues"]] == [tracker.key(it) for it in (1, 2, 3)]
    assert len(tracker.issues) == 3


def test_what_one_issue_is_refused_for_does_not_hold_up_the_others(filed, tracker):
    tracker.users = ("dave-gh", "dave-jira")
    done = json.loads(filed.migration("notify", "--output", "json", code=1).stdout)
    assert [it["owner"] for it in done["issues"]] == ["carol", "dave"]
    (failed,) = done["issues_failed"]
    assert failed["owner"] == "bob"
    assert "does not take it: " in failed["message"]
    assert "assignee" in failed["message"]
    tracker.users = type(tracker).users
    assert len(filed.command.json("migration", "notify")["issues"]) == 3
    assert len(tracker.issues) == 3


@pytest.mark.parametrize(
    ("status", "said"),
    [(403, "does not allow it: no write access"), (404, "is not there, or the token may not see it")],
)
def test_a_repository_or_project_that_may_not_be_written_is_told(filed, tracker, status, said):
    tracker.fail(
        "POST", tracker.place, status, body={"message": "no write access", "errorMessages": ["no write access"]}
    )
    done = filed.migration("notify", code=1)
    assert said in done.stderr
    assert len(tracker.asked("POST", tracker.place)) == 1
    filed.migration("notify")
    assert len(tracker.issues) == 3


def test_a_tracker_that_can_t_be_reached_does_not_keep_status_from_showing(filed, tracker, monkeypatch):
    filed.migration("notify")
    filed.ran("dave.one", "view_hours")
    tracker.fail("GET", "/", 0, times=99)
    monkeypatch.setattr(answers, "ATTEMPTS", 2)
    shown = filed.migration("status")
    assert "dave.one" in shown.stdout
    assert "no issue for dave: " in shown.stderr
    assert "can't be reached" in shown.stderr
    tracker.faults.clear()
    assert {it["owner"]: it["state"] for it in filed.status()["issues"]}["dave"] == "closed"


def test_cancelling_a_campaign_closes_its_issues(filed, tracker):
    filed.migration("notify")
    filed.migration("cancel", "--reason", "we keep it")
    assert [state for *_, state in tracker.rows()] == ["closed"] * 3
    assert tracker.comments(1) == ["Closed: campaign hours is cancelled."]


def test_who_has_an_address_is_written_to_as_well_with_the_issue_s_page(filed, mail):
    text = (filed.folder / "dataflow.yaml").read_text()
    smtp = f"smtp: {{host: 127.0.0.1, port: {mail.port}, sender: dataflow@example.org, starttls: false}}"
    text = text.replace("  dave:\n", "  dave:\n    email: dave@example.org\n")
    (filed.folder / "dataflow.yaml").write_text(f"{text}    notifications:\n      {smtp}\n")
    filed.migration("notify")
    ((_, said),) = mail.to("dave@example.org")
    assert said.rstrip().endswith(filed.status()["issues"][2]["url"])
    assert len(mail.mails) == 1


@pytest.mark.slow
def test_two_at_once_file_each_issue_once(filed, tracker):
    path = tracker.asked("POST") or ("/repos/acme/data/issues" if tracker.kind == "github" else "/rest/api/2/issue")
    tracker.blocks = ("POST", path)
    first = _notify(filed)
    assert tracker.blocked.wait(60)
    tracker.blocks = None
    second = filed.command.json("migration", "notify")
    assert second["issues_busy"] == ["bob"]
    tracker.go_on.set()
    assert first.wait(60) == 0
    assert len(tracker.issues) == 3


@pytest.mark.slow
def test_killed_between_filing_and_the_answer_it_files_nothing_twice(filed, tracker):
    tracker.blocks = ("POST", "/repos/acme/data/issues" if tracker.kind == "github" else "/rest/api/2/issue")
    process = _notify(filed)
    assert tracker.blocked.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    tracker.blocks = None
    tracker.go_on.set()
    assert len(tracker.issues) == 1
    done = filed.command.json("migration", "notify")
    assert [it["key"] for it in done["issues"]] == [tracker.key(it) for it in (1, 2, 3)]
    assert len(tracker.issues) == 3


def _notify(filed):
    return subprocess.Popen(
        [sys.executable, "-m", "dataflow", "migration", "notify"], cwd=filed.folder, env=filed.command.environ,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("tracker", ["jira"], indirect=True)
def test_jira_may_have_no_due_date_want_more_fields_and_call_its_transitions_as_it_likes(filed, tracker):
    assert tracker.issues == []
    tracker.screen.discard("duedate")
    tracker.required = {"components"}
    assert "does not take it: components: components is required." in filed.migration("notify", code=1).stderr
    text = (filed.folder / "dataflow.yaml").read_text()
    more = "  issue_type: Story\n  close: resolve\n  fields:\n    components: [{name: pipelines}]\n"
    (filed.folder / "dataflow.yaml").write_text(text.replace("  labels: [data]\n", f"  labels: [data]\n{more}"))
    filed.migration("notify")
    fields = tracker.issues[0]["fields"]
    assert (fields["issuetype"], fields["components"]) == ({"name": "Story"}, [{"name": "pipelines"}])
    assert "duedate" not in fields

    filed.ran("dave.one", "view_hours")
    tracker.transitions["31"] = ("Accept", "Done")
    shown = filed.migration("status")
    assert "no issue for dave: issue DATA-3 has no transition 'resolve'; valid here: Accept, Start" in shown.stderr
    assert "→ set tracker.close in dataflow.yaml to a transition" in shown.stderr
    tracker.transitions["31"] = ("Resolve", "Done")
    assert "closed DATA-3 of dave" in filed.migration("status").stderr


@pytest.mark.parametrize("tracker", ["github"], indirect=True)
def test_github_drops_the_labels_of_who_may_not_set_them_and_the_issue_is_filed_once_all_the_same(filed, tracker):
    tracker.may_push = False
    tracker.fail("POST", tracker.place, 502, done=True)
    filed.migration("notify")
    filed.migration("notify")
    assert len(tracker.issues) == 3


def test_without_the_client_the_command_that_installs_it_is_shown(filed, tracker, monkeypatch):
    monkeypatch.setitem(sys.modules, "github" if tracker.kind == "github" else "jira", None)
    done = filed.migration("notify", code=1)
    assert "is not installed, which tracker.type" in done.stderr
    assert "→ pip install 'dataflow-recipes[trackers]'" in done.stderr


def test_a_text_that_is_longer_than_a_tracker_takes_loses_the_patch_and_then_lines():
    content = NoticeContent("s", ("o",), ("Affected workflows:", *("  line" for _ in range(100))), "+x\n" * 300, "", ())
    whole, without = (_fitting(content, "markdown", limit) for limit in (10_000, 1_000))
    assert "+x" in whole
    assert "The patch is too long for this text: `dataflow migration notify --dry-run` prints it." in without
    few = _fitting(content, "wiki", 500)
    assert len(few) <= 500
    assert "… and " in few


def test_what_is_foreign_is_no_markup_in_an_issue_and_calls_nobody():
    text = "@all *b* {code} `c` [x](y) <i> #1"
    assert for_markdown_prose(text) == "@\u200ball \\*b\\* \\{code\\} \\`c\\` \\[x\\](y) \\<i\\> \\#1"
    assert for_jira("@all *b* {code}") == "@\u200ball \\*b\\* \\{code\\}"
    assert (
        for_jira_block(["\ta {noformat} {code}"], "text") == "{noformat}\n\ta {\u200bnoformat} {\u200bcode}\n{noformat}"
    )
    assert for_jira_block(["+a"], "diff") == "{code:diff}\n+a\n{code}"
    assert for_markdown_block(["\t```"], "diff") == "````diff\n\t```\n````"


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {}, 60),
        (429, {"retry-after": "7"}, 7),
        (403, {"retry-after": "7"}, 7),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, 1),
        (503, {"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        (500, {}, 0),
        (403, {}, None),
        (401, {}, None),
    ],
)
def test_a_limit_is_told_from_a_refusal_and_says_how_long_it_lasts(status, headers, seconds):
    assert answers.refusal("acme/data", status, "no", headers).again == seconds
