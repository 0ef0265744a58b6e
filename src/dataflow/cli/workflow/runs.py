"""`dataflow workflow runs`: past runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from dataflow.cli.console import RUN_STYLES, cell, out, print_narrowed
from dataflow.cli.options import LimitOption, env_option
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import UsageError
from dataflow.wording import seconds_text


def runs(
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="TEXT", help="Only workflows whose id contains this.")
    ] = None,
    limit: LimitOption = 20,
    every: Annotated[bool, typer.Option("--all", help="All of them; also the runs that other runs started.")] = False,
    env: Annotated[str | None, env_option("all that your sandbox's records hold")] = None,
    all_environments: Annotated[
        bool, typer.Option("--all-environments", help="Those with records of their own as well.")
    ] = False,
    output: OutputOption = TEXT,
) -> None:
    """List past runs, newest first.

    Of an environment that Airflow runs, those that Airflow has.

    Examples:
        dataflow workflow runs --limit 5
        dataflow workflow runs --env production --output json
    """
    from dataflow.cli.workflow.records import airflow_runs, all_records, run_records

    if all_environments:
        if env is not None:
            raise UsageError("--env and --all-environments exclude each other", "name one of them")
        listed = [it for records in all_records() for it in records.recent(workflow, limit, children=every)]
        found = sorted(listed, key=lambda run: (run["started"], run["run_id"]), reverse=True)[:limit]
    elif env is not None and (airflow := airflow_runs(env)) is not None:
        found = [it.record(env) for it in airflow.recent(workflow, limit)]
    else:
        with run_records(env) as records:
            found = records.recent(workflow, limit, children=every, environment=env)
    output.show(_Runs(found))


@dataclass(frozen=True)
class _Runs(Result):
    found: Sequence[Mapping[str, Any]]

    def text(self) -> None:
        if self.found:
            print_narrowed([_row(run) for run in self.found], ("started", "environment", "date"))
        else:
            out().print("no runs yet: `dataflow workflow run main.sch.yaml` makes one")

    def data(self) -> object:
        return [{key: run[key] for key in run if key != "process"} for run in self.found]


def _row(run: Mapping[str, Any]) -> dict[str, object]:
    seconds = (run["ended"] - run["started"]).total_seconds() if run["ended"] else None
    return {
        "run": run["run_id"],
        "workflow": run["workflow_id"],
        "date": run["params"].get("EXECUTION_DATE", ""),
        "environment": run["environment"],
        "status": cell(run["status"], RUN_STYLES.get(run["status"], "")),
        "started": f"{run['started'].astimezone():%Y-%m-%d %H:%M:%S}",
        "took": "" if seconds is None else seconds_text(seconds),
    }
