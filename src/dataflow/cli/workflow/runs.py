"""`dataflow workflow runs`: past runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from dataflow.cli.console import out, print_rows
from dataflow.cli.options import EnvOption, LimitOption
from dataflow.cli.output import TEXT, OutputOption, Result


def runs(
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only workflows whose id contains this.")] = None,
    limit: LimitOption = 20,
    every: Annotated[bool, typer.Option("--all", help="Also the runs that other runs started.")] = False,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """List past runs, newest first.

    Example:  dataflow workflow runs --limit 5
    """
    from dataflow.cli.workflow.records import run_records

    with run_records(env) as records:
        found = records.recent(workflow, limit, children=every)
    output.show(_Runs(found))


@dataclass(frozen=True)
class _Runs(Result):
    found: Sequence[Mapping[str, Any]]

    def text(self) -> None:
        if self.found:
            print_rows([_row(run) for run in self.found])
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
        "status": run["status"],
        "started": f"{run['started'].astimezone():%Y-%m-%d %H:%M:%S}",
        "seconds": "" if seconds is None else f"{seconds:.1f}",
    }
