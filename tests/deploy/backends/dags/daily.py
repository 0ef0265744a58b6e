"""alice.top.daily in production. Rendered by `dataflow project deploy`: edit its definition, not this."""

from __future__ import annotations

import json
import shlex
import subprocess
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, CronTriggerTimetable, Param, task

WORKFLOW = "alice.top.daily"
BUNDLE = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
STEPS = ["each_day"]
DATAFLOW = ["dataflow"]
CLOCK = ZoneInfo("Europe/Berlin")
CALLED = {
    "each_day": {
        "steps": ["ddl", "metadata", "wap", "hwm"],
        "params": {},
    },
}


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


@task
def dates(name, begun, ti=None):
    """Return the days of a step, each with the run that it is to be: the same name and version when asked again."""
    if name not in begun["steps"]:
        return []
    planned = subprocess.run([*words(begun, "plan"), "--output", "json"], check=True, stdout=subprocess.PIPE)
    found = next(it for it in json.loads(planned.stdout)["steps"] if it["id"] == name)
    version = {"bundle": begun["bundle"], "steps": CALLED[name]["steps"]}
    return [
        {
            "trigger_run_id": f"{ti.run_id}.{date}",
            "conf": {"version": version, "date": date, **given(name, date)},
        }
        for date in ([] if found["left_out"] else found["dates"])
    ]


def given(name, date):
    """Return the parameters that a day's run is given."""
    return {key: value.replace("${dataflow.each}", date) for key, value in CALLED[name]["params"].items()}


with DAG(
    dag_id=WORKFLOW,
    schedule=CronTriggerTimetable("0 3 * * *", timezone="Europe/Berlin"),
    start_date=datetime(2026, 1, 31, 12, 30, 0, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "airflow", "retries": 0},
    tags=["production"],
    params={
        "date": Param(None, type=["null", "string"], description="The day; the last whole one if omitted."),
        "LOOKBACK_DAYS": Param(None, type=["null", "string"], description="3 if omitted"),
    },
    user_defined_macros={"end": end, "step": step},
):
    begun = begin()

    # Foreach: a run of alice.top.main for each
    step_1 = TriggerDagRunOperator.partial(
        task_id="each_day",
        trigger_dag_id="alice.top.main",
        logical_date=None,
        wait_for_completion=True,
        deferrable=True,
        poke_interval=5,
        reset_dag_run=True,
        max_active_tis_per_dagrun=1,
    ).expand_kwargs(dates.override(task_id="each_day.dates")("each_day", begun))

    last = BashOperator(
        task_id="run.end",
        bash_command="{{ end(ti) }}",
        trigger_rule="all_done",
    )

    begun >> step_1
    step_1 >> last
