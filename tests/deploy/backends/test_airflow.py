"""Deployed workflows as DAG files: what they say, where they lie, and what is refused. No Airflow is needed here."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import py_compile
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.deploy.backends.airflow.dag_file import DagFile
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.destroy import destroy, plan_destroy
from dataflow.deploy.rollback import plan_rollback
from dataflow.errors import DataflowError, DefinitionError
from tests.support.packages import definition, each_day, spark

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parent / "dags"
SINCE = dt.datetime(2026, 1, 31, 12, 30, tzinfo=dt.UTC)
PROJECT = """
version: 1
project: films
environments:
  production:
    branch: main
    backend: airflow
    airflow:
      dags: {dags}
    params:
      TARGET_DB: prod
"""
RICH = """
version: 1
workflow:
  id: ${dataflow.package_id}.rich
  description: "Says \\"it's\\" in two \\\\ tongues: déjà vu"
  owner: ${dataflow.owner}
  tags: [films, sample]
trigger:
  - cron: ["0 3 * * *", "0 12 * * mon"]
    timezone: Europe/Berlin
  - tables: [prod.plays, prod.titles]
  - tables: [prod.corrections]
run_strategy:
  parallel: 3
params:
  EXECUTION_DATE: ${dataflow.yesterday}
  SOURCE_TABLE: dataflow_demo.playback
  TARGET_TABLE: ${TARGET_DB}.${dataflow.package_slug}_results
jobs:
  - job:
      id: ddl
      type: Spark
      spark:
        script: ddl.sql
      retries: 2
      retry_delay: 90s
      timeout: 2h
  - template:
      id: wap
      type: wap
      table: ${TARGET_TABLE}
      partition:
        date: ${EXECUTION_DATE}
      retries: 1
      write:
        - job:
            id: write
            type: Spark
            spark:
              script: src/write.sql
  - job:
      id: told
      type: Notification
      notification:
        to: [alice@example.org]
        subject: ${EXECUTION_DATE} is there
      retries: 3
      on_failure: ignore
  - foreach:
      id: each_country
      items: [AT, DE]
      parallel: 2
      job:
        id: country
        type: Spark
        spark:
          script: src/write.sql
