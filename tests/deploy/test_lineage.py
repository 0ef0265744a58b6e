"""The lineage of what is deployed, through the command line: true after each switch, and after one that was cut off."""

from __future__ import annotations

import datetime as dt
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dataflow.deploy import deployments
from dataflow.deploy.lineage import sync_deployed_lineage
from dataflow.lineage.model import Flow, Origin, Producer, TableWrite
from dataflow.lineage.store.reader import LineageStore
from dataflow.lineage.store.writer import store_lineage
from dataflow.state.database import StateDatabase, metadata
from dataflow.tables.catalog import open_catalog
from dataflow.workflow.project import Environment

pytestmark = pytest.mark.slow

SOURCE = "dataflow_demo.playback"
CALLER = """
version: 1
workflow:
  id: ${dataflow.package_id}.all
jobs:
  - job:
      id: top
      type: Subworkflow
      subworkflow:
        file: ../top/main.sch.yaml
        params:
          EXECUTION_DATE: "2026-01-01"
"""
PYTHON = "from elsewhere import top\n\n\ndef main(args, spark):\n    top(args, spark)\n"


@pytest.fixture
def command(here_command, repo):
    """The command line in the repository; `deploy` returns what it says for scripts."""
    here_command.folder = repo.folder
    (repo.folder.parent / "empty").mkdir()
    return here_command


def told(command, table=SOURCE, env="production"):
    """Return who reads a table as a deployment says it, without a look at any checkout."""
    empty = command.folder.parent / "empty"
    arguments = ("migration", "lineage", table, "--downstream", "--checkout", empty)
    found = command.json(*arguments, *(("--env", env) if env else ()))["workflows"]
    return {each["workflow"]: each for each in found if each["source"] == "deployed"}


def bundle(repo, name="production", package="top"):
    return repo.current(name).revision.packages[f"alice/films:{package}"].bundle


def test_after_each_switch_lineage_is_that_of_the_bundle_that_stands(command, repo):
    first = command.json("project", "deploy")["packages"]["top"]["bundle"]
    repo.edit("top/src/write.sql", "SUM(view_hours)", "MAX(rating)")  # what lies here is not what is deployed
    found = told(command)
    assert set(found) == {"alice.top.main"}
    main = found["alice.top.main"]
    assert main == {
        **main,
        "writes": "prod.alice_top_results",
        "bundle": first,
        "owner": "alice",
        "environment": "production",
        "file": "top/main.sch.yaml",
    }
    column = told(command, f"{SOURCE}.view_hours")["alice.top.main"]
    assert {"from": f"{SOURCE}.view_hours", "into": "hours", "decides": False} in column["takes"]
    text = command("migration", "lineage", SOURCE, "--env", "production").stdout
    assert f"in a deployed bundle ({first[:8]}) 2" in text

    repo.commit("the best rating")
    second = command.json("project", "deploy")["packages"]["top"]["bundle"]
    assert told(command, f"{SOURCE}.rating")["alice.top.main"]["bundle"] == second != first
    assert not told(command, f"{SOURCE}.view_hours")

    command("project", "rollback")
    assert told(command, f"{SOURCE}.view_hours")["alice.top.main"]["bundle"] == first
    assert not told(command, f"{SOURCE}.rating")


def test_what_a_bundle_gives_constants_and_audits_is_known_as_well(command, repo):
    repo.edit("top/src/write.sql", "SUM(view_hours)", "COUNT(*)")
    repo.commit()
    command("project", "deploy")
    (named,) = LineageStore(None).target_columns("prod.alice_top_results").values()
    assert (named.constant_columns, named.required_columns) == ({"hours", "date"}, {"id", "date"})


def test_a_branch_s_lineage_goes_with_its_deployment(command, repo):
    command("project", "deploy")
    repo.branch("feature")
    command("project", "deploy")
    ours, theirs = "alice.top.main", "alice__feature.alice.top.main"
    found = told(command)
    assert set(found) == {ours, theirs}
    assert found[theirs]["writes"] == "alice__feature.alice_top_results"
    command("project", "destroy", "--branch", "feature", "--yes")
    assert set(told(command)) == {ours}

    command("project", "deploy")
    assert set(told(command)) == {ours, theirs}
    name, past = "branch-feature-alice", dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    deployments.revise(repo.registry, name, lambda it: it.revision.model_copy(update={"expires": past}))
    command("project", "sweep", "--yes")
    assert set(told(command)) == {ours}


@pytest.mark.parametrize("healer", ["deploy", "lineage", "plan", "status"])
def test_who_died_between_the_switch_and_its_lineage_is_followed_by_one_that_sees_it(command, repo, healer):
    command("project", "deploy")
    repo.edit("top/src/write.sql", "SUM(view_hours)", "MAX(rating)")
    repo.commit()
    repo.deploy()  # the switch, and nothing after it
    state = StateDatabase()
    match healer:
        case "deploy":
            assert "nothing changed" in command("project", "deploy").stdout
        case "lineage":
            told(command)
        case "plan":
            command("migration", "plan", "prod.none", "--drop", "x", "--env", "production", code=2)
        case "status":
            command("migration", "status", "--env", "production", code=2)  # there is no campaign
    with state.begin() as connection:
        rows = connection.exec_driver_sql("SELECT workflow, bundle FROM dataflow_lineage").all()
    state.close()
    assert set(rows) == {("alice.top.main", bundle(repo))}


