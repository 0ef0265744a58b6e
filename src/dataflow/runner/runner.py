"""Running a workflow: its steps, the workflows inside it, its dates, all in one Spark session's JVM."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.runner.cancellation import Scope
from dataflow.runner.preflight import preflight
from dataflow.runner.results import RunResult
from dataflow.runner.run import Means, Run
from dataflow.runner.run_recorder import Journal
from dataflow.workflow.resolved import Step, Workflow

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_CANCEL_GRACE = 20.0

Prepare = Callable[["SparkSession", Workflow, Callable[[str], None]], None]
"""Does what must be there before a run, such as the demo source; gets a function for lines of progress."""


@dataclass
class Runner(Means):
    """Runs workflows in one Spark session.

    Attributes:
        adopt: Take over tables of other packages.
        prepare: Called once before the first step.
    """

    adopt: bool = False
    prepare: Prepare | None = None

    def run(self, workflow: Workflow, *, only: str | None = None) -> RunResult:
        """Run a workflow, or one of its steps.

        Args:
            workflow: What to run.
            only: Id of the one step to run, without those that it needs.

        Returns:
            How it ended; a failure is a result, not an exception.

        Raises:
            UsageError: There is no step of that id.
            DataflowError: A table belongs to somebody else, or lies outside the environment.
            KeyboardInterrupt: The user stopped it; it was recorded as cancelled.
        """
        steps = workflow.choose(only)
        scope = Scope(self.spark.sparkContext, workflow.run_id)
        ended: queue.SimpleQueue[RunResult | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._collect, args=(ended, workflow, steps, scope), daemon=True).start()
        try:
            result = _wait(ended)
        except KeyboardInterrupt:
            self.stuck = not scope.stop_until(lambda wait: _wait(ended, wait) is not None, _CANCEL_GRACE)
            raise
        if result is None or isinstance(result, BaseException):
            raise result or AssertionError("it waits until there is a result")
        return result

    def _collect(
        self,
        ended: queue.SimpleQueue[RunResult | BaseException],
        workflow: Workflow,
        steps: Sequence[Step],
        scope: Scope,
    ) -> None:
        try:
            ended.put(self._root(workflow, steps, scope))
        except BaseException as error:  # raised again in the thread that waits
            ended.put(error)

    def _root(self, workflow: Workflow, steps: Sequence[Step], scope: Scope) -> RunResult:
        journal = Journal(self.records, workflow, self.log, parent=None)
        began = time.monotonic()
        try:
            with journal.failing(), self.plainly():
                preflight(self.spark, workflow, adopt=self.adopt)
                if self.prepare is not None:
                    self.prepare(self.spark, workflow, lambda text: self.reporter.note(workflow, text))
        except DataflowError as error:
            self._tell(workflow, "failed", time.monotonic() - began, None, error.message)
            raise
        result = Run(self, workflow, journal, scope).whole(steps)
        step = result.failed_steps[0][1] if result.failed_steps else None
        cause = step.error.message if step and step.error else None
        self._tell(workflow, result.status, result.seconds, step.id if step else None, cause)
        return result

    def _tell(self, workflow: Workflow, status: str, seconds: float, step: str | None, cause: str | None) -> None:
        """Tell those whom the workflow's `notifications:` names; only the outermost run does."""
        if not (workflow.notifications.on_failure or workflow.notifications.on_success):
            return
        from dataflow.jobs.notification import RunEnd, notify_run_end

        end = RunEnd(
            workflow=workflow.id,
            run_id=workflow.run_id,
            status=status,
            params=workflow.params,
            seconds=seconds,
            log=str(self.log),
            failed_step=step,
            cause=cause,
        )
        told = notify_run_end(end, workflow.notifications, environment=workflow.environment, owner=workflow.owner)
        for line in told:
            self.reporter.note(workflow, line)


def _wait(
    ended: queue.SimpleQueue[RunResult | BaseException], seconds: float = math.inf
) -> RunResult | BaseException | None:
    """Wait for what a thread ends with, in short turns that let Ctrl-C through; None when the time is over.

    Not by `Thread.join`: interrupted, it takes a living thread for dead (CPython, bpo-45274).
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(queue.Empty):
            return ended.get(timeout=0.2)
    return None
