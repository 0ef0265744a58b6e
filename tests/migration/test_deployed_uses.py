"""What deployments say of campaigns: a plan of those that are open, a rollback of those that it goes back past."""

from __future__ import annotations

import datetime as dt

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
from tests.support.two_repositories import PRODUCTION, days, finish

pytestmark = pytest.mark.slow

CALLS_MAIN = """\
  - job:
      id: main
      type: Subworkflow
      subworkflow:
        file: ./main.sch.yaml
"""
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


def test_a_script_that_is_named_as_an_asset_has_its_lines_too(started):
    started.reports.package("again", "unused.sql", "SELECT 1;\n")
    started.reports.edit("again/main.sch.yaml", "script: src/unused.sql", "script: ${dataflow.sql.sums~~src~~write}")
    commit(started.reports.folder)
    plan = started.reports("project", "plan").stdout
    assert "\n  bob.again.main uses hours: sums/src/write.sql:3, sums/src/write.sql:5\n" in plan
    started.commit = started.reports.deploy()
    text = started.films("migration", "notify", "--dry-run", *PRODUCTION).stdout
    assert (
        "  bob.again.main: its latest deployment reads it\n"
        f"      deployed from bob/reports at {started.commit}:\n"
        "      sums/src/write.sql:3: SELECT p.id, sum(p.hours) AS total\n"
    ) in text
    assert text.count("--- a/sums/src/write.sql") == 1
