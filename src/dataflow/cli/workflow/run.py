"""`dataflow workflow run`: shows a run's progress and its result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.completion import definitions
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption
from dataflow.cli.workflow.arguments import DateOption, DeployedOption, ParamOption
from dataflow.cli.workflow.options import definition, request
from dataflow.cli.workflow.running import run_definition
from dataflow.errors import UsageError

if TYPE_CHECKING:
    pass


def run(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A *.sch.yaml file, or a package's folder for its main.sch.yaml.",
            show_default=False,
            autocompletion=definitions,
        ),
    ] = None,
    date: DateOption = None,
    param: ParamOption = None,
    job: Annotated[
        str | None, typer.Option("--job", metavar="NAME", help="One job alone; without those before it.")
    ] = None,
    env: EnvOption = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over tables that another package made and handed to you.")
    ] = False,
    deployed: DeployedOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Run a workflow: write on a branch, audit, publish (wap).

    It reaches your own sandbox, and nothing else, unless --env names another environment. With --deployed it runs what
    was deployed, from the registry alone. Of an hourly, weekly or monthly definition, --date is 2026-01-31T05, 2026-W05
    or 2026-01.

    Examples:
        dataflow workflow run main.sch.yaml --date 2026-01-31
        dataflow workflow run main.sch.yaml --param LOOKBACK_DAYS=7
        dataflow workflow run --deployed titles.main --date 2026-01-31

    Exit codes:
        1: the run failed, or a blocking audit did; nothing of that day is published
        2: the definition has mistakes, or a name is not known; nothing ran
        130: it was stopped; the same command again finishes the work
    """
    if (file is None) == (deployed is None):
        raise UsageError("name either a *.sch.yaml file or --deployed ID", "dataflow workflow run main.sch.yaml")
    from dataflow.runner.options import RunOptions

    options = RunOptions(only=job, adopt=adopt)
    if deployed is not None:
        from dataflow.cli.workflow.run_deployed import run_deployed

        run_deployed(deployed, request(date, param, env), options, output)
        return
    if file is None:
        raise AssertionError("one of both is given")
    run_definition(definition(file), request(date, param, env), options, output)
