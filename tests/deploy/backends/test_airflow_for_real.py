"""Deployed workflows run by Airflow itself, on this machine alone, and stopped at the end with all that it started."""

from __future__ import annotations

import os
import shlex
import sys
import threading

import pytest

from dataflow.deploy.effect import settings_of
from dataflow.deploy.rollback import plan_rollback
from dataflow.tables.catalog import open_catalog
from dataflow.tables.properties import HWM
from tests.support.airflow import Airflow
from tests.support.packages import DAY as EXECUTION_DATE
from tests.support.packages import EVERY_DAY, definition, spark, wap
from tests.support.repositories import git

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.long, pytest.mark.tools("Airflow")]

PROJECT = """
version: 1
project: films
environments:
  production:
    branch: main
    backend: airflow
    airflow:
      dags: {dags}
      command: {command}
      api: {api}
      token: ${{secret:AIRFLOW_TOKEN}}
    params:
      TARGET_DB: prod
"""
LEAF = definition(
    spark("ddl.sql", "ddl"),
    name="${dataflow.package_id}.leaf",
    params={"TARGET_TABLE": "${TARGET_DB}.${dataflow.package_slug}_leaf"},
)
TABLE = "prod.alice_top_results"
DAY = "2026-01-31"
IMAGE = "registry.example.org/dataflow:1"
ENGINE = """\
#!/bin/sh
# An engine without containers: what stands behind the image gets the variables that are handed on, and no others.
[ "$1" = run ] || exit 125
shift
set_of=
while [ "$1" != "{image}" ]; do
    case "$1" in
        --env) set_of="$set_of $2=$(printenv "$2")"; shift 2 ;;
        --*) shift ;;
        *) echo "no image {image}, and $1 instead" >&2; exit 125 ;;
    esac
done
shift
[ "$1" = dataflow ] || exit 127
shift
exec env -i PATH="{path}" HOME="$HOME" $set_of {python} -m dataflow "$@"
"""
"""What stands for `docker`, as an image can't be pulled here; `tests/test_container_engine.py` has real containers."""

RUN_LEAF = "workflow", "run", "--deployed", "alice.top.leaf", "--env", "production"


NEWS = definition(
    spark("ddl.sql", "ddl"),
    wap(spark("src/write.sql"), by={"date": EXECUTION_DATE}),
    name="${dataflow.package_id}.news",
    head="trigger:\n  tables: [prod.alice_top_results]\n",
    params={
        **EVERY_DAY,
        "SOURCE_TABLE": "dataflow_demo.playback",
        "TARGET_TABLE": "${TARGET_DB}.${dataflow.package_slug}_news",
    },
)


@pytest.fixture
def airflow(repo, home, spark_commands, tmp_path, monkeypatch):
    command = spark_commands(repo.folder, home)
    (tmp_path / "airflow").mkdir()
    found = Airflow(tmp_path / "airflow", tmp_path / "dags", command.environ)
    monkeypatch.setenv("DATAFLOW_JARS", command.environ["DATAFLOW_JARS"])
    calls = shlex.join([sys.executable, "-m", "dataflow"])
    text = PROJECT.format(dags=found.dags, command=calls, api=found.address)
    repo.write("dataflow.yaml", text)
    repo.edit("top/daily.sch.yaml", "LOOKBACK_DAYS: 3", "LOOKBACK_DAYS: 1")
    repo.write("top/leaf.sch.yaml", LEAF)
    repo.commit("run by Airflow")
    repo.deploy()
    found.command = command
    return found


def rows(command) -> int:
    [row] = command.json(
        "query", f"SELECT COUNT(DISTINCT id) AS ids FROM {TABLE} WHERE date = DATE '{DAY}'", "--env", "production"
    )
    return row["ids"]


