"""A campaign whose readers are of another repository: told of their own lines, as they were deployed."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from dataflow.assets.registry import open_registry
from dataflow.deploy import deployments
from dataflow.deploy.rollback import RollbackPlan
from dataflow.errors import DataflowError
from dataflow.migration import deployed_uses
from dataflow.migration.deployed_uses import rollback_warnings
from dataflow.migration.store import CampaignStore
from dataflow.state.database import StateDatabase
from dataflow.tables.rollback import TableRollback
from dataflow.workflow.project import find_project
from tests.support.packages import definition
from tests.support.repositories import commit
from tests.support.team import DEADLINE
from tests.support.two_repositories import STARS, TwoRepositories

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
CALLS_MAIN = """\
  - job:
      id: main
      type: Subworkflow
      subworkflow:
        file: ./main.sch.yaml
"""
RENAME = ("prod.plays", "--rename", "hours=view_hours")
PRODUCTION = ("--env", "production")
STEPS = ("expand 1", "expand 2", "expand 3")
PLAN = """\
reads what changes: 1 workflow
  bob.sums.main (bob) uses hours · in a deployed bundle (BUNDLE) TIME
      deployed from bob/reports at COMMIT:
      sums/src/write.sql:3: SELECT p.id, sum(p.hours) AS total
      sums/src/write.sql:5: WHERE hours > 0
may read what changes (its columns are unknown): 1 workflow
  bob.ranks.main (bob) · in a deployed bundle (BUNDLE) TIME
      deployed from bob/reports at COMMIT:
      ranks/src/write.py:3: plays.groupBy("id").sum("hours").writeTo("out.ranks").append()
writes the table: 1 workflow
  alice.plays.main (alice) · in a deployed bundle (BUNDLE) TIME, in files here TIME
      plays/ddl.sql:1: CREATE TABLE IF NOT EXISTS prod.plays (id INT, hours DOUBLE, date DATE) USING iceberg;
"""
MESSAGE = f"""\
To: bob
Subject: prod.plays: rename column hours to view_hours by {DEADLINE}, 2 of your workflows use it

alice changes prod.plays in production:
  - rename column hours to view_hours
To do by {DEADLINE}: use view_hours instead of hours.
Old and new both exist until then. After that the old one is dropped, and whatever uses it fails.

Affected workflows:
  bob.sums.main: its latest deployment reads it
      deployed from bob/reports at COMMIT:
      sums/src/write.sql:3: SELECT p.id, sum(p.hours) AS total
      sums/src/write.sql:5: WHERE hours > 0
  bob.ranks.main: its latest deployment may read it: its columns are unknown
      deployed from bob/reports at COMMIT:
      ranks/src/write.py:3: plays.groupBy("id").sum("hours").writeTo("out.ranks").append()

Suggested patch, to be reviewed before `git apply` at the root of the repository:

--- a/sums/src/write.sql
+++ b/sums/src/write.sql
@@ -2,5 +2,5 @@
 INSERT OVERWRITE out.sums
-SELECT p.id, sum(p.hours) AS total
+SELECT p.id, sum(p.view_hours) AS total
 FROM prod.plays AS p JOIN out.titles AS t ON t.id = p.id
-WHERE hours > 0
+WHERE view_hours > 0
 GROUP BY p.id;

No reply is needed: the next run or deployment that doesn't use the old name is detected.
Where that can't be detected, or the workflow is retired, acknowledge it:
  dataflow migration ack bob --campaign hours --env production --note "…"
Progress of all readers:
  dataflow migration status hours --env production
"""
DONE = f"""\
hours: prod.plays in production, done
  rename column hours to view_hours
  opened TIME by alice, deadline {DEADLINE}, done DAY by alice

  · bob.ranks.main    bob    open   its latest deployment may read it: its columns are unknown, TIME
  ✓ alice.plays.main  alice  moved  its latest deployment no longer uses the old name, TIME
  ✓ bob.sums.main     bob    moved  its latest deployment no longer uses the old name, TIME

  ████████████████████░░░░░░░░░░ 2 of 3 moved
  █ open per day since DAY

  ✓ expand 1    each publication writes hours and view_hours, whichever its workflow provides
  ✓ expand 2    add view_hours beside hours
  ✓ expand 3    fill view_hours from hours where it is NULL
  ✓ move        workflows move: they use view_hours instead of hours
  ✓ contract 1  drop hours (irreversible)
