"""One run of a workflow: its steps with their retries, the workflows inside it, its dates."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from dataflow.errors import DataflowError
from dataflow.home import private
from dataflow.jobs.context import JobResult
from dataflow.jobs.dispatch import run_step
from dataflow.lineage.definition_columns import referenced_columns
from dataflow.lineage.model import TableWrite, plain_name
from dataflow.lineage.spark_plan.listener import LineageListener
from dataflow.runner.cancellation import CancelScope
from dataflow.runner.changed.look import is_wanted
from dataflow.runner.changed.remember import remember
from dataflow.runner.context import RunContext
from dataflow.runner.failure_kind import kind_of
from dataflow.runner.job_attempt import JobAttempt
from dataflow.runner.results import RunResult, Status, StepResult
from dataflow.runner.resume import Resume
from dataflow.runner.retry import Cancelled, RetryPolicy, TimedOut, run_with_retry
from dataflow.runner.run_recorder import RunRecorder, record_or_report
from dataflow.runner.scheduler import run_steps
from dataflow.runner.turn import Key, Turn
from dataflow.secret import masked
from dataflow.state.leases import LeaseLost
from dataflow.workflow.attempts import again
from dataflow.workflow.changed_dates import DatesFound
from dataflow.workflow.periods import Period
from dataflow.workflow.resolved import ForeachStep, JobStep, Step, SubworkflowStep, WapStep, Workflow

_PARALLEL_STEPS = 8


@dataclass
class Run:
    """One workflow while it runs.

    Attributes:
        context: What it shares with other runs of the command.
        workflow: The workflow.
        recorder: Records it.
        cancel: Cancels it.
        first: The first day, or other period, of the range that it is a part of, or None.
        keys: What it and the runs around it hold, and nobody else works on.
        resume: What an earlier run has done of it.
        lineage: What its jobs read and write.
        declared: The columns of tables that its DDL declares.
        notes: What it reported on the way.
        applications: The ids of the Spark applications that its programs started.
        left_running: Whether user code still runs although its attempt was cancelled.
    """

    context: RunContext
    workflow: Workflow
    recorder: RunRecorder
    cancel: CancelScope
    first: Period | None = None
    keys: tuple[Key, ...] = ()
    resume: Resume | None = None
    lineage: LineageListener = field(default_factory=LineageListener)
    declared: dict[str, frozenset[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    applications: set[str] = field(default_factory=set)
    left_running: bool = False

    def execute(self, steps: Sequence[Step]) -> RunResult:
        """Run steps of the workflow, all or some, and record the run's end."""
        chosen = {step.id: step for step in steps}
        results = run_steps(
            list(chosen),
            {id_: self.workflow.needs.get(id_, frozenset()) & chosen.keys() for id_ in chosen},
            lambda id_: self._run_step(chosen[id_]),
            on_failure={id_: step.on_failure for id_, step in chosen.items()},
            parallel=_PARALLEL_STEPS,
            cancel=self.cancel,
        )
        started = {result.id for result in results}
        results += [self.recorder.record_skipped(id_) for id_ in chosen if id_ not in started]
        status = _overall(results, cancelled=self.cancel.is_set())
        if status == "cancelled" and self.cancel.parent is not None and self.cancel.reason is not None:
            self.note(f"stopped: {self.cancel.reason}")
        errors = [f"{result.id}: {result.error}" for result in results if result.error is not None]
        with record_or_report("; ".join(errors) or f"the run {status}"):
            unsent = self.recorder.record_end(
                status, results, self.lineage.reads(), self._writes(), self._accelerator()
            )
        if unsent is not None:
            self.note(unsent)
        for why in self.lineage.errors():
            self.note(f"the lineage of this run is incomplete: {why}")
        return RunResult(
            self.workflow,
            status,
            self.recorder.seconds,
            tuple(results),
            self.context.log,
            tuple(self.notes),
            left_running=self.left_running,
        )

    def note(self, text: str) -> None:
        """Report something that users should know."""
        self.notes.append(masked(text))
        self.context.progress.note(self.workflow, masked(text))

    def log_line(self, step: str, line: str) -> None:
        """Add a line of a step's program to the run's log."""
        # One write a line: others write here as well. A line that can't be written fails no job.
        with contextlib.suppress(OSError), open(self.context.log, "a", encoding="utf-8", opener=private) as log:
            log.write(f"{self.workflow.run_id}/{step} | {masked(line)}\n")

    def _done_before(self, id_: str) -> StepResult | None:
        """Return the result of a step that an earlier run has done, or None."""
        if self.resume is None or id_ not in self.resume.done:
            return None
        result = StepResult(id_, "succeeded", _now(), detail=f"done by run {self.resume.run_id}")
        self.recorder.record_step(result)
        if "/" not in id_:  # days are told together
            self.context.progress.finished(self.workflow, id_, result.status, 0.0, result.detail)
        return result

    def _run_step(self, step: Step) -> StepResult:
        """Run a step to its end, retries and contained workflows included."""
        if (done := self._done_before(step.id)) is not None:
            return done
        if step.left_out is not None:
            return self._leave_out(step.id, step.left_out)
        match step:
            case ForeachStep():
                return self._run_foreach(step)
            case SubworkflowStep():
                return self._run_subworkflow(step, step.id, self.first)
            case JobStep() | WapStep():
                return self._run_job(step, step.id)
            case _:
                assert_never(step)

    def _leave_out(self, id_: str, why: str) -> StepResult:
        """Record a step that its `when` leaves out of this run."""
        result = StepResult(id_, "skipped", _now(), attempts=0, detail=f"left out: {why}")
        self.context.progress.started(self.workflow, id_)
        with record_or_report(f"{id_} was left out"):
            self.recorder.record_step(result)
        self.context.progress.finished(self.workflow, id_, result.status, result.seconds, result.detail)
        return result

    def _run_foreach(self, step: ForeachStep) -> StepResult:
        began, started = time.monotonic(), _now()
        dates = [step.cadence.parse(item.value) for item in step.items] if step.over == "dates" else []
        first = min(dates) if dates else self.first
        items = {f"{step.id}/{item.value}": item for item in step.items}

        def run_item(id_: str) -> StepResult:
            if (done := self._done_before(id_)) is not None:
                return done
            inner = items[id_].step
            if inner.left_out is not None:
                return self._leave_out(id_, inner.left_out)
            if isinstance(inner, SubworkflowStep):
                return self._run_subworkflow(inner, id_, first, lambda: self._is_wanted(step, items[id_].value))
            return self._run_job(inner, id_)

        results = run_steps(
            list(items),
            {},
            run_item,
            on_failure=dict.fromkeys(items, step.on_failure),
            parallel=step.parallel,
            cancel=self.cancel,
        )
        started_ids = {result.id for result in results}
        skipped = [self.recorder.record_skipped(id_) for id_ in items if id_ not in started_ids]
        if step.found is not None:
            self._remember(step.found, [*results, *skipped])
        failed = [result for result in results if result.status == "failed"]
        stopped = [result for result in results if result.status == "cancelled"]
        status: Status = "failed" if failed else "cancelled" if skipped or stopped else "succeeded"
        done = sum(result.status in {"succeeded", "warned"} for result in results)
        detail = f"{done:,} of {len(items):,} {step.over}"
        whole = StepResult(
            step.id,
            status,
            started,
            time.monotonic() - began,
            detail=detail + (f", {len(skipped)} not started" if skipped else ""),
            error=next((result.error for result in (*failed, *stopped)), None),
            children=tuple(child for result in results for child in result.children),
            items=(*results, *skipped),
        )
        self.recorder.record_step(whole)
        return whole

    def _is_wanted(self, step: ForeachStep, day: str) -> bool:
        """Say whether a day is still to be run, after another run worked on it."""
        if self.context.left is not None:
            return day in self.context.left()
        with self.context.translate_errors():
            return step.found is None or is_wanted(self.context.spark, step.found, day)

    def _remember(self, found: DatesFound, results: Sequence[StepResult]) -> None:
        """Let the marks remember what was looked at; where they can't, the next run looks at it again."""
        try:
            with self.context.translate_errors():
                remember(self.context.spark, found, results)
        except DataflowError as error:
            self.note(f"what was looked at can't be remembered, and the next run looks again: {error.message}")

    def _run_subworkflow(
        self, step: SubworkflowStep, id_: str, first: Period | None, is_wanted: Callable[[], bool] = lambda: True
    ) -> StepResult:
        last: list[RunResult] = []

        def attempt(number: int, cancel: CancelScope) -> JobResult:
            child = step.workflow if number == 1 else again(step.workflow, number)
            result = self._run_child(child, id_, cancel, first, is_wanted)
            if result is None:
                return JobResult(detail="done by another run meanwhile")
            last[:] = [result]
            self.left_running |= result.left_running
            if result.status == "cancelled":
                raise Cancelled(cancel.reason)
            if result.status == "failed":
                raise _first_error(result)
            return JobResult(detail=_published_rows(result))

        job = step.job
        policy = RetryPolicy.of(job, is_run=True)
        return dataclasses.replace(self._retry(id_, step, policy, attempt), children=tuple(last))

    def _run_child(
        self, child: Workflow, id_: str, cancel: CancelScope, first: Period | None, is_wanted: Callable[[], bool]
    ) -> RunResult | None:
        """Run a workflow that is a step of this one, when nobody else works on the same.

        Returns:
            None where another run did the same while this one waited for it.
        """
        waited = False
        context = self.context
        recorder = RunRecorder(context.records, child, context.log, parent=self.workflow.run_id, step=id_)
        with contextlib.ExitStack() as stack:
            keys = self.keys
            if context.live is not None:
                with recorder.record_failure(), recorder.waiting() as waits:

                    def say(text: str) -> None:
                        nonlocal waited
                        waited = True
                        waits()
                        self.note(f"{id_} {text}")

                    keys += (stack.enter_context(context.live.holding(Turn(child, cancel, say))),)
                    if waited and not is_wanted():
                        recorder.record_end("succeeded", (), ())
                        return None
            resume = self.resume.inside.get(id_) if self.resume is not None else None
            return Run(context, child, recorder, cancel, first, keys, resume).execute(child.steps)

    def _run_job(self, step: JobStep | WapStep, id_: str) -> StepResult:
        def attempt(_: int, cancel: CancelScope) -> JobResult:
            with self.context.translate_errors(), JobAttempt.opened(self, id_, cancel) as job:
                return run_step(step, job)

        own = step.template if isinstance(step, WapStep) else step.job
        return self._retry(id_, step, RetryPolicy.of(own), attempt)

    def _retry(
        self, id_: str, step: Step, policy: RetryPolicy, attempt: Callable[[int, CancelScope], JobResult]
    ) -> StepResult:
        began, attempts = time.monotonic(), [_now()]
        self.context.progress.started(self.workflow, id_)

        def failed(number: int, error: DataflowError, wait: float) -> None:
            self._notice_left_running(error)
            self.recorder.record_failed_attempt(id_, number, attempts[-1], error)
            attempts.append(_now() + dt.timedelta(seconds=wait))
            cause = error.message.partition("\n")[0]
            kind = ", in its infrastructure" if kind_of(error) == "infrastructure" else ""
            self.note(f"{id_}: attempt {number} failed{kind}: {cause}; trying again in {wait:.0f} s")

        try:
            found = run_with_retry(policy, self.cancel.child(id_), attempt, failed)
        except DataflowError as error:
            self._notice_left_running(error)
            status, audits = self._failed_status(error, step), tuple(getattr(error, "results", ()))
            if status == "cancelled" and self.cancel.reason is not None:  # what Spark says of it is the effect
                still = _is_left_running(error)
                error = error if isinstance(error, LeaseLost) else Cancelled(self.cancel.reason, left_running=still)
            seconds = time.monotonic() - began
            result = StepResult(id_, status, attempts[-1], seconds, len(attempts), error=error, audits=audits)
        else:
            seconds = time.monotonic() - began
            result = StepResult(
                id_, "succeeded", attempts[-1], seconds, len(attempts), found.detail,
                audits=found.audits, published=found.published,
            )  # fmt: skip
        with record_or_report(f"{id_} failed: {result.error}" if result.error else f"{id_} {result.status}"):
            self.recorder.record_step(result)
        self.context.progress.finished(self.workflow, id_, result.status, result.seconds, result.detail)
        why = result.error.message.partition("\n")[0] if result.error else result.detail
        self.log_line(id_, f"{result.status} in {result.seconds:.1f} s{f': {why}' if why else ''}")
        return result

    def _notice_left_running(self, error: DataflowError) -> None:
        self.left_running |= _is_left_running(error)

    def _failed_status(self, error: DataflowError, step: Step) -> Status:
        if self.cancel.is_set() or isinstance(error, Cancelled):
            return "cancelled"
        return "warned" if step.on_failure == "ignore" else "failed"

    def _accelerator(self) -> dict[str, Any] | None:
        """Return whether Comet was at work, why, and what fell back to Spark; None where nobody asked."""
        found = self.context.acceleration
        return None if found is None else found.recorded(self.lineage.native())

    def _writes(self) -> list[TableWrite]:
        """Return what was written; columns that audits, the key or a DDL name have to be there as well."""
        needed = referenced_columns(self.workflow)
        for table, columns in self.declared.items():
            name = plain_name(table, self.workflow.environment.catalog_name)
            needed[name] = needed.get(name, frozenset()) | columns
        return [
            dataclasses.replace(it, required_columns=needed.get(it.target, frozenset())) for it in self.lineage.flows()
        ]


def _is_left_running(error: DataflowError) -> bool:
    return isinstance(error, TimedOut | Cancelled) and error.left_running


def _overall(results: Sequence[StepResult], *, cancelled: bool) -> Status:
    statuses = {result.status for result in results}
    if cancelled or "cancelled" in statuses:
        return "cancelled"
    return "failed" if "failed" in statuses else "succeeded"


def _first_error(result: RunResult) -> DataflowError:
    return next(step.error for step in result.steps if step.status == "failed" and step.error is not None)


def _published_rows(result: RunResult) -> str:
    rows = sum(published.rows for published in result.published)
    return f"{rows:,} rows published" if result.published else ""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
