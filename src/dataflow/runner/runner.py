"""Runs a workflow in a Spark session: its steps, the workflows inside it, its dates."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.runner.cancellation import CancelScope
from dataflow.runner.context import RunContext
from dataflow.runner.options import DEFAULTS, RunOptions
from dataflow.runner.preflight import preflight
from dataflow.runner.results import RunResult
from dataflow.runner.run import Run
from dataflow.runner.run_recorder import RunRecorder
from dataflow.workflow.resolved import Workflow

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_CANCEL_GRACE = 20.0

Prepare = Callable[["SparkSession", Workflow, Callable[[str], None]], None]
"""Makes what must exist before a run, such as the demo source; reports its progress by a function that takes a line."""


@dataclass(frozen=True)
class Runner:
    """Runs workflows in one Spark session.

    Attributes:
        context: What their runs share.
        prepare: Called once before the first step.
    """

    context: RunContext
    prepare: Prepare | None = None

    def run(self, workflow: Workflow, options: RunOptions = DEFAULTS) -> RunResult:
        """Run a workflow, or one of its steps.

        Args:
            workflow: What to run.
            options: How to run it.

        Returns:
            The run's result; a failure is a result, not an exception.

        Raises:
            UsageError: There is no step of the id that the options name.
            DataflowError: A table belongs to another package, or lies outside the environment.
            KeyboardInterrupt: The user cancelled the run; it is recorded as cancelled.
        """
        workflow.choose(options.only)
        cancel = CancelScope(self.context.spark.sparkContext, workflow.run_id)
        ended: queue.SimpleQueue[RunResult | BaseException] = queue.SimpleQueue()

        def work() -> None:
            try:
                ended.put(self._run(workflow, options, cancel))
            except BaseException as error:  # raised again in the thread that waits
                ended.put(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            result = _wait(ended)
        except KeyboardInterrupt:
            cancel.cancel_until(lambda wait: _wait(ended, wait) is not None, _CANCEL_GRACE)
            raise
        if result is None or isinstance(result, BaseException):
            raise result or AssertionError("it waits until there is a result")
        return result

    def _run(self, workflow: Workflow, options: RunOptions, cancel: CancelScope) -> RunResult:
        context = self.context
        recorder = RunRecorder(context.records, workflow, context.log, parent=None)
        began = time.monotonic()
        try:
            with recorder.record_failure(), context.translate_errors():
                preflight(context.spark, workflow, adopt=options.adopt)
                if self.prepare is not None:
                    self.prepare(context.spark, workflow, lambda text: context.progress.note(workflow, text))
        except DataflowError as error:
            self._notify(workflow, "failed", time.monotonic() - began, None, error.message)
            raise
        result = Run(context, workflow, recorder, cancel).execute(workflow.choose(options.only))
        step = result.failed_steps[0][1] if result.failed_steps else None
        cause = step.error.message if step and step.error else None
        self._notify(workflow, result.status, result.seconds, step.id if step else None, cause)
        return result

    def _notify(self, workflow: Workflow, status: str, seconds: float, step: str | None, cause: str | None) -> None:
        """Send what the workflow's `notifications:` ask for; only the outermost run does."""
        if not (workflow.notifications.on_failure or workflow.notifications.on_success):
            return
        from dataflow.jobs.notification import RunEnd, notify_run_end

        end = RunEnd(
            workflow=workflow.id,
            run_id=workflow.run_id,
            status=status,
            params=workflow.params,
            seconds=seconds,
            log=str(self.context.log),
            failed_step=step,
            cause=cause,
        )
        lines = notify_run_end(end, workflow.notifications, environment=workflow.environment, owner=workflow.owner)
        for line in lines:
            self.context.progress.note(workflow, line)


def _wait(
    ended: queue.SimpleQueue[RunResult | BaseException], seconds: float = math.inf
) -> RunResult | BaseException | None:
    """Wait for the result of a thread, in short turns that let Ctrl-C through; None at the timeout.

    Not by `Thread.join`: interrupted, it takes a living thread for dead (CPython, bpo-45274).
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(queue.Empty):
            return ended.get(timeout=0.2)
    return None