def test_a_dag_whose_steps_are_containers_passes_airflows_own_test(repo, airflow, tmp_path):
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(ENGINE.format(image=IMAGE, path=airflow.environ["PATH"], python=sys.executable))
    engine.chmod(0o755)
    handed = [
        word for name in sorted(airflow.command.environ) if name.startswith("DATAFLOW_") for word in ("--env", name)
    ]
    calls = shlex.join(["docker", "run", "--rm", "--network=host", *handed, IMAGE, "dataflow"])
    repo.edit("dataflow.yaml", shlex.join([sys.executable, "-m", "dataflow"]), calls)
    repo.commit("in containers")
    repo.deploy()
    airflow.environ["PATH"] = f"{engine.parent}{os.pathsep}{airflow.environ['PATH']}"
    assert airflow("db", "migrate").returncode == 0
    done = airflow("dags", "test", "-B", "dataflow", "alice.top.leaf")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    listed = airflow.command.json("workflow", "runs", "--workflow", "alice.top.leaf")
    assert [it["status"] for it in listed] == ["succeeded", "succeeded"]  # the step, and the whole


def test_a_run_ends_on_its_version_and_what_is_deployed_meanwhile_runs_next(repo, airflow):
    command = airflow.command
    with airflow.standalone():
        command.environ["AIRFLOW_TOKEN"] = airflow.token()
        ids = "alice.top.daily", "alice.top.main", "alice.top.leaf"
        airflow.until("DAGs are read", lambda: airflow.knows(*ids), 300)
        refused = command("workflow", "run", "--deployed", "alice.top.daily", "--date", DAY, code=2)
        assert "alice.top.daily is paused in Airflow" in refused.stderr
        airflow.ask("dags/alice.top.daily", "PATCH", {"is_paused": False})
        first = repo.current().revision.packages["alice/films:top"].bundle

        ended = {}

        def run_daily():
            ended["daily"] = command("workflow", "run", "--deployed", "alice.top.daily", "--date", DAY, code=None)

        worker = threading.Thread(target=run_daily)
        worker.start()
        main = airflow.until("main runs", lambda: _runs(command, "alice.top.main"), 300)[0]
        before = airflow.version_of("alice.top.main")
        repo.edit("top/src/write.sql", "<= 10", "<= 20")
        repo.edit("top/main.sch.yaml", "id: hwm", "id: mark")  # a step that the run's own version does not have
        repo.commit("twenty")
        repo.deploy()
        airflow.until("the new version is read", lambda: airflow.version_of("alice.top.main") > before, 300)
        worker.join(600)
        assert ended["daily"].returncode == 0, ended["daily"].stdout + ended["daily"].stderr
        assert main["run_id"].endswith(f".{DAY}")
        assert rows(command) == 10
        table = open_catalog(settings_of(repo.registry, repo.current())).load_table(TABLE)
        assert table.properties[HWM].startswith(DAY)  # by the step that the newer file has not
        records = command.json("workflow", "runs", "--workflow", "alice.top.main", "--all")
        assert {it["bundle"] for it in records} == {first}
        whole = next(it for it in records if it["asked"]["job"] is None)
        assert whole["status"] == "succeeded"

        done = command("workflow", "run", "--deployed", "alice.top.main", "--date", DAY, "--env", "production")
        assert "succeeded" in done.stdout
        assert rows(command) == 20
        log = command("workflow", "logs", "last", "--env", "production").stdout
        assert "wap | " in log
        assert "wap.publish" in log

        plan_rollback(repo.registry, "production").apply(repo.registry)
        text = (airflow.dags / "production" / "alice.top.main.py").read_text()
        assert f'BUNDLE = "{first}"' in text

        asked = threading.Thread(target=lambda: ended.update(leaf=command(*RUN_LEAF, code=None)))
        asked.start()
        leaf = airflow.until("the leaf runs", lambda: _runs(command, "alice.top.leaf"), 300)[0]
        done = command("workflow", "cancel", f"alice.top.leaf/{leaf['run_id']}", "--env", "production", "--wait", 300)
        assert "was cancelled" in done.stdout
        asked.join(300)
        assert ended["leaf"].returncode == 1

        listed = [
            it for it in command.json("workflow", "runs", "--env", "production") if "leaf" not in it["workflow_id"]
        ]
        assert {it["workflow_id"] for it in listed} == {"alice.top.daily", "alice.top.main"}
        assert {it["status"] for it in listed} == {"succeeded"}


