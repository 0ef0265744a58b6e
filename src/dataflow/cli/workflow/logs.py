"""`dataflow workflow logs`: what a run's Spark and its programs print."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from dataflow.cli.console import write
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result


def logs(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or `last`.")] = "last",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    tail: Annotated[
        int | None, typer.Option("--tail", min=0, metavar="N", help="The last N lines alone; all if omitted.")
    ] = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Show what Spark and the programs of a run printed, by step.

    The log of a run on another machine is there: it says where.

    Examples:
        dataflow workflow logs last --follow
    """
    from dataflow.cli.workflow.records import airflow_runs, run_records
    from dataflow.runner.run_log import follow_log, log_of, read_log

    if (airflow := airflow_runs(env, run_id)) is not None:
        run = airflow.one(run_id)
        if follow:
            for line in airflow.follow_log(run):
                output.show_event(_Line(line))
        else:
            lines = airflow.log(run)
            output.show(
                _Log({"run_id": run.run_id, "log": None}, lines if tail is None else lines[-tail:] * bool(tail))
            )
        return
    with run_records(env) as records:
        found = records.one(run_id)
        path = log_of(found)
        if follow:
            for line in follow_log(records, found["run_id"], path, tail):
                output.show_event(_Line(line))
            return
    output.show(_Log(found, read_log(path, tail)))


@dataclass(frozen=True)
class _Line(Result):
    line: str

    def text(self) -> None:
        write(f"{self.line}\n")
        sys.stdout.flush()

    def data(self) -> object:
        return {"line": self.line}


@dataclass(frozen=True)
class _Log(Result):
    run: Mapping[str, Any]
    lines: Sequence[str]

    def text(self) -> None:
        write("".join(f"{line}\n" for line in self.lines))

    def data(self) -> object:
        return {"run_id": self.run["run_id"], "log": self.run["log"], "lines": list(self.lines)}