"""
LIST = f"""\
campaign  table       environment  state     deadline    opened  by     readers
hours     prod.plays  production   done DAY  {DEADLINE}  DAY     alice  3
"""


@pytest.fixture
def two(here_command, tmp_path, monkeypatch):
    return TwoRepositories(tmp_path, here_command, monkeypatch)


@pytest.fixture
def started(two):
    """The campaign, with both columns on the table, as far as the state says."""
    two.films("migration", "start", *RENAME, "--deadline", DEADLINE, "--name", "hours", *PRODUCTION)
    with StateDatabase() as database:
        for step in STEPS:
            CampaignStore(database, "production").note("hours", "applied", step, "alice")
    return two


def finish(*, name="hours"):
    with StateDatabase() as database:
        campaigns = CampaignStore(database, "production")
        campaigns.note(name, "applied", "contract 1", "alice")
        campaigns.close(name, "done", "alice")


def shown(text, two):
    """Return what was printed, without what differs from run to run."""
    text = TIME.sub("TIME", text).replace(two.commit, "COMMIT")
    return re.sub(r"\([0-9a-f]{8}\)", "(BUNDLE)", text)


def days(text):
    return re.sub(rf"(?!{DEADLINE})\b\d{{4}}-\d\d-\d\d\b", "DAY", TIME.sub("TIME", text))


def squeezed(text):
    """Return a table without its lines, its columns two blanks apart."""
    return [re.split(r"  +", line.strip()) for line in text.splitlines() if line.strip() and "─" not in line]


def test_a_plan_names_the_lines_of_another_repository_as_they_were_deployed(two):
    text = two.films("migration", "plan", *RENAME, *PRODUCTION).stdout
    assert shown(text, two).partition("\n\nsteps\n")[0].partition("fail\n\n")[2] + "\n" == PLAN
    nowhere = two.films("migration", "plan", *RENAME, *PRODUCTION, "--checkout", two.films.folder.parent / "home")
    assert "      deployed from alice/films at" in nowhere.stdout
    lines = {
        each["workflow"]: each["lines"] for each in two.films.json("migration", "plan", *RENAME, *PRODUCTION)["touched"]
    }
    assert lines["bob.sums.main"][0] == {
        "file": "sums/src/write.sql",
        "number": 3,
        "text": "SELECT p.id, sum(p.hours) AS total",
        "path": "sums/src/write.sql",
        "deployed": f"bob/reports at {two.commit}",
    }
    ddl = lines["alice.plays.main"][0]
    assert (ddl["file"], ddl["path"]) == (str(two.films.folder / "plays/ddl.sql"), "plays/ddl.sql")


def test_an_owner_of_another_repository_gets_their_lines_and_a_patch_that_git_applies(started):
    text = started.films("migration", "notify", "--dry-run", *PRODUCTION).stdout
    assert shown(text, started) == f"{MESSAGE}\n"
    changed = started.apply_patch(text)
    assert [line for line in changed.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")] == [
        "-SELECT p.id, sum(p.hours) AS total",
        "+SELECT p.id, sum(p.view_hours) AS total",
        "-WHERE hours > 0",
        "+WHERE view_hours > 0",
    ]


def test_a_message_shows_what_is_deployed_now_and_not_what_was_at_the_start(started):
    started.reports.edit("sums/src/write.sql", "-- how", "--\n-- how")
    started.commit = started.reports.deploy()
    text = started.films("migration", "notify", "--dry-run", *PRODUCTION).stdout
    assert "sums/src/write.sql:4: SELECT p.id, sum(p.hours) AS total\n" in text
    assert f"deployed from bob/reports at {started.commit}:\n" in text


def test_messages_carry_paths_of_the_repository_wherever_they_are_sent_from(started):
    below = started.films.folder / "plays" / "src"
    text = started.films("migration", "notify", "--dry-run", *PRODUCTION).stdout
    started.films.folder = below
    assert started.films("migration", "notify", "--dry-run", *PRODUCTION).stdout == text
    assert "plays/ddl.sql:1" in (below.parents[1] / "migrations" / "hours.yaml").read_text()
    started.films("migration", "notify", "--files", "out", *PRODUCTION)
    kept = (below / "out" / "bob-announcement.txt").read_text()
    assert TIME.fullmatch(kept.partition("\n")[0].removeprefix("Date: "))
    assert kept.partition("\n")[2].strip() == text.partition("\n")[2].strip()


def test_a_reader_elsewhere_that_selects_all_by_position_is_waited_for(two):
    two.reports.package("copies", "write.sql", STARS)
    two.commit = two.reports.deploy()
    plan = shown(two.films("migration", "plan", *RENAME, *PRODUCTION).stdout, two)
    assert (
        "select all columns by position: fail when a column is added\n"
        "  bob.copies.main (bob) · in a deployed bundle (BUNDLE) TIME\n"
        "      deployed from bob/reports at COMMIT:\n"
        "      copies/src/write.sql:2: SELECT * FROM prod.plays;\n"
    ) in plan
    two.films("migration", "start", *RENAME, "--deadline", DEADLINE, "--name", "hours", *PRODUCTION)
    done = two.films("migration", "apply", "--all-safe", *PRODUCTION, code=1)
    assert done.stderr == (
        "error: 1 workflow selects all columns by position and would fail when column view_hours is added: "
        "bob.copies.main (bob), copies/src/write.sql:2\n"
        "  → list the columns in their SELECTs, or use --force --reason WHY, which is recorded\n"
    )
    assert two.films.json("migration", "status", *PRODUCTION)["steps"][0]["done"] is False


def test_a_bundle_that_is_gone_leaves_the_lines_of_the_start(started):
    for file in (started.films.folder.parent / "home" / "registry").rglob("*"):
        if file.is_file() and b"sum(p.hours)" in file.read_bytes():
            file.chmod(0o600)
            file.unlink()
    text = started.films("migration", "notify", "--dry-run", *PRODUCTION).stdout
    assert "sums/src/write.sql:3: SELECT p.id, sum(p.hours) AS total" in text
    assert "Suggested patch" not in text


def test_a_finished_campaign_shows_done_in_status_list_and_picture(started):
    started.reports.edit("sums/src/write.sql", "hours", "view_hours")
    started.reports.deploy()
    started.films.edit("plays/ddl.sql", "hours", "view_hours")
    started.films.edit("plays/src/write.sql", "AS hours", "AS view_hours")
    started.films.deploy()
    steps = started.films.json("migration", "status", *PRODUCTION)["steps"]
    assert {step["name"]: step["done"] for step in steps} == {
        **dict.fromkeys(STEPS, True),
        "move": False,
        "contract 1": False,
    }
    finish()
    assert days(started.films("migration", "status", *PRODUCTION).stdout) == DONE
    data = started.films.json("migration", "status", "hours", *PRODUCTION)
    assert (data["state"], data["closed"][:10], {step["done"] for step in data["steps"]}) == (
        "done", data["burn_down"][-1]["day"], {True},
    )  # fmt: skip
    listed = started.films("migration", "list", *PRODUCTION).stdout
    assert squeezed(days(listed)) == squeezed(LIST)
    (row,) = started.films.json("migration", "list", *PRODUCTION)
    assert (row["state"], row["closed"], row["deadline"]) == ("done", data["closed"][:10], DEADLINE)
    page = started.films("migration", "status", *PRODUCTION, "--output", "html").stdout
    assert f'<p class="ended">done {row["closed"]} by alice</p>' in page
    assert page.count("<li class=done>") == len(steps)
    assert "just now" not in page
    started.films("migration", "status", *PRODUCTION, "--output", "svg", "--to", "hours.svg")
    picture = (started.films.folder / "hours.svg").read_text()
    assert f">done {row['closed']}</text>" in picture
    assert re.search(rf"hours: 2 of 3 readers have moved · as of {TIME.pattern}</text>", picture)


def test_a_cancelled_campaign_says_when_by_whom_and_why(two):
    two.films("migration", "start", *RENAME, "--deadline", DEADLINE, "--name", "hours", *PRODUCTION)
    two.films("migration", "cancel", "--reason", "we keep the old name", *PRODUCTION)
    text = days(two.films("migration", "status", *PRODUCTION).stdout)
    assert f"by alice, deadline {DEADLINE}, cancelled DAY by alice: we keep the old name\n" in text
    assert "cancelled DAY" in days(two.films("migration", "list", *PRODUCTION).stdout)


CAMPAIGN = f"""
campaign hours: prod.plays: rename column hours to view_hours by {DEADLINE}
  bob.ranks.main may use hours (its columns are unknown): ranks/src/write.py:4
  bob.sums.main uses hours: sums/src/write.sql:3, sums/src/write.sql:5

