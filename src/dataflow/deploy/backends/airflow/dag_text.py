"""The parts of a DAG file that differ by names alone: what decides for a run, and what calls the command."""

from __future__ import annotations

HEAD = '''\
"""{id} in {environment}. Rendered by `dataflow project deploy`: edit its definition, not this."""

from __future__ import annotations

{imports}

WORKFLOW = {workflow}
BUNDLE = {bundle}
STEPS = {steps}
DATAFLOW = {command}
{clock}

def last_{unit}(moment):
    """Return the last {unit} that was over at a moment."""
    return f"{{{date}:{format}}}"


@task(task_id="run.begin")
def begin(dag_run=None, params=None):
    """Decide once for the whole run: for which {unit}, and by which version."""
    version = (dag_run.conf or {{}}).get("version") or {{"bundle": BUNDLE, "steps": STEPS}}
    given = {{name: str(value) for name, value in params.items() if name.isupper() and value is not None}}
    return {{**version, "date": params["date"] or last_{unit}(dag_run.run_after), "params": given}}


def words(run, command):
    """Return the words of a command, for what a run has decided."""
    asked = ["--deployed", f"{{run['bundle']}}:{{WORKFLOW}}", "--date", run["date"]]
    return [*DATAFLOW, "workflow", command, *asked, *(f"--param={{name}}={{it}}" for name, it in run["params"].items())]


def step(ti, name):
    """Return the command that runs one step, by the version that the run began with."""
    run = ti.xcom_pull(task_ids="run.begin")
    if name not in run["steps"]:
        return shlex.join(["echo", f"the version that this run began with has no step '{{name}}'"])
    return shlex.join([*words(run, "run"), "--job", name, "--part-of", ti.run_id])


def is_over(ti, name):
    """Say whether a step has succeeded, all its dates among them."""
    states = ti.get_task_states(WORKFLOW, task_ids=[name], run_ids=[ti.run_id])
    return set(states.get(ti.run_id, {{}}).values()) <= {{"success", "skipped"}}


def end(ti):
    """Return the command that does what is left, records the run as one, and sends its notifications."""
    run = ti.xcom_pull(task_ids="run.begin")
    if run is None:
        return "echo 'the run could not begin' && exit 1"
    over = {{name: is_over(ti, name) for name in STEPS}}
    done = [f"--done={{name}}" for name, is_done in over.items() if is_done and name in run["steps"]]
    failed = [] if all(over.values()) else ["--failed"]
    return shlex.join([*words(run, "run"), "--part-of", ti.run_id, *done, *failed])
'''

DATES = '''

@task
def dates(name, begun, ti=None):
    """Return the {unit}s of a step, each with the run that it is to be: the same name and version when asked again."""
    if name not in begun["steps"]:
        return []
    planned = subprocess.run([*words(begun, "plan"), "--output", "json"], check=True, stdout=subprocess.PIPE)
    found = next(it for it in json.loads(planned.stdout)["steps"] if it["id"] == name)
    version = {{"bundle": begun["bundle"], "steps": CALLED[name]["steps"]}}
    return [
        {{
            "trigger_run_id": f"{{ti.run_id}}.{{date}}",
            "conf": {{"version": version, "date": date, **given(name, date)}},
        }}
        for date in ([] if found["left_out"] else found["dates"])
    ]


def given(name, date):
    """Return the parameters that a {unit}'s run is given."""
    return {{key: value.replace({each}, date) for key, value in CALLED[name]["params"].items()}}
'''

WAKEN = ".when_tables"
"""What stands behind a workflow's id in the name of the DAG that its tables wake."""

IDLE = 99
"""The exit code with which a task has not failed and has done nothing, as Airflow understands it."""

WAKE = """

with DAG(
{arguments}
):
    # An event only wakes it: `due` looks which {unit}s all tables have, and runs for each publication once; where
    # nothing is due, the task is skipped.
    BashOperator(
        task_id="due",
        bash_command={command},{outlets}
    )
"""
