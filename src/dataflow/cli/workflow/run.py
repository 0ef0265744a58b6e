"""`dataflow workflow run`: shows a run's progress and its result."""

from __future__ import annotations

from collections.abc import Sequence
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
    from dataflow.jobs.context import PartOfRun


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
    part_of: Annotated[
        str | None,
        typer.Option(
            "--part-of",
            metavar="RUN",
            help="What a scheduler calls the run that it starts step by step: by --job one step, else its end.",
        ),
    ] = None,
    done: Annotated[
        list[str] | None, typer.Option("--done", metavar="STEP", hidden=True, help="A step that another part did.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", hidden=True, help="Another part of the run has failed.")] = False,
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

    part, job = _part(part_of, done, job, failed=failed)
    options = RunOptions(only=job, adopt=adopt, part=part)
    if deployed is not None:
        from dataflow.cli.workflow.run_deployed import run_deployed

        run_deployed(deployed, request(date, param, env), options, output)
        return
    if file is None:
        raise AssertionError("one of both is given")
    run_definition(definition(file), request(date, param, env), options, output)


def _part(
    part_of: str | None, done: Sequence[str] | None, job: str | None, *, failed: bool
) -> tuple[PartOfRun | None, str | None]:
    """Return which part of a scheduler's run is asked for, None where that is the whole of one; and its job.

    Raises:
        UsageError: The options contradict one another.
    """
    from dataflow.jobs.context import PHASES, PartOfRun

    if part_of is None:
        if done or failed:
            raise UsageError("--done and --failed are of the end of a run: add --part-of RUN")
        return None, job
    if job is None:
        last = f".{PHASES[-1]}"  # of a wap that is split: then it is all done
        return PartOfRun(part_of, frozenset(it.removesuffix(last) for it in done or ()), failed), None
    if done or failed:
        raise UsageError("--job and --done exclude each other: --job is one step, and the end has none")
    step, _, phase = job.partition(".")
    if phase and phase not in PHASES:
        raise UsageError(f"'{phase}' is not a phase of a wap: {', '.join(PHASES)}")
    return PartOfRun(part_of, phase=phase or None), step