Summary: 0 added, 2 changed, 0 removed, 1 unchanged packages
"""


def test_a_plan_of_a_deployment_names_the_open_campaigns_that_its_changes_touch(started):
    started.reports.edit("sums/src/write.sql", "total", "total_hours")
    started.reports.edit("ranks/src/write.py", "def main", "# ranks\ndef main")
    commit(started.reports.folder)
    text = started.reports("project", "plan").stdout
    assert text[text.index("\ncampaign ") :] == CAMPAIGN
    uses = started.reports.json("project", "plan")["campaigns"]
    assert [(each["workflow"], each["uses"], len(each["lines"])) for each in uses] == [
        ("bob.ranks.main", "unknown", 1),
        ("bob.sums.main", "yes", 2),
    ]
    note = f"note: campaign hours is open until {DEADLINE}: bob.sums.main uses hours: sums/src/write.sql:3, "
    assert note in started.reports("project", "deploy").stderr

    started.reports.edit("sums/src/write.sql", "p.hours", "p.view_hours")
    started.reports.edit("sums/src/write.sql", "WHERE hours", "WHERE view_hours")
    commit(started.reports.folder)
    text = started.reports("project", "plan").stdout
    assert "by " + DEADLINE + "\n  bob.sums.main does not use hours\n\nSummary: 0 added, 1 changed" in text
    assert "campaign" not in started.reports("project", "deploy").stderr


def test_a_plan_that_touches_no_campaign_and_one_without_a_state_say_nothing_of_it(started):
    started.reports.edit("titles/src/write.sql", "'x'", "'y'")
    commit(started.reports.folder)
    assert "campaign" not in started.reports("project", "plan").stdout
    assert started.reports.json("project", "plan")["campaigns"] == []


def test_the_owner_s_own_ddl_and_audits_are_uses_of_the_old_column_too(started):
    started.films.edit("plays/src/write.sql", "AS hours", "AS view_hours")
    commit(started.films.folder)
    text = started.films("project", "plan").stdout
    assert "  alice.plays.main uses hours: plays/ddl.sql:1\n" in text


def test_a_rollback_past_a_finished_campaign_warns_with_the_lines_that_would_fail(started):
    started.reports.edit("sums/src/write.sql", "p.hours", "p.view_hours")
    started.reports.edit("sums/src/write.sql", "WHERE hours", "WHERE view_hours")
    started.reports.deploy()
    finish()
    done = started.reports("project", "rollback")
    (line,) = [line for line in days(done.stderr).splitlines() if line.startswith("warning:")]
    assert line == (
        "warning: campaign hours removed hours of prod.plays on DAY, after #2: "
        "bob.sums.main uses hours: sums/src/write.sql:3, sums/src/write.sql:5"
    )
    assert "production is at #4 now, which runs what #2 ran" in done.stdout
    back = started.reports.json("project", "rollback", "--to", "3")
    assert back["warnings"] == []


def test_a_rollback_to_what_never_used_what_went_warns_of_nothing(started):
    started.reports.edit("titles/src/write.sql", "'x'", "'y'")
    started.reports.deploy()
    finish()
    assert "warning" not in started.reports("project", "rollback").stderr


def test_a_rollback_of_the_owner_past_a_finished_campaign_is_warned_of_once_for_all_definitions(started):
    started.films.write("plays/daily.sch.yaml", definition(CALLS_MAIN, name="${dataflow.package_id}.daily"))
    started.films.deploy()
    started.films.edit("plays/ddl.sql", "hours", "view_hours")
    started.films.edit("plays/src/write.sql", "AS hours", "AS view_hours")
    started.films.deploy()
    finish()
    done = started.films("project", "rollback")
    assert [days(line) for line in done.stderr.splitlines() if line.startswith("warning:")] == [
        "warning: campaign hours removed hours of prod.plays on DAY, after #3: "
        "alice.plays.main uses hours: plays/ddl.sql:1"
    ]


def test_rows_from_before_a_finished_campaign_come_back_without_what_it_removed(started):
    finish()
    with StateDatabase() as database:
        closed = CampaignStore(database, "production").get("hours").closed
    registry = open_registry(find_project(started.films.folder))
    now = deployments.current(registry, "production")

    def warnings(at, *tables):
        rows = [TableRollback(table, 2, 1, at, (), {}) for table in tables]
        return rollback_warnings(registry, RollbackPlan(now, now, {}, rows))

    before, after = closed - dt.timedelta(hours=1), closed + dt.timedelta(hours=1)
    assert warnings(after, "prod.plays") == warnings(before, "other.plays") == []
    assert (
        warnings(before, "prod.plays")
        == warnings(before, "dataflow.prod.plays")
        == [
            f"campaign hours removed hours of prod.plays on {closed:%Y-%m-%d}, "
            f"and does not come back with the rows of {before:%Y-%m-%d %H:%M}"
        ]
    )


def test_a_rollback_is_not_held_up_where_it_cant_be_known_what_ended_since(started, monkeypatch):
    started.reports.edit("titles/src/write.sql", "'x'", "'y'")
    started.reports.deploy()
    monkeypatch.setattr(deployed_uses, "StateDatabase", refused)
    done = started.reports("project", "rollback")
    assert "warning: whether a campaign has ended since is not known: the state can't be reached\n" in done.stderr
    assert "production is at #4 now" in done.stdout
    assert "open campaigns are not known: the state can't be reached\n" in started.reports("project", "plan").stderr


def refused(_):
    raise DataflowError("the state can't be reached", "look after it")


def test_a_campaign_that_only_drops_promises_nothing_new_and_names_whole_commands(two):
    arguments = ("prod.plays", "--drop", "hours", "--deadline", DEADLINE, "--name", "gone")
    started = two.films("migration", "start", *arguments, *PRODUCTION)
    assert started.stdout == (
        f"campaign gone: 3 workflows to move until {DEADLINE}\n"
        "  migrations/gone.yaml: commit it, so that others can review it\n"
        "  dataflow migration apply gone --env production --all-safe\n"
        "  dataflow migration notify gone --env production --dry-run\n"
    )
    text = two.films("migration", "notify", "--dry-run", *PRODUCTION).stdout
    assert (
        f"To do by {DEADLINE}: use no hours any more.\nAfter that the old one is dropped, and whatever uses it fails.\n"
        in text
    )
    assert "Suggested patch" not in text
    again = two.films("migration", "start", *arguments[:-1], "again", *PRODUCTION, code=2)
    assert again.stderr.splitlines()[-1] == "  → dataflow migration status gone --env production"
    assert two.films("migration", "status", code=2).stderr == (
        "error: no campaigns are open in sandbox\n  → gone is open in production: --env production\n"
    )
