"""alice.top.main in production. Rendered by `dataflow project deploy`: edit its definition, not this."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset, Param, task

WORKFLOW = "alice.top.main"
BUNDLE = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
STEPS = ["ddl", "metadata", "wap", "hwm"]
DATAFLOW = ["dataflow"]
CLOCK = ZoneInfo("UTC")


def last_day(moment):
    """Return the last day that was over at a moment."""
    return f"{moment.astimezone(CLOCK) - timedelta(days=1):%Y-%m-%d}"


@task(task_id="run.begin")
def begin(dag_run=None, params=None):
    """Decide once for the whole run: for which day, and by which version."""
    version = (dag_run.conf or {}).get("version") or {"bundle": BUNDLE, "steps": STEPS}
    given = {name: str(value) for name, value in params.items() if name.isupper() and value is not None}
    return {**version, "date": params["date"] or last_day(dag_run.run_after), "params": given}


def words(run, command):
    """Return the words of a command, for what a run has decided."""
    asked = ["--deployed", f"{run['bundle']}:{WORKFLOW}", "--date", run["date"]]
    return [*DATAFLOW, "workflow", command, *asked, *(f"--param={name}={it}" for name, it in run["params"].items())]


def step(ti, name):
    """Return the command that runs one step, by the version that the run began with."""
    run = ti.xcom_pull(task_ids="run.begin")
    if name not in run["steps"]:
        return shlex.join(["echo", f"the version that this run began with has no step '{name}'"])
    return shlex.join([*words(run, "run"), "--job", name, "--part-of", ti.run_id])


def is_over(ti, name):
    """Say whether a step has succeeded, all its dates among them."""
    states = ti.get_task_states(WORKFLOW, task_ids=[name], run_ids=[ti.run_id])
    return set(states.get(ti.run_id, {}).values()) <= {"success", "skipped"}


def end(ti):
    """Return the command that does what is left, records the run as one, and sends its notifications."""
    run = ti.xcom_pull(task_ids="run.begin")
    if run is None:
        return "echo 'the run could not begin' && exit 1"
    over = {name: is_over(ti, name) for name in STEPS}
    done = [f"--done={name}" for name, is_done in over.items() if is_done and name in run["steps"]]
    failed = [] if all(over.values()) else ["--failed"]
    return shlex.join([*words(run, "run"), "--part-of", ti.run_id, *done, *failed])


with DAG(
    dag_id=WORKFLOW,
    schedule=None,
    is_paused_upon_creation=False,
    start_date=datetime(2026, 1, 31, 12, 30, 0, tzinfo=timezone.utc),
    max_active_runs=1,
    default_args={"owner": "alice", "retries": 0},
    tags=["production"],
    params={
        "date": Param(None, type=["null", "string"], description="The day; the last whole one if omitted."),
        "SOURCE_TABLE": Param(None, type=["null", "string"], description="dataflow_demo.playback if omitted"),
    },
    user_defined_macros={"end": end, "step": step},
):
    begun = begin()

    # Spark: ddl.sql
    step_1 = BashOperator(
        task_id="ddl",
        bash_command="{{ step(ti, 'ddl') }}",
    )

    # Metadata: prod.alice_top_results
    step_2 = BashOperator(
        task_id="metadata",
        bash_command="{{ step(ti, 'metadata') }}",
    )

    # wap: prod.alice_top_results
    step_3 = BashOperator(
        task_id="wap",
        bash_command="{{ step(ti, 'wap') }}",
        outlets=[Asset("x-dataflow://dataflow.prod.alice_top_results")],
    )

    # HWM: prod.alice_top_results
    step_4 = BashOperator(
        task_id="hwm",
        bash_command="{{ step(ti, 'hwm') }}",
        outlets=[Asset("x-dataflow://dataflow.prod.alice_top_results")],
    )

    last = BashOperator(
        task_id="run.end",
        bash_command="{{ end(ti) }}",
        trigger_rule="all_done",
    )

    begun >> step_1
    step_1 >> step_2
    step_2 >> step_3
    step_3 >> step_4
    step_4 >> last
