"""Deployed workflows run by Airflow itself, on this machine alone, and stopped at the end with all that it started."""

from __future__ import annotations

import shlex
import sys
import threading

import pytest

from dataflow.deploy.effect import settings_of
from dataflow.deploy.rollback import plan_rollback
from dataflow.tables.catalog import open_catalog
from dataflow.tables.properties import HWM
from tests.support.airflow import Airflow
from tests.support.packages import definition, spark

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.tools("Airflow")]

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
RUN_LEAF = "workflow", "run", "--deployed", "alice.top.leaf", "--env", "production"


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


def test_a_dag_of_one_step_passes_airflows_own_test(repo, airflow):  # noqa: ARG001
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


def _runs(command, workflow: str) -> list:
    return command.json("workflow", "runs", "--env", "production", "--workflow", workflow)