def test_only_what_changed_is_read_again(command, repo):
    repo.package("more")
    repo.commit()
    command("project", "deploy")
    before = told(command)
    assert set(before) == {"alice.top.main", "alice.more.main"}
    repo.edit("more/src/write.sql", "SUM(view_hours)", "MAX(rating)")
    repo.commit()
    (repo.folder.parent / "home" / "registry" / "objects" / bundle(repo)).unlink()  # whoever reads it fails
    command("project", "deploy")
    after = told(command)
    assert after["alice.top.main"] == before["alice.top.main"]
    assert after["alice.more.main"]["bundle"] != before["alice.more.main"]["bundle"]

    repo.git("rm", "-r", "-q", "more")
    repo.commit("more is gone")
    command("project", "deploy")
    assert set(told(command)) == {"alice.top.main"}


def test_of_a_workflow_that_others_call_its_own_package_has_the_word(command, repo):
    repo.write("all/all.sch.yaml", CALLER)
    repo.write("all/identity.yaml", "owner: alice\npackage_id: alice.all\nuuid: uuid-of-all\n")
    repo.commit()
    command("project", "deploy")
    assert told(command)["alice.top.main"]["bundle"] == bundle(repo)
    repo.edit("all/all.sch.yaml", "2026-01-01", "2026-01-02")
    repo.commit()
    command("project", "deploy")
    assert told(command)["alice.top.main"]["bundle"] == bundle(repo)
    repo.git("rm", "-r", "-q", "all")
    repo.commit()
    command("project", "deploy")
    assert told(command)["alice.top.main"]["bundle"] == bundle(repo)


def test_columns_of_another_package_s_table_are_known_from_its_ddl(command, repo):
    repo.package("more")
    repo.edit(
        "more/src/write.sql",
        "SELECT title_id AS id, SUM(view_hours) AS hours FROM ${SOURCE_TABLE}",
        "SELECT * FROM (SELECT id, hours FROM prod.alice_top_results) AS t JOIN raw.days ON day = date GROUP BY ALL --",
    )
    repo.edit("more/src/write.sql", "title_id <= 10 GROUP BY title_id", "true")
    repo.commit()
    command("project", "deploy")
    assert set(told(command, "prod.alice_top_results.hours")) == {"alice.more.main"}


def test_a_deployment_stands_whatever_becomes_of_its_lineage(command, repo):
    folder = repo.folder.parent / "not-a-folder"
    folder.write_text("")
    repo.edit("dataflow.yaml", "    branch: main\n", f"    branch: main\n    state: sqlite:///{folder}/state.db\n")
    repo.commit()
    done = command("project", "deploy")
    assert "production is at #1 now" in done.stdout
    (line,) = [it for it in done.stderr.splitlines() if "lineage" in it]
    assert line.startswith("deployed lineage could not be updated and will be retried: the run records at")
    folder.unlink()
    assert "nothing changed" in command("project", "deploy").stdout
    assert set(told(command)) == {"alice.top.main"}


def test_a_package_that_can_t_be_read_is_named_and_read_once_it_can(command, repo):
    repo.package("more")
    repo.commit()
    repo.deploy()
    lost = repo.folder.parent / "home" / "registry" / "objects" / bundle(repo, package="more")
    data = lost.read_bytes()
    lost.unlink()
    done = command("migration", "lineage", SOURCE, "--env", "production")
    assert "the lineage of alice/films:more in production can't be read: object" in done.stderr
    assert set(told(command)) == {"alice.top.main"}
    lost.write_bytes(data)
    assert set(told(command)) == {"alice.top.main", "alice.more.main"}


def test_many_that_look_at_once_leave_what_one_would(command, repo):
    for name in ("a", "b", "c"):
        repo.package(name)
        repo.commit()
        repo.deploy()
    barrier = threading.Barrier(4)

    def look(_):
        barrier.wait()
        return sync_deployed_lineage(repo.registry, None, repo.registry.newest(deployments.PREFIX))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(look, range(4))) == [[]] * 4
    assert set(told(command)) == {f"alice.{name}.main" for name in ("top", "a", "b", "c")}
    assert LineageStore(None).synced_revisions(repo.registry.address) == {"production": 3}


def test_lineage_moves_with_the_state_address(command, repo):
    command("project", "deploy")
    team = repo.folder.parent / "home" / "team.db"
    repo.edit("dataflow.yaml", "    branch: main\n", f"    branch: main\n    state: sqlite:///{team}\n")
    repo.commit()
    command("project", "deploy")
    assert set(told(command)) == {"alice.top.main"}
    assert not told(command, env=None)


