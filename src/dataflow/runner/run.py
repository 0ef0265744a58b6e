"""One run of a workflow: its steps with their retries, the workflows inside it, its dates."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from dataflow.errors import DataflowError
from dataflow.home import private
from dataflow.jobs.context import JobContext, Outcome, Programs
from dataflow.jobs.dispatch import run_step
from dataflow.lineage.definition_columns import referenced_columns
from dataflow.lineage.model import TableWrite, plain_name
from dataflow.lineage.spark_plan.listener import LineageListener
from dataflow.lineage.spark_plan.plan_lineage import lines_in
from dataflow.runner.cancellation import Scope
from dataflow.runner.results import Reporter, RunResult, Status, StepResult
from dataflow.runner.retry import Cancelled, Patience, TimedOut, retrying
from dataflow.runner.run_recorder import Journal, recorded
from dataflow.runner.scheduler import run_steps
from dataflow.secret import masked
from dataflow.spark.errors import message_of, raise_ctrl_c
from dataflow.spark.guard import EVERYTHING, open_session, scope_of, scoped
from dataflow.spark.guard import Scope as WriteScope
from dataflow.spark.spark_home import spark_home
from dataflow.tables.iceberg import jvm
from dataflow.trouble import trouble, way_out
from dataflow.workflow.resolved import ForeachStep, JobStep, Step, SubworkflowStep, WapStep, Workflow

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.state.run_records import RunRecords

_PARALLEL_STEPS = 8


@dataclass
class Means:
    """What runs of workflows have in common.

    Attributes:
        spark: The session; each job gets one of its own from it, in the same JVM.
        records: Where the runs are recorded.
        reporter: Who watches.
        log: Where Spark's output goes.
        death: Says why the JVM is gone, when it is.
        settings: What the session was started with, for programs that start a Spark of their own.
        java_home: The Java that runs it, or None for the PATH's.
        jar_of: Returns the jar of an sbt project's folder, or of a path to a jar.
        stuck: Whether user code goes on although it was stopped; the process should end without waiting for it.
    """

    spark: SparkSession
    records: RunRecords
    reporter: Reporter
    log: Path
    death: Callable[[], DataflowError | None] = lambda: None
    settings: Mapping[str, str] = field(default_factory=dict)
    java_home: Path | None = None
    jar_of: Callable[[Path], Path] = lambda path: path
    stuck: bool = False

    @contextlib.contextmanager
    def plainly(self) -> Iterator[None]:
        """Turn whatever Spark and py4j raise into one line; a JVM that died is told as that."""
        try:
            yield
        except DataflowError as error:
            raise self.death() or error from error.__cause__
        except BaseException as error:  # people's code may raise any; Ctrl-C is raised in the main thread alone
            raise_ctrl_c(error)
            said = message_of(error)
            known = trouble(error) if isinstance(error, Exception) else None
            raise self.death() or known or DataflowError(said, way_out(said)) from error


@dataclass
class Run:
    """One workflow while it runs.

    Attributes:
        means: What it runs with.
        workflow: The workflow.
        journal: Its entries in the records.
        scope: Stops it.
        first: The first day of the range that it is a part of, or None.
        lineage: What its jobs read.
        declared: The columns that its DDL says tables have.
        notes: What was said on the way.
        sparks: The ids of the Sparks that its programs started.
    """

    means: Means
    workflow: Workflow
    journal: Journal
    scope: Scope
    first: dt.date | None = None
    lineage: LineageListener = field(default_factory=LineageListener)
    declared: dict[str, frozenset[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    sparks: set[str] = field(default_factory=set)

    def whole(self, steps: Sequence[Step]) -> RunResult:
        """Run steps of the workflow, all or some, and record its end."""
        began = time.monotonic()
        chosen = {step.id: step for step in steps}
        results = run_steps(
            list(chosen),
            {id_: self.workflow.needs.get(id_, frozenset()) & chosen.keys() for id_ in chosen},
            lambda id_: self.step(chosen[id_]),
            on_failure={id_: step.on_failure for id_, step in chosen.items()},
            parallel=_PARALLEL_STEPS,
            cancel=self.scope,
        )
        started = {result.id for result in results}
        results += [self.journal.skipped(id_) for id_ in chosen if id_ not in started]
        status = _overall(results, cancelled=self.scope.is_set())
        errors = [f"{result.id}: {result.error}" for result in results if result.error is not None]
        with recorded("; ".join(errors) or f"the run {status}"):
            lost = self.journal.end(status, results, self.lineage.reads(), self._writes())
        if lost is not None:
            self.note(lost)
        for why in self.lineage.errors():
            self.note(f"the lineage of this run is incomplete: {why}")
        seconds = time.monotonic() - began
        return RunResult(self.workflow, status, seconds, tuple(results), self.means.log, tuple(self.notes))

    def step(self, step: Step) -> StepResult:
        """Run a step to its end, retries and contained workflows included."""
        match step:
            case ForeachStep():
                return self._foreach(step)
            case SubworkflowStep():
                return self._subworkflow(step, step.id, self.first)
            case JobStep() | WapStep():
                return self._leaf(step, step.id)
            case _:
                assert_never(step)

    def _foreach(self, step: ForeachStep) -> StepResult:
        began, started = time.monotonic(), _now()
        first = min(dt.date.fromisoformat(item.value) for item in step.items)
        items = {f"{step.id}/{item.value}": item for item in step.items}

        def turn(id_: str) -> StepResult:
            inner = items[id_].step
            if isinstance(inner, SubworkflowStep):
                return self._subworkflow(inner, id_, first)
            return self._leaf(inner, id_)

        results = run_steps(
            list(items),
            {},
            turn,
            on_failure=dict.fromkeys(items, step.on_failure),
            parallel=step.parallel,
            cancel=self.scope,
        )
        started_ids = {result.id for result in results}
        left = [self.journal.skipped(id_) for id_ in items if id_ not in started_ids]
        failed = [result for result in results if result.status == "failed"]
        status: Status = "failed" if failed else "cancelled" if left else "succeeded"
        detail = f"{len(results) - len(failed)} of {len(items)} dates" + (f", {len(left)} not started" if left else "")
        whole = StepResult(
            step.id,
            status,
            started,
            time.monotonic() - began,
            detail=detail,
            error=failed[0].error if failed else None,
            children=tuple(child for result in results for child in result.children),
        )
        self.journal.ended(whole)
        return whole

    def _subworkflow(self, step: SubworkflowStep, id_: str, first: dt.date | None) -> StepResult:
        last: list[RunResult] = []

        def attempt(number: int, scope: Scope) -> Outcome:
            child = step.workflow if number == 1 else step.workflow.again(number)
            journal = Journal(self.means.records, child, self.means.log, parent=self.workflow.run_id)
            result = Run(self.means, child, journal, scope, first).whole(child.steps)
            last[:] = [result]
            if result.status == "cancelled":
                raise Cancelled("stopped before its end")
            if result.status == "failed":
                raise _first_error(result)
            return Outcome(detail=_told(result))

        job = step.job
        result = self._tried(id_, step, Patience(job.retries, job.retry_delay, job.timeout), attempt)
        return dataclasses.replace(result, children=tuple(last))

    def _leaf(self, step: JobStep | WapStep, id_: str) -> StepResult:
        def attempt(_: int, scope: Scope) -> Outcome:
            with self.means.plainly():
                scope.tag_jobs()
                spark = open_session(self.means.spark, EVERYTHING)
                # Spark and Iceberg read settings from the thread's active session; a new thread has none.
                jvm(spark).SparkSession.setActiveSession(spark._jsparkSession)
                heard = LineageListener(self.lineage)
                heard.watch(spark, runs_user_code=False)
                try:
                    return run_step(step, self._context(spark, id_, scope, heard))
                finally:
                    heard.unwatch(spark)

        own = step.template if isinstance(step, WapStep) else step.job
        return self._tried(id_, step, Patience(own.retries, own.retry_delay, own.timeout), attempt)

    def _tried(self, id_: str, step: Step, patience: Patience, attempt: Callable[[int, Scope], Outcome]) -> StepResult:
        began, attempts = time.monotonic(), [_now()]
        self.means.reporter.started(self.workflow, id_)

        def again(number: int, error: DataflowError, wait: float) -> None:
            self.journal.failed_attempt(id_, number, attempts[-1], error)
            attempts.append(_now() + dt.timedelta(seconds=wait))
            cause = error.message.partition("\n")[0]
            self.note(f"{id_}: attempt {number} failed: {cause}; trying again in {wait:.0f} s")

        try:
            outcome = retrying(patience, self.scope.child(id_), attempt, again)
        except DataflowError as error:
            status, audits = self._failed_status(error, step), tuple(getattr(error, "results", ()))
            seconds = time.monotonic() - began
            result = StepResult(id_, status, attempts[-1], seconds, len(attempts), error=error, audits=audits)
        else:
            seconds = time.monotonic() - began
            result = StepResult(
                id_, "succeeded", attempts[-1], seconds, len(attempts), outcome.detail,
                audits=outcome.audits, published=outcome.published,
            )  # fmt: skip
        with recorded(f"{id_} failed: {result.error}" if result.error else f"{id_} {result.status}"):
            self.journal.ended(result)
        self.means.reporter.finished(self.workflow, id_, result.status, result.seconds, result.detail)
        return result

    def _failed_status(self, error: DataflowError, step: Step) -> Status:
        if isinstance(error, TimedOut) and error.left_behind:
            self.means.stuck = True
        if self.scope.is_set() or isinstance(error, Cancelled):
            return "cancelled"
        return "warned" if step.on_failure == "ignore" else "failed"

    def _context(self, spark: SparkSession, id_: str, scope: Scope, heard: LineageListener) -> JobContext:
        """Return what a job works with; what it reads and writes itself is `heard`, a look at it costs what it did."""

        def reads() -> Mapping[str, tuple[int, int]]:
            heard.collect()
            return self.lineage.sources()

        return JobContext(
            spark=spark,
            workflow=self.workflow,
            scope=scope_of(self.workflow.environment, self.workflow.identity),
            session=lambda write: _lent(spark, write, heard),
            reads=reads,
            writes=heard.flows,
            declares=lambda table, columns: self.declared.__setitem__(table, frozenset(columns)),
            note=self.note,
            phase=lambda name: self._phase(f"{id_}.{name}", scope),
            output=lambda line: self._printed(id_, line),
            stopped=scope.is_set,
            programs=Programs(
                settings=self.means.settings,
                spark_home=spark_home(),
                java_home=self.means.java_home,
                log=lambda line: self._logged(id_, line),
                jar_of=self.means.jar_of,
                heard=lambda folder: self._heard(folder, heard),
            ),
            applications=lambda: frozenset({str(spark.sparkContext.applicationId), *self.sparks}),
            is_live=self.journal.is_live_branch,
            first_date=self.first,
        )

    def _heard(self, folder: Path, heard: LineageListener) -> None:
        """Take what the listener in a program's own Spark wrote; each file is named by its application."""
        self.sparks |= {file.name.partition(".")[0] for file in folder.iterdir()}
        heard.add(lines_in(folder), self.workflow.environment.catalog_name)

    def _writes(self) -> list[TableWrite]:
        """Return what was written; columns that audits, the key or a DDL name have to be there as well."""
        needed = referenced_columns(self.workflow)
        for table, columns in self.declared.items():
            name = plain_name(table, self.workflow.environment.catalog_name)
            needed[name] = needed.get(name, frozenset()) | columns
        return [
            dataclasses.replace(it, required_columns=needed.get(it.target, frozenset())) for it in self.lineage.flows()
        ]

    def note(self, text: str) -> None:
        """Take a line for people."""
        self.notes.append(masked(text))
        self.means.reporter.note(self.workflow, masked(text))

    def _printed(self, id_: str, line: str) -> None:
        line = masked(line)
        self._logged(id_, line)
        self.means.reporter.printed(self.workflow, id_, line)

    def _logged(self, id_: str, line: str) -> None:
        # One write a line: others write here as well. A line that can't be written fails no job.
        with contextlib.suppress(OSError), open(self.means.log, "a", encoding="utf-8", opener=private) as log:
            log.write(f"{self.workflow.run_id}/{id_} | {masked(line)}\n")

    @contextlib.contextmanager
    def _phase(self, name: str, scope: Scope) -> Iterator[Callable[[str], None]]:
        if scope.is_set():  # above all: what was given up on must not publish any more
            raise Cancelled("stopped before its end")
        began, said = time.monotonic(), [""]
        self.means.reporter.started(self.workflow, name)
        status: Status = "failed"
        try:
            yield lambda text: said.__setitem__(0, text)
            status = "succeeded"
        finally:
            self.means.reporter.finished(self.workflow, name, status, time.monotonic() - began, said[0])


@contextlib.contextmanager
def _lent(spark: SparkSession, write: WriteScope, heard: LineageListener) -> Iterator[SparkSession]:
    """Lend people's code a session, and hear what it reads and writes."""
    with scoped(spark, write) as session:
        heard.watch(session)
        try:
            yield session
        finally:
            heard.unwatch(session)


def _overall(results: Sequence[StepResult], *, cancelled: bool) -> Status:
    statuses = {result.status for result in results}
    if cancelled or "cancelled" in statuses:
        return "cancelled"
    return "failed" if "failed" in statuses else "succeeded"


def _first_error(result: RunResult) -> DataflowError:
    return next(step.error for step in result.steps if step.status == "failed" and step.error is not None)


def _told(result: RunResult) -> str:
    rows = sum(published.rows for published in result.published)
    return f"{rows:,} rows published" if result.published else ""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