dag: [ddl -> wap, wap -> told, wap -> each_country]
"""
TABLES = {
    "EXECUTION_DATE": "${dataflow.yesterday}",
    "SOURCE_TABLE": "dataflow_demo.playback",
    "TARGET_TABLE": "${TARGET_DB}.odd",
}
HOURLY = definition(
    spark("src/write.sql"),
    name="${dataflow.package_id}.hourly",
    head='cadence: hourly\ntrigger:\n  cron: "5 * * * *"\n',
    params={**TABLES, "EXECUTION_DATE": "${dataflow.last_hour}"},
)


@pytest.fixture
def dags(repo, tmp_path) -> Path:
    repo.write("dataflow.yaml", PROJECT.format(dags=tmp_path / "dags"))
    repo.commit("run by Airflow")
    return tmp_path / "dags"


def rendered(repo, name: str, env: str = "production") -> str:
    """Return the DAG file of a workflow of the one package, as it would be for a certain bundle and beginning."""
    [package] = repo.current(env).revision.packages.values()
    bundle = load_bundle(repo.registry, package.bundle)
    workflow = next(it for it in bundle.own_workflows.values() if it.id.endswith(f".{name}"))
    return DagFile(bundle, "0123456789abcdef" * 4, workflow, SINCE).render()


def require_golden(text: str, name: str) -> None:
    """Hold a DAG file to the one that is kept; DAGS=write keeps it anew."""
    if os.environ.get("DAGS") == "write":
        (GOLDEN / name).write_text(text, "utf-8")
    assert text == (GOLDEN / name).read_text("utf-8")


def test_each_workflow_is_a_dag_file_that_reads_as_if_somebody_had_written_it(repo, dags, tmp_path):
    repo.write("top/rich.sch.yaml", RICH)
    repo.write("top/hourly.sch.yaml", HOURLY)
    repo.commit()
    repo.deploy()
    written = sorted((dags / "production").glob("*.py"))
    assert [it.name for it in written] == [f"alice.top.{name}.py" for name in ("daily", "hourly", "main", "rich")]
    for name in ("daily", "hourly", "main", "rich"):
        require_golden(rendered(repo, name), f"{name}.py")
    for file in written:
        py_compile.compile(str(file), cfile=str(tmp_path / "compiled"), doraise=True)
    for command in (["check", "--select", "E,F,I,UP,B,PIE,RUF,SIM"], ["format", "--check"]):
        options = ["--isolated", "--line-length", "120", "--target-version", "py310"]
        words = [sys.executable, "-m", "ruff", *command, *options]
        done = subprocess.run([*words, *map(str, written)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_plan_shows_the_dag_files_of_what_would_change(repo, dags, tmp_path):
    done = repo.command("project", "plan", "--dags", str(tmp_path / "shown"))
    assert done.returncode == 0, done.stderr
    assert not dags.exists()
    repo.deploy()
    for file in sorted((tmp_path / "shown").glob("*.py")):
        name = file.stem.rpartition(".")[2]
        planned = file.read_text().replace("known once it is deployed", "0123456789abcdef" * 4)
        assert [*filter(_lasts, planned.splitlines())] == [*filter(_lasts, rendered(repo, name).splitlines())]
    repo.edit("top/main.sch.yaml", "      write:\n", "      split: true\n      write:\n")
    repo.commit()
    assert repo.command("project", "plan", "--dags", str(tmp_path / "split")).returncode == 0
    text = (tmp_path / "split" / "alice.top.main.py").read_text()
    assert 'STEPS = ["ddl", "metadata", "wap.write", "wap.audit", "wap.publish", "hwm"]' in text
    told = [it.split('"')[1] for it in text.split("BashOperator(")[1:] if "outlets=" in it.partition("\n    )")[0]]
    assert told == ["wap.publish", "hwm"], "who waits for the mark hears of it as well"
    arrows = text[text.index("    begun >>") :]
    assert arrows == "".join(f"    {a} >> {b}\n" for a, b in itertools.pairwise(["begun", *STEPS, "last"]))
    assert repo.command("project", "plan", "--sandbox", "--dags", str(tmp_path / "none")).returncode == 2


STEPS = [f"step_{number}" for number in range(1, 7)]


def _lasts(line: str) -> bool:
    return "start_date" not in line


def test_a_branch_has_dags_of_its_own_that_no_schedule_starts(repo, dags):
    repo.deploy()
    repo.branch("top-50")
    repo.edit("top/src/write.sql", "<= 10", "<= 50")
    repo.commit()
    deployed = repo.deploy().deployment
    name = deployed.name
    prefix = f"{deployed.revision.database}.alice.top"
    found = {it.name: it.read_text() for it in (dags / name).glob("*.py")}
    assert found.keys() == {f"{prefix}.daily.py", f"{prefix}.main.py"}
    daily = found[f"{prefix}.daily.py"]
    assert "    schedule=None,\n    is_paused_upon_creation=True,\n" in daily
    assert f'        trigger_dag_id="{prefix}.main",\n' in daily
    assert "    schedule=None,\n    is_paused_upon_creation=False,\n" in found[f"{prefix}.main.py"]
    assert sorted(it.name for it in (dags / "production").glob("*.py")) == ["alice.top.daily.py", "alice.top.main.py"]

    settings = repo.source().target.environment
    destroy(repo.registry, plan_destroy(repo.registry, name, settings))
    assert [it.name for it in dags.glob("[!.]*")] == ["production"]


def test_a_deployment_renders_what_changed_and_a_rollback_brings_it_back(repo, dags):
    repo.package("bottom")
    repo.commit()
    repo.deploy()
    first = {it.name: (it.read_text(), it.stat().st_mtime_ns) for it in (dags / "production").glob("*.py")}
    repo.edit("top/src/write.sql", "<= 10", "<= 20")
    repo.commit()
    repo.deploy()
    second = {it.name: (it.read_text(), it.stat().st_mtime_ns) for it in (dags / "production").glob("*.py")}
    assert {name for name in first if first[name] != second[name]} == {"alice.top.daily.py", "alice.top.main.py"}

    plan_rollback(repo.registry, "production").apply(repo.registry)
    assert {it.name: it.read_text() for it in (dags / "production").glob("*.py")} == {
        name: text for name, (text, _) in first.items()
    }

    repo.git("rm", "-rq", "bottom")
    repo.commit()
    repo.deploy()
    assert sorted(it.name for it in (dags / "production").glob("*.py")) == ["alice.top.daily.py", "alice.top.main.py"]


def test_deploying_again_finishes_what_was_killed_before_its_files_were_there(repo, dags):
    repo.deploy()
    (dags / "production" / "alice.top.main.py").unlink()
    (dags / "production" / ".rendered.json").write_text("{")
    (dags / "production" / "alice.gone.main.py").write_text("")
    assert not repo.deploy().changed
    assert sorted(it.name for it in (dags / "production").glob("*.py")) == ["alice.top.daily.py", "alice.top.main.py"]


def test_dags_of_an_environment_that_airflow_runs_no_more_are_taken_away(repo, dags, tmp_path):
    repo.deploy()
    repo.write("dataflow.yaml", PROJECT.format(dags=tmp_path / "elsewhere"))
    repo.commit("moved")
    repo.deploy()
    assert not list(dags.glob("[!.]*"))
    assert len(list((tmp_path / "elsewhere" / "production").glob("*.py"))) == 2
    text = (repo.folder / "dataflow.yaml").read_text()
    repo.write(
        "dataflow.yaml",
        text.replace("    backend: airflow\n", "").split("    airflow:")[0] + "    params:\n      TARGET_DB: prod\n",
    )
    repo.commit("run by due again")
    repo.deploy()
    assert not list((tmp_path / "elsewhere").glob("[!.]*"))


def test_other_settings_of_the_same_airflow_render_its_files_anew_and_take_none_away(repo, dags):
    repo.deploy()
    before = sorted(it.name for it in (dags / "production").glob("*.py"))
    more = f"dags: {dags}\n      command: docker run --rm registry.example.org/dataflow:1 dataflow\n      api: http://a.example"
    repo.edit("dataflow.yaml", f"dags: {dags}", more)
    repo.commit("another command")
    repo.deploy()
    assert sorted(it.name for it in (dags / "production").glob("*.py")) == before
    expected = 'DATAFLOW = ["docker", "run", "--rm", "registry.example.org/dataflow:1", "dataflow"]'
    assert expected in (dags / "production" / "alice.top.main.py").read_text().splitlines()


def test_what_airflow_runs_is_told_as_its_own_where_somebody_looks_for_what_is_due(repo, dags):
    said = repo.command("project", "deploy").stdout
    assert f"  Airflow reads its DAG files in production of {dags}\n" in said
    assert "workflow run --deployed" not in said, "without its API nobody could ask for one"
    due = repo.command("workflow", "due", "--env", "production")
    assert (due.returncode, due.stdout) == (0, "nothing is due: Airflow runs the schedules of production\n")
    woken = repo.command("workflow", "due", "--env", "production", "--workflow", "top.daily", "--idle-code", "99")
    assert (woken.returncode, woken.stdout) == (99, "nothing of top.daily is due\n")


def test_what_tables_woke_is_news_of_all_that_its_runs_publish(repo, dags):
    repo.edit("top/daily.sch.yaml", '  cron: "0 3 * * *"\n', "  tables: [prod.plays]\n")
    repo.commit("by tables")
    repo.deploy()
    woken = (dags / "production" / "alice.top.daily.py").read_text().rpartition("with DAG(")[2]
    assert '    dag_id="alice.top.daily.when_tables",\n' in woken
    assert '        outlets=[Asset("x-dataflow://dataflow.prod.alice_top_results")],\n' in woken


def test_a_bundle_of_before_airflow_runs_as_one_task_after_a_rollback(repo, tmp_path):
    repo.deploy()
    repo.write("dataflow.yaml", PROJECT.format(dags=tmp_path / "dags"))
    repo.commit("run by Airflow")
    repo.deploy()
    plan_rollback(repo.registry, "production").apply(repo.registry)
    [package] = repo.current().revision.packages.values()
    text = (tmp_path / "dags" / "production" / "alice.top.main.py").read_text()
    assert f'BUNDLE = "{package.bundle}"\nSTEPS = []\n' in text
    assert "    begun >> last\n" in text


def test_a_git_repository_of_dags_gets_one_commit_for_a_deployment(repo, tmp_path):
    bare = tmp_path / "dags.git"
    repo.git("init", "-q", "--bare", "-b", "dags", str(bare))
    repo.write("dataflow.yaml", PROJECT.format(dags=f"git+file://{bare}@dags"))
    repo.commit("run by Airflow")
    repo.deploy()
    repo.deploy()  # nothing changed, nothing committed
    listed = repo.git("--git-dir", str(bare), "ls-tree", "-r", "--name-only", "dags").splitlines()
    assert listed == [
        "production/.rendered.json",
        "production/alice.top.daily.py",
        "production/alice.top.main.py",
    ]
    assert repo.git("--git-dir", str(bare), "log", "--format=%s", "dags") == "production: 2 DAG files"


def test_a_name_that_another_environment_has_in_the_same_folder_is_refused(repo, dags):  # noqa: ARG001
    repo.deploy()
    text = (repo.folder / "dataflow.yaml").read_text()
    repo.write(
        "dataflow.yaml",
        text + text[text.index("  production:") :].replace("production:", "staging:").replace("main", "staging"),
    )
    repo.branch("staging")
    repo.commit("the same folder")
    with pytest.raises(DataflowError, match=r"production has a DAG alice\.top\.daily in .*dags already") as failed:
        repo.deploy()
    assert failed.value.hint == "give each environment a `dags:` of its own"
    assert repo.current("staging") is None


@pytest.mark.parametrize(
    ("head", "line", "message"),
    [
        (
            'trigger:\n  cron: "0 3 * * *"\n  jitter: 10m\n',
            6,
            "Airflow has no jitter: leave it out, and limit what runs at once by a pool",
        ),
        (
            'trigger:\n  - cron: "0 3 * * *"\n    timezone: Europe/Berlin\n  - cron: "0 3 * * *"\n',
            7,
            "a DAG has one time zone for all its schedules: Europe/Berlin above, and UTC here",
        ),
        (
            "concurrency: supersede\n",
            4,
            "Airflow would try again what another run took the place of: 'wait' or 'refuse'",
        ),
        (
            "notifications:\n  longer_than: 1h\n  on_late: [alice@example.org]\n",
            5,
            "each step is a task of its own in Airflow, so nobody sees how long a run takes: use 'timeout' of steps",
        ),
    ],
)
def test_what_airflow_cant_do_is_refused_where_it_is_written(repo, dags, head, line, message):  # noqa: ARG001
    repo.write(
        "top/odd.sch.yaml",
        definition(spark("src/write.sql"), name="${dataflow.package_id}.odd", head=head, params=TABLES),
    )
    repo.commit()
    with pytest.raises(DefinitionError) as failed:
        repo.plan()
    [problem] = failed.value.problems
    assert (problem.line, problem.message) == (line, message)


def test_runs_that_refuse_one_another_have_no_independent_steps(repo, dags):  # noqa: ARG001
    head = "concurrency: refuse\n"
    steps = [spark("src/write.sql", name) for name in ("one", "two", "three")]
    text = definition(*steps, name="${dataflow.package_id}.odd", head=head, params=TABLES)
    repo.write("top/odd.sch.yaml", text)
    repo.commit()
    assert repo.plan().changes
    repo.write("top/odd.sch.yaml", text + "dag: [one -> two, one -> three]\n")
    repo.commit()
    with pytest.raises(DefinitionError, match="independent steps are runs of the same day in Airflow"):
        repo.plan()


def test_a_name_that_airflow_does_not_take_is_refused(repo, dags):  # noqa: ARG001
    repo.write("top/odd.sch.yaml", definition(spark("src/write.sql"), name="Überblick/main", params=TABLES))
    repo.commit()
    with pytest.raises(DefinitionError, match="'Überblick/main' can't name a DAG"):
        repo.plan()


def test_days_that_depend_on_those_before_them_stay_one_task(repo, dags):
    changed = "changed: [dataflow_demo.playback]\nfrom: earliest changed\nlast: 3"
    repo.write("top/daily.sch.yaml", definition(each_day(changed), name="${dataflow.package_id}.daily"))
    repo.commit()
    repo.deploy()
    text = (dags / "production" / "alice.top.daily.py").read_text()
    assert "TriggerDagRunOperator" not in text
    assert "    # Foreach: each of its dates, 1 at a time\n" in text


def test_settings_of_airflow_are_held_to_what_they_mean(repo, tmp_path):
    for settings, message in (
        ("backend: airflow", "'backend: airflow' needs 'airflow:' with 'dags:', the folder of its DAG files"),
        ("airflow:\n      dags: /srv/dags", "'airflow:' is for 'backend: airflow', which is not set"),
        (
            "backend: airflow\n    airflow:\n      dags: dags",
            "'dags' should be an absolute folder, or git+ADDRESS, not 'dags'",
        ),
        (
            "backend: airflow\n    airflow:\n      dags: /srv/dags\n      api: here",
            "'api' should be an http address, not 'here'",
        ),
        ("backend: airflow\n    airflow:\n      dags: /srv/dags\n      command: '\"'", "No closing quotation"),
    ):
        repo.write("dataflow.yaml", f"version: 1\nproject: films\nenvironments:\n  production:\n    {settings}\n")
        with pytest.raises(DefinitionError, match=re.escape(message)):
            repo.source()
    text = PROJECT.format(dags=tmp_path / "dags").replace("    params:", "      token: geheim\n    params:")
    repo.write("dataflow.yaml", text)
    repo.commit()
    with pytest.raises(DataflowError, match=r"contains a plain-text secret \(airflow: token\)"):
        repo.deploy()
