"""Loading a workflow anew once its changed days are known, and running one that has nothing to do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dataflow.runner.changed.look import look, look_through
from dataflow.runner.changed.remember import remember_nothing
from dataflow.runner.plan_text import reason_lines
from dataflow.wording import plural
from dataflow.workflow.changed_dates import Look
from dataflow.workflow.resolved import ForeachStep, Workflow

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from dataflow.runner.progress import RunProgress
    from dataflow.runner.results import RunResult
    from dataflow.runner.run_recorder import RunRecorder

Reload = Callable[[Look], Workflow]
"""Loads the same run of the same workflow, its days found in the way that it is given."""

_LINES = 10


def looked_at(workflow: Workflow, reload: Reload) -> Workflow:
    """Return a workflow with the days that changed, as far as they can be found without a JVM."""
    return reload(look) if finds_days(workflow) else workflow


def looked_through(workflow: Workflow, reload: Reload, spark: SparkSession) -> Workflow:
    """Return a workflow with the days that changed, looked for by Spark where only that can."""
    return reload(look_through(spark)) if needs_spark(workflow) else workflow


def needs_spark(workflow: Workflow) -> bool:
    """Say whether only Spark can find the days of a workflow."""
    return any(step.found is not None and step.found.needs_spark for step in _over_changes(workflow))


def why_lines(workflow: Workflow) -> Iterator[str]:
    """Yield why the days of a workflow are run: a few lines, and how many more there are."""
    for step in _over_changes(workflow):
        if step.found is None or step.found.needs_spark:
            continue
        lines = list(reason_lines(step.found.reasons, step.found.cadence))
        yield f"{step.id}: {plural(len(step.dates), step.unit)}" + ("" if step.dates else ", nothing changed")
        yield from (f"  {line}" for line in lines[:_LINES])
        if (more := len(lines) - _LINES) > 0:
            yield f"  and {plural(more, 'more line')}: `dataflow workflow plan` shows all"
        yield from (f"  {note}" for note in step.found.notes)


def has_nothing_to_do(workflow: Workflow) -> bool:
    """Say whether a workflow is known to have no day to run, and nothing else, so that it needs no Spark."""
    return not needs_spark(workflow) and all(
        isinstance(step, ForeachStep) and not step.items and (step.found is not None or bool(step.dates))
        for step in workflow.steps
    )


def finds_days(workflow: Workflow) -> bool:
    """Say whether a run finds its days by looking: at tables."""
    return any(True for _ in _over_changes(workflow))


def run_nothing(workflow: Workflow, progress: RunProgress, log: Path) -> RunResult:
    """Record the run of a workflow that has nothing to do, and tell whoever wants to hear of successes."""
    from dataflow.runner.run_recorder import RunRecorder
    from dataflow.state.database import StateDatabase
    from dataflow.state.run_records import RunRecords

    with contextlib.closing(StateDatabase(workflow.environment.state)) as database:
        recorder = RunRecorder(RunRecords(database), workflow, log, parent=None)
        return end_with_nothing(workflow, recorder, progress, log)


def end_with_nothing(workflow: Workflow, recorder: RunRecorder, progress: RunProgress, log: Path) -> RunResult:
    """End a run that was begun and has nothing to do, and tell whoever wants to hear of successes."""
    from dataflow.runner.parts import end_without_spark
    from dataflow.runner.results import StepResult
    from dataflow.state.utc import now

    with recorder.record_failure():
        for foreach in _over_changes(workflow):
            if foreach.found is not None:
                remember_nothing(foreach.found, workflow.environment)
    steps = [StepResult(step.id, "succeeded", now(), detail="0 of 0 dates") for step in workflow.steps]
    return end_without_spark(workflow, recorder, progress, log, steps)


def _over_changes(workflow: Workflow) -> Iterator[ForeachStep]:
    for inner in workflow.walk(every_date=False):
        yield from (step for step in inner.steps if isinstance(step, ForeachStep) and step.found is not None)
