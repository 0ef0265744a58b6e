"""Running a definition and showing its progress and result, as several commands do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dataflow.cli.console import say
from dataflow.cli.first_met import explain
from dataflow.cli.output import TEXT, Output
from dataflow.cli.streams import STOPPED, silence_stdout
from dataflow.errors import DataflowError
from dataflow.system_errors import system_error
from dataflow.workflow.periods import CLOCK

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.cli.workflow.progress import LiveProgress
    from dataflow.runner.changed.reload import Reload
    from dataflow.runner.options import RunOptions
    from dataflow.runner.results import RunOutcome
    from dataflow.runner.runner import Prepare
    from dataflow.workflow.changed_dates import Look
    from dataflow.workflow.load import Request
    from dataflow.workflow.resolved import Workflow


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
