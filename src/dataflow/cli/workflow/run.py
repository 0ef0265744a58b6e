"""`dataflow workflow run`: shows a run's progress and its result."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dataflow.cli.console import Output, print_json, say
from dataflow.cli.streams import silence_stdout
from dataflow.errors import DataflowError
from dataflow.trouble import trouble

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pyspark.sql import SparkSession

    from dataflow.cli.workflow.progress import LiveProgress
    from dataflow.runner.options import RunOptions
    from dataflow.runner.results import RunOutcome
    from dataflow.runner.runner import Prepare
    from dataflow.workflow.load import Request
    from dataflow.workflow.resolved import Workflow


def run_definition(
    file: Path,
    request: Request,
    options: RunOptions,
    output: Output = Output.TEXT,
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
    run_loaded(workflow, options, output)


def continue_in(python: Path | None, arguments: Sequence[str] | None = None) -> None:
    """Continue this command in another Python, where one is needed.

    Raises:
        typer.Exit: The other Python did the work.
    """
    from dataflow.runner import python_process

    if (code := python_process.continue_in(python, arguments)) is not None:
        raise typer.Exit(code)


def run_loaded(workflow: Workflow, options: RunOptions, output: Output = Output.TEXT) -> None:
    """Run a workflow and show its result; raises as `run_definition` does."""
    from dataflow.cli.workflow.progress import LiveProgress
    from dataflow.runner.run_workflow import run_workflow

    workflow.choose(options.only)
    progress = LiveProgress(workflow)
    say(f"run {workflow.run_id} of {workflow.id} in {workflow.environment.name}")
    with _user_prints(output), progress.showing():
        outcome = run_workflow(workflow, options, progress, prepare=_demo_source(progress))
    try:
        _show(outcome, output)
    except Exception as error:  # what is published stays published, whether or not it can be shown
        silence_stdout()
        why = trouble(error) or DataflowError(f"{type(error).__name__}: {error}")
        say(f"the run is over and recorded, but its summary can't be shown: {why.message}")
    if outcome.result.status != "succeeded":
        raise typer.Exit(1)


def _demo_source(progress: LiveProgress) -> Prepare:
    """Return what makes the demo source of a run; a team's catalog gets none."""

    def prepare(spark: SparkSession, workflow: Workflow, report: Callable[[str], None]) -> None:
        from dataflow.tables.catalog import is_embedded

        if is_embedded(workflow.environment):
            from dataflow.sample import demo_source

            with progress.waiting("looking at the demo source"):
                demo_source.prepare(spark, workflow, report)

    return prepare


def _user_prints(output: Output) -> AbstractContextManager[object]:
    """Send what user code prints to stderr where stdout is for JSON."""
    return contextlib.redirect_stdout(sys.stderr) if output is Output.JSON else contextlib.nullcontext()


def _show(outcome: RunOutcome, output: Output) -> None:
    if output is Output.JSON:
        from dataflow.cli.workflow.summary import as_json

        print_json({**as_json(outcome.result), "preview": outcome.preview})
    else:
        from dataflow.cli.workflow.summary import print_summary

        print_summary(outcome.result, outcome.preview)
    sys.stdout.flush()
