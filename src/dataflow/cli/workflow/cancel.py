"""`dataflow workflow cancel`: stops a run, from whatever terminal or machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.runner.stopping import StoppedRun


def cancel(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or `last`.", show_default=False)
    ],
    wait: Annotated[
        int, typer.Option("--wait", min=0, metavar="SECONDS", help="Wait at most so long until it has stopped.")
    ] = 60,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Stop a run, from any terminal or machine with the same state.

    It stops as by Ctrl-C: nothing half-written is visible, and `workflow retry` goes on. The id of a run that is part
    of another one, such as a day of a backfill, stops that part alone.

    Examples:
        dataflow workflow cancel last

    Exit codes:
        1: it has not stopped in time, or can't hear
        2: it has ended already, or there is no such run
    """
    from dataflow.cli.workflow.records import airflow_runs, run_records
    from dataflow.runner.stopping import StoppedRun, stop_run
    from dataflow.workflow.identity import current_user

    if (airflow := airflow_runs(env, run_id)) is not None:
        run = airflow.cancel(airflow.one(run_id), wait)
        status = "cancelled" if run.has_ended else run.status
        stopped = StoppedRun({**run.record(str(env)), "status": status})
        output.show(_Cancelled(stopped))
        if not stopped.has_ended:
            raise typer.Exit(1)
        return
    with run_records(env) as records:
        stopped = stop_run(records, run_id, current_user(), wait)
    output.show(_Cancelled(stopped))
    if not stopped.has_ended:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Cancelled(Result):
    stopped: StoppedRun

    def text(self) -> None:
        run = self.stopped.run
        if not self.stopped.has_ended:
            out().print(f"run {run['run_id']} was asked to stop, and has not ended yet")
        elif run["status"] == "cancelled":
            out().print(f"run {run['run_id']} of {run['workflow_id']} was cancelled")
        else:
            out().print(f"run {run['run_id']} of {run['workflow_id']} has ended by itself: {run['status']}")

    def data(self) -> object:
        run = self.stopped.run
        return {"run_id": run["run_id"], "workflow": run["workflow_id"], "status": run["status"]}
