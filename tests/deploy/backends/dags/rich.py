"""alice.top.rich in production. Rendered by `dataflow project deploy`: edit its definition, not this."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset, AssetAny, MultipleCronTriggerTimetable, Param, task

WORKFLOW = "alice.top.rich"
BUNDLE = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
STEPS = ["ddl", "wap", "told", "each_country"]
DATAFLOW = ["dataflow"]
CLOCK = ZoneInfo("Europe/Berlin")


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
    description='Says "it\'s" in two \\ tongues: déjà vu',
    schedule=MultipleCronTriggerTimetable("0 3 * * *", "0 12 * * mon", timezone="Europe/Berlin"),
    start_date=datetime(2026, 1, 31, 12, 30, 0, tzinfo=timezone.utc),
    catchup=True,
    max_active_runs=3,
    default_args={"owner": "alice", "retries": 0},
    tags=["films", "production", "sample"],
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
        retries=2,
        retry_delay=timedelta(seconds=90),
        retry_exponential_backoff=True,
        execution_timeout=timedelta(hours=2),
    )

    # wap: prod.alice_top_results
    step_2 = BashOperator(
        task_id="wap",
        bash_command="{{ step(ti, 'wap') }}",
        retries=1,
        retry_delay=timedelta(seconds=10),
        retry_exponential_backoff=True,
        outlets=[Asset("x-dataflow://dataflow.prod.alice_top_results")],
    )

    # Notification
    step_3 = BashOperator(
        task_id="told",
        bash_command="{{ step(ti, 'told') }}",
    )

    # Foreach: each of its items, 2 at a time
    step_4 = BashOperator(
        task_id="each_country",
        bash_command="{{ step(ti, 'each_country') }}",
    )

    last = BashOperator(
        task_id="run.end",
        bash_command="{{ end(ti) }}",
        trigger_rule="all_done",
    )

    begun >> step_1
    step_1 >> step_2
    step_2 >> step_3
    step_2 >> step_4
    [step_3, step_4] >> last


with DAG(
    dag_id="alice.top.rich.when_tables",
    description="Runs alice.top.rich for what its tables have published.",
    schedule=AssetAny(
        Asset("x-dataflow://dataflow.prod.plays"),
        Asset("x-dataflow://dataflow.prod.titles"),
        Asset("x-dataflow://dataflow.prod.corrections"),
    ),
    start_date=datetime(2026, 1, 31, 12, 30, 0, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "alice", "retries": 0},
    tags=["films", "production", "sample"],
):
    # An event only wakes it: `due` looks which days all tables have, and runs for each publication once; where
    # nothing is due, the task is skipped.
    BashOperator(
        task_id="due",
        bash_command="dataflow workflow due --env production --workflow alice.top.rich --idle-code 99",
        outlets=[Asset("x-dataflow://dataflow.prod.alice_top_results")],
    )
