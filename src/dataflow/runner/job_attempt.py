"""One attempt at a job: what its run does for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.jobs.context import JobContext, PartOfRun
from dataflow.lineage.spark_plan.listener import LineageListener
from dataflow.lineage.spark_plan.plan_lineage import lines_in
from dataflow.runner.retry import Cancelled
from dataflow.secret import masked
from dataflow.spark.guard import EVERYTHING, open_session, scoped_session, write_scope
from dataflow.tables.iceberg import jvm

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from dataflow.lineage.model import TableWrite
    from dataflow.runner.cancellation import CancelScope
    from dataflow.runner.results import Status
    from dataflow.runner.run import Run
    from dataflow.spark.guard import WriteScope
    from dataflow.spark.launch_env import SparkLaunch
    from dataflow.state.run_records import RunRecords


@dataclass(frozen=True)
class JobAttempt:
    """One attempt at a job, and the services that it gets (`dataflow.jobs.context.JobServices`).

    Attributes:
        run: The run of the job.
        step: The id of the job's step.
        cancel: Cancels the attempt.
        spark: The engine's session for it.
        lineage: What its sessions read and write.
    """

    run: Run
    step: str
    cancel: CancelScope
    spark: SparkSession
    lineage: LineageListener

    @classmethod
    @contextlib.contextmanager
    def opened(cls, run: Run, step: str, cancel: CancelScope) -> Iterator[JobContext]:
        """Lend what the job works with, for as long as a block; its Spark jobs and its lineage are the attempt's."""
        with cancel.jobs():
            spark = open_session(run.context.spark, EVERYTHING)
            # Spark and Iceberg read settings from the thread's active session; a new thread has none.
            jvm(spark).SparkSession.setActiveSession(spark._jsparkSession)
            lineage = LineageListener(run.lineage)
            lineage.watch(spark, runs_user_code=False)
            try:
                services = cls(run, step, cancel, spark, lineage)
                scope = write_scope(run.workflow.environment, run.workflow.identity)
                yield JobContext(spark, run.workflow, scope, services, run.first)
            finally:
                lineage.unwatch(spark)

    @contextlib.contextmanager
    def session(self, scope: WriteScope) -> Iterator[SparkSession]:
        """Lend user code a session that may write within a scope, its lineage observed."""
        with scoped_session(self.spark, scope) as session:
            self.lineage.watch(session)
            try:
                yield session
            finally:
                self.lineage.unwatch(session)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[Callable[[str], None]]:
        """Mark a named part of the job while it runs; yields a function that takes a detail."""
        if self.cancel.is_set():  # above all: a cancelled attempt must not publish
            raise Cancelled(self.cancel.reason)
        part, began, details = f"{self.step}.{name}", time.monotonic(), [""]
        progress, workflow = self.run.context.progress, self.run.workflow
        progress.started(workflow, part)
        status: Status = "failed"
        try:
            yield details.append
            status = "succeeded"
        finally:
            progress.finished(workflow, part, status, time.monotonic() - began, details[-1])

    @contextlib.contextmanager
    def publishing(self) -> Iterator[None]:
        """Let no other run take the place of this one while a block publishes."""
        live = self.run.context.live
        with live.fenced(self.run.keys) if live is not None else contextlib.nullcontext():
            yield

    def part(self) -> PartOfRun | None:
        """Return which part the job is of a run whose steps a scheduler starts one by one; None for other runs."""
        return self.run.context.part if self.run.recorder.is_root else None

    def note(self, text: str) -> None:
        """Report something that users should know."""
        self.run.note(text)

    def on_ddl(self, table: str, columns: Sequence[str]) -> None:
        """Take the columns of a table that a script's CREATE TABLE declares."""
        self.run.declared[table] = frozenset(columns)

    def print_line(self, line: str) -> None:
        """Show a line that a program printed, and log it."""
        self.log_line(line)
        self.run.context.progress.printed(self.run.workflow, self.step, masked(line))

    def log_line(self, line: str) -> None:
        """Add a line to the run's log."""
        self.run.log_line(self.step, line)

    def is_cancelled(self) -> bool:
        """Return whether the attempt was cancelled."""
        return self.cancel.is_set()

    def observed_reads(self) -> Mapping[str, tuple[int, int]]:
        """Return for each source table that the run has read the number and id of its oldest snapshot."""
        self.lineage.collect()  # this attempt's sessions alone: a look at them costs what the attempt did
        return self.run.lineage.sources()

    def observed_writes(self) -> Sequence[TableWrite]:
        """Return for each table that the attempt has written which columns went into it."""
        return self.lineage.flows()

    def application_ids(self) -> frozenset[str]:
        """Return the ids of the Spark applications that the run has written with."""
        return frozenset({str(self.spark.sparkContext.applicationId), *self.run.applications})

    def is_live_branch(self, name: str) -> bool:
        """Return whether the run of a branch may still be working."""
        return self.run.recorder.is_live_branch(name)

    def records(self) -> RunRecords:
        """Return the records of all runs."""
        return self.run.recorder.records

    def jar_of(self, path: Path) -> Path:
        """Return the jar of an sbt project's folder, or of a path to a jar."""
        return self.run.context.jars.jar_of(path)

    def launch(self) -> SparkLaunch:
        """Return how a program starts a Spark of its own."""
        return self.run.context.launch

    def collect_lineage(self, folder: Path) -> None:
        """Take what the listener of a program's own Spark wrote; each file is named by its application."""
        self.run.applications |= {file.name.partition(".")[0] for file in folder.iterdir()}
        self.lineage.add(lines_in(folder), self.run.workflow.environment.catalog_name)