@pytest.fixture
def by_git(repo, home, spark_commands, tmp_path):
    """Return an Airflow whose DAGs are a branch of a git repository: a wap in three tasks, and what its table wakes."""
    command = spark_commands(repo.folder, home)
    (tmp_path / "airflow").mkdir()
    git(tmp_path, "init", "--quiet", "--bare", "dags.git")
    found = Airflow(tmp_path / "airflow", tmp_path / "dags.git", command.environ, branch="live")
    calls = shlex.join([sys.executable, "-m", "dataflow"])
    repo.write(
        "dataflow.yaml", PROJECT.format(dags=f"git+{tmp_path / 'dags.git'}@live", command=calls, api=found.address)
    )
    repo.edit("top/main.sch.yaml", "      write:\n", "      split: true\n      write:\n")
    repo.write("top/news.sch.yaml", NEWS)
    repo.commit("run by Airflow")
    repo.deploy()
    found.command = command
    return found


def test_a_wap_in_three_tasks_publishes_and_wakes_what_waits_for_its_table(by_git):
    command = by_git.command
    with by_git.standalone():
        command.environ["AIRFLOW_TOKEN"] = by_git.token()
        ids = "alice.top.main", "alice.top.news", "alice.top.news.when_tables"
        by_git.until("DAGs are read", lambda: by_git.knows(*ids), 300)
        by_git.ask("dags/alice.top.news.when_tables", "PATCH", {"is_paused": False})
        ended = {}
        asked = "workflow", "run", "--deployed", "alice.top.main", "--date", DAY, "--env", "production"
        worker = threading.Thread(target=lambda: ended.update(main=command(*asked, code=None)))
        worker.start()
        [run] = by_git.until("main runs", lambda: _runs(command, "alice.top.main"), 300)
        name = f"alice.top.main/{run['run_id']}"
        followed = command("workflow", "logs", name, "--env", "production", "--follow").stdout.splitlines()
        worker.join(300)
        assert ended["main"].returncode == 0, ended["main"].stdout + ended["main"].stderr
        tasks = by_git.ask(f"dags/alice.top.main/dagRuns/{run['run_id']}/taskInstances")["task_instances"]
        states = {it["task_id"]: it["state"] for it in tasks}
        assert {"wap.write", "wap.audit", "wap.publish"} < states.keys()
        assert set(states.values()) == {"success"}
        assert rows(command) == 10

        steps = states.keys() - {"run.begin", "run.end"}
        said = [it.partition(" | ") for it in followed]
        assert sorted(task for task, _, line in said if line.startswith(f"  ✓ {task} ")) == sorted(steps)
        assert not [it for it in followed if "source details" in it]

        woken = by_git.until("news are heard", lambda: _ended(command, "alice.top.news.when_tables"), 300)
        assert {it["status"] for it in woken} == {"succeeded"}
        [whole] = command.json("workflow", "runs", "--workflow", "alice.top.news")
        assert (whole["status"], whole["params"]["EXECUTION_DATE"]) == ("succeeded", DAY)
        heard = by_git.ask("assets/events")["asset_events"]
        main, news = "x-dataflow://dataflow.prod.alice_top_results", "x-dataflow://dataflow.prod.alice_top_news"
        assert {(it["name"], it["source_task_id"]) for it in heard} == {
            (main, "wap.publish"),
            (main, "hwm"),  # who waits for the mark is woken by it
            (news, "due"),  # which wakes the next
        }


def _ended(command, workflow: str) -> list:
    return [it for it in _runs(command, workflow) if it["ended"]]


def _runs(command, workflow: str) -> list:
    return command.json("workflow", "runs", "--env", "production", "--workflow", workflow)