def test_a_team_s_state_is_a_secret_address_of_postgresql(command, repo, postgresql, monkeypatch):
    monkeypatch.setenv("TEAM_STATE", postgresql)
    repo.edit("dataflow.yaml", "    branch: main\n", "    branch: main\n    state: ${secret:TEAM_STATE}\n")
    repo.package("more")
    repo.commit()
    command("project", "deploy")
    assert set(told(command)) == {"alice.top.main", "alice.more.main"}
    repo.edit("top/src/write.sql", "SUM(view_hours)", "MAX(rating)")
    repo.git("rm", "-r", "-q", "more")
    repo.commit()
    repo.deploy()
    assert told(command, f"{SOURCE}.rating")["alice.top.main"]["bundle"] == bundle(repo)
    assert set(told(command)) == {"alice.top.main"}
    with StateDatabase(postgresql) as database, database.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())


@pytest.fixture
def campaign(command, repo):
    """A campaign that renames a column which the deployed workflow reads."""
    import pyarrow as pa

    catalog = open_catalog(Environment("production"))
    catalog.create_namespace("raw")
    columns = [("title_id", pa.int32()), ("view_hours", pa.float64()), ("date", pa.date32())]
    catalog.create_table("raw.plays", pa.schema(columns), location=str(repo.folder.parent / "plays"))
    repo.edit("top/main.sch.yaml", SOURCE, "raw.plays")
    repo.commit()
    command("project", "deploy")
    deadline = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=60)).isoformat()
    rename = ("raw.plays", "--rename", "view_hours=hours", "--env", "production")
    plan = command.json("migration", "plan", *rename, "--checkout", command.folder.parent / "empty")
    assert [(it["workflow"], it["role"]) for it in plan["touched"]] == [("alice.top.main", "reads")]
    command("migration", "start", *rename, "--deadline", deadline)
    repo.commit("the campaign")
    return lambda: command.json("migration", "status", "--env", "production")["readers"][0]


def test_a_reader_counts_as_moved_once_what_is_deployed_reads_the_old_name_no_more(command, repo, campaign):
    assert (campaign()["state"], campaign()["why"]) == ("open", "its latest deployment reads it")
    repo.edit("top/src/write.sql", "SUM(view_hours)", "SUM(hours)")
    repo.commit()
    assert campaign()["state"] == "open"  # a checkout is a plan
    command("project", "deploy")
    assert (campaign()["state"], campaign()["why"]) == ("moved", "its latest deployment no longer uses the old name")
    command("project", "rollback")
    assert campaign()["state"] == "open"
    assert "1 of 1 moved" not in command("migration", "status", "--env", "production").stdout


def test_a_reader_that_is_deployed_no_more_has_moved_until_it_comes_back(command, repo, campaign):
    repo.git("rm", "-rq", "top")
    repo.package("other")
    repo.commit("top is retired")
    command("project", "deploy")
    assert (campaign()["state"], campaign()["why"]) == ("moved", "no longer deployed")
    assert set(told(command)) == {"alice.other.main"}

    command("project", "rollback")
    assert (campaign()["state"], campaign()["why"]) == ("open", "its latest deployment reads it")


def test_a_program_that_names_no_table_is_not_taken_for_moved(command, repo, campaign):
    database = StateDatabase()
    flow = frozenset({Flow("raw.plays"), Flow("raw.plays", "view_hours", "hours")})
    run = Producer(Origin.RECORDED, "alice.top.main", "prod.alice_top_results", seen=dt.datetime.now(dt.UTC))
    with database.begin() as connection:
        store_lineage(connection, [(run, TableWrite(run.target, flow))])
    database.close()
    repo.write("top/src/write.py", PYTHON)
    repo.edit("top/main.sch.yaml", "src/write.sql", "src/write.py")
    repo.commit()
    command("project", "deploy")
    assert (campaign()["state"], campaign()["why"]) == ("open", "its latest run reads it")


def test_a_registry_that_is_far_away_is_asked_by_whoever_deploys_and_plans(command, repo, s3_address, monkeypatch):
    monkeypatch.setenv("DATAFLOW_REGISTRY", s3_address)
    command("project", "deploy")
    assert set(told(command)) == {"alice.top.main"}
    repo.edit("top/src/write.sql", "SUM(view_hours)", "MAX(rating)")
    repo.commit()
    repo.deploy()
    assert told(command)["alice.top.main"]["bundle"] != bundle(repo)
    command("migration", "status", "--env", "production", code=2)
    assert told(command)["alice.top.main"]["bundle"] == bundle(repo)


def test_it_costs_a_deployment_little(command, repo, capsys):
    repo.deploy()
    used = []
    for _ in range(2):
        before = os.times()
        command("project", "deploy")
        after = os.times()
        used.append(after.user + after.system - before.user - before.system)
    with capsys.disabled():
        print(f"\nnothing changed: {used[0]:.2f} s of the processor with lineage to read, {used[1]:.2f} s without")
    assert used[0] - used[1] < 1.0
