"""A campaign whose readers are of another repository: told of their own lines, as they were deployed."""

from __future__ import annotations

import re

import pytest

from tests.support.repositories import commit
from tests.support.team import DEADLINE, create
from tests.support.two_repositories import PRODUCTION, RENAME, STARS, STEPS, SUMS, TIME, days, finish, shown

pytestmark = pytest.mark.slow

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


def test_a_table_that_another_one_takes_the_place_of_is_told_of_by_its_name(two):
    create("prod.better")
    arguments = ("prod.plays", "--replace-by", "prod.better", "--deadline", DEADLINE, "--name", "better")
    two.films("migration", "start", *arguments, *PRODUCTION)
    text = shown(two.films("migration", "notify", "--dry-run", *PRODUCTION).stdout, two)
    assert (
        "  bob.sums.main: its latest deployment reads it\n"
        "      deployed from bob/reports at COMMIT:\n"
        "      sums/src/write.sql:4: FROM prod.plays AS p JOIN out.titles AS t ON t.id = p.id\n"
    ) in text
    assert "\n+FROM prod.better AS p JOIN out.titles AS t ON t.id = p.id" in two.apply_patch(text)
    two.reports.write("sums/src/write.sql", SUMS.replace("total", "total_hours"))
    commit(two.reports.folder)
    plan = two.reports("project", "plan").stdout
    assert (
        f"\ncampaign better: prod.plays: replace the table by prod.better by {DEADLINE}\n"
        "  bob.sums.main uses prod.plays: sums/src/write.sql:4\n"
    ) in plan
    two.reports.deploy()
    two.reports.write("sums/src/write.sql", SUMS.replace("prod.plays", "prod.better"))
    two.reports.deploy()
    finish(name="better")
    warned = [days(line) for line in two.reports("project", "rollback").stderr.splitlines() if "warning" in line]
    assert warned == [
        "warning: campaign better removed prod.plays on DAY, after #3: "
        "bob.sums.main uses prod.plays: sums/src/write.sql:4"
    ]
