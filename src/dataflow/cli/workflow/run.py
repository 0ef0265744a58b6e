"""`dataflow workflow run`: shows a run's progress and its result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.completion import definitions
from dataflow.cli.console import say
from dataflow.cli.first_met import explain
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, Output, OutputOption
from dataflow.cli.streams import STOPPED, silence_stdout
from dataflow.cli.workflow.arguments import DateOption, DeployedOption, ParamOption
from dataflow.cli.workflow.options import definition, request
from dataflow.errors import DataflowError, UsageError
from dataflow.system_errors import system_error
from dataflow.workflow.periods import CLOCK

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.cli.workflow.progress import LiveProgress
    from dataflow.jobs.context import PartOfRun
    from dataflow.runner.changed.reload import Reload
    from dataflow.runner.options import RunOptions
    from dataflow.runner.results import RunOutcome
    from dataflow.runner.runner import Prepare
    from dataflow.workflow.changed_dates import Look
    from dataflow.workflow.load import Request
    from dataflow.workflow.resolved import Workflow


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


def run_definition(
    file: Path,
    request: Request,
    options: RunOptions,
    output: Output = TEXT,
    *,
    again: Sequence[str] | None = None,
) -> None:
    """Run a definition and show its result; `sample workflow --run` calls it as well.

    Args:
        file: The definition.
        request: Its date, parameters and environment.
        options: How to run it.
        output: How to show the result.
        again: The arguments of the same run for another Python; those of this command when omitted.

    Raises:
        typer.Exit: With 1 when the run failed, 130 when the user stopped it.
        dataflow.errors.DataflowError: It could not start.
    """
    from dataflow.runner.python_process import python_of
    from dataflow.workflow.load import load_workflow

    workflow = load_workflow(file, request)
    workflow.choose(options.only)
    continue_in(python_of(workflow, say), again)
    run_loaded(workflow, options, output, lambda look: load_workflow(file, same_run(request, workflow, look)))


def same_run(request: Request, workflow: Workflow, look: Look) -> Request:
    """Return a request for the same run, its days found by another look; midnight may have passed since the first."""
    clock = {name: value for name, value in workflow.builtins.items() if name in CLOCK}
    return replace(request, look=look, run_id=workflow.run_id, clock=clock)


def continue_in(python: Path | None, arguments: Sequence[str] | None = None) -> None:
    """Continue this command in another Python, where one is needed.

    Raises:
        typer.Exit: The other Python did the work.
    """
    from dataflow.runner import python_process

    if (code := python_process.continue_in(python, arguments)) is not None:
        raise typer.Exit(code)


def run_loaded(workflow: Workflow, options: RunOptions, output: Output, reload: Reload | None = None) -> None:
    """Run a workflow and show its result; raises as `run_definition` does.

    Args:
        workflow: What to run.
        options: How to run it.
        output: How to show the result.
        reload: Loads it anew with the days that changed; None where its days are known.
    """
    from dataflow.cli.workflow.progress import LiveProgress
    from dataflow.runner.changed.reload import looked_at, why_lines
    from dataflow.runner.run_workflow import run_workflow

    workflow = looked_at(workflow, reload) if reload is not None else workflow
    workflow.choose(options.only)
    progress = LiveProgress(workflow)
    say(f"run {workflow.run_id} of {workflow.id} in {workflow.environment.name}")
    with output.reserved(), progress.showing():
        for line in why_lines(workflow):
            progress.say(line)
        outcome = run_workflow(workflow, options, progress, prepare=_demo_source(progress), reload=reload)
    try:
        _show(outcome, output)
        explain(output, workflow.environment.name, *(step.id for step in outcome.result.steps))
    except Exception as error:  # what is published stays published, whether or not it can be shown
        silence_stdout()
        why = system_error(error) or DataflowError(f"{type(error).__name__}: {error}")
        say(f"the run is over and recorded, but its summary can't be shown: {why.message}")
    if outcome.result.status != "succeeded":
        raise typer.Exit(STOPPED if outcome.result.status == "cancelled" else 1)


def _demo_source(progress: LiveProgress) -> Prepare:
    """Return what makes the demo source of a run; a team's catalog gets none."""

    def prepare(spark: SparkSession, workflow: Workflow, report: Callable[[str], None]) -> None:
        from dataflow.tables.catalog import is_embedded

        if is_embedded(workflow.environment):
            from dataflow.sample import demo_source

            with progress.waiting("looking at the demo source"):
                demo_source.prepare(spark, workflow, report)

    return prepare


def _show(outcome: RunOutcome, output: Output) -> None:
    from dataflow.cli.workflow.summary import RunSummary

    output.show(RunSummary(outcome.result, outcome.preview))
    sys.stdout.flush()
