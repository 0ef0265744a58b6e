"""Runs a workflow in a Spark session: its steps, the workflows inside it, its dates."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.runner.cancellation import CancelScope
from dataflow.runner.context import RunContext
from dataflow.runner.long_run import long_run_watch
from dataflow.runner.options import DEFAULTS, RunOptions
from dataflow.runner.parts import with_one_attempt
from dataflow.runner.preflight import preflight
from dataflow.runner.results import RunResult
from dataflow.runner.retry import CANCEL_GRACE, Cancelled
from dataflow.runner.run import Run
from dataflow.runner.run_start import BegunRun, begun
from dataflow.runner.turn import Key, Turn
from dataflow.workflow.resolved import Workflow

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


_TURN = 1.0

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
            Cancelled: Somebody else cancelled it, and its code does not end.
        """
        workflow.choose(options.only)
        with contextlib.ExitStack() as stack:
            if (began := self.context.begun) is None:
                began = stack.enter_context(begun(self.context.records, workflow, self.context.log, options))
                began.wait(lambda text: self.context.progress.note(workflow, text))
            return self._run_in_thread(workflow, options, began)

    def _run_in_thread(self, workflow: Workflow, options: RunOptions, began: BegunRun) -> RunResult:
        """Run in a thread, and wait so that Ctrl-C and a cancellation from elsewhere get through."""
        cancel = CancelScope(self.context.spark.sparkContext, workflow.run_id)
        ended: queue.SimpleQueue[RunResult | BaseException] = queue.SimpleQueue()

        def work() -> None:
            try:
                with began.live.holding(Turn(workflow, cancel, lambda _: None)) as key:
                    ended.put(self._run(workflow, options, cancel, began, key))
            except BaseException as error:  # raised again in the thread that waits
                ended.put(error)

        threading.Thread(target=work, daemon=True).start()
        found: list[RunResult | BaseException] = []

        def is_over(wait: float) -> bool:
            found.extend(it for it in [_wait(ended, wait)] if it is not None)
            return bool(found)

        try:
            while not is_over(_TURN) and not cancel.is_set():
                pass
        except KeyboardInterrupt:
            cancel.cancel_until(is_over, CANCEL_GRACE)
            raise
        if cancel.reason is not None and not _is_done(found):  # it may have heard of it, and ended, at once
            self.context.progress.note(workflow, f"stops: {cancel.reason}")
        if not found and not cancel.cancel_until(is_over, CANCEL_GRACE):
            raise Cancelled(cancel.reason, left_running=True)
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    def _run(
        self, workflow: Workflow, options: RunOptions, cancel: CancelScope, begun_run: BegunRun, key: Key
    ) -> RunResult:
        context = dataclasses.replace(self.context, begun=begun_run, left=options.left, part=options.part)
        begun_run.live.on_beat = long_run_watch(workflow, lambda text: context.progress.note(workflow, text))
        recorder = begun_run.recorder
        is_step = options.part is not None and options.only is not None  # the end of that run tells
        began = time.monotonic()
        try:
            with recorder.record_failure(), context.translate_errors():
                preflight(context.spark, workflow, adopt=options.adopt)
                if self.prepare is not None:
                    self.prepare(context.spark, workflow, lambda text: context.progress.note(workflow, text))
        except DataflowError as error:
            if not is_step:
                self._notify(workflow, "failed", time.monotonic() - began, None, error.message)
            raise
        run = Run(context, workflow, recorder, cancel, keys=(key,), resume=options.resume)
        result = run.execute(with_one_attempt(workflow, options).choose(options.only))
        if is_step:
            return result
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


def _is_done(found: Sequence[RunResult | BaseException]) -> bool:
    """Say whether a run ended by itself, before a cancellation reached it."""
    return bool(found) and isinstance(found[0], RunResult) and found[0].status != "cancelled"


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
