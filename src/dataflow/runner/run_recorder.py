"""Records a run as it goes, so that the records are right whenever it is killed."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dataflow
from dataflow import git
from dataflow.errors import DataflowError
from dataflow.lineage.model import Origin, Producer, TableWrite
from dataflow.lineage.openlineage.emit import FinishedRun, send_event
from dataflow.lineage.spark_plan.plan_lineage import SnapshotRead
from dataflow.lineage.store.writer import delete_other_targets, store_lineage, store_run_flows
from dataflow.runner.results import Status, StepResult
from dataflow.runner.retry import Cancelled
from dataflow.state import run_records as store
from dataflow.state.run_records import RunRecords
from dataflow.state.utc import now
from dataflow.workflow.definitions import definitions_of
from dataflow.workflow.identity import login
from dataflow.workflow.resolved import Workflow

_GIT_SECONDS = 10


class RunRecorder:
    """Records one run: its steps, audits, publications, reads and lineage.

    Args:
        records: The run records.
        workflow: The run's workflow; its run id names the run.
        log: Where Spark's output goes.
        parent: The id of the run that contains this one.
        step: The step of that run that this one is.
        asked: What was asked of an outermost run.
    """

    def __init__(
        self,
        records: RunRecords,
        workflow: Workflow,
        log: Path,
        *,
        parent: str | None = None,
        step: str | None = None,
        asked: Mapping[str, Any] | None = None,
    ) -> None:
        self._records = records
        self._workflow = workflow
        self._parent = parent
        self._started = self._ended = now()
        self._has_ended = False
        self._position = {step.id: number for number, step in enumerate(workflow.steps)}
        records.insert(
            store.runs,
            {
                "run_id": workflow.run_id,
                "parent_run_id": parent,
                "step": step,
                "asked": asked,
                "definitions": definitions_of(workflow),
                "workflow_id": workflow.id,
                "owner": workflow.owner,
                "package": workflow.identity.uuid,
                "file": str(workflow.file),
                "environment": workflow.environment.name,
                "user": workflow.builtins.get("user") or login(),
                "host": socket.gethostname(),
                "process": os.getpid(),
                "params": dict(workflow.params),
                "versions": versions(None if workflow.bundle else workflow.folder),
                "status": "running",
                "started": self._started,
                "log": str(log),
                "bundle": workflow.bundle,
            },
        )

    @property
    def is_root(self) -> bool:
        """Whether no other run contains it."""
        return self._parent is None

    @property
    def seconds(self) -> float:
        """How long the run took, as its record says; `record_end` comes first."""
        return (self._ended - self._started).total_seconds()

    @contextlib.contextmanager
    def record_failure(self) -> Iterator[None]:
        """Record the run as failed or cancelled when the block raises before it has ended."""
        try:
            yield
        except BaseException as error:
            if self._has_ended:
                raise
            ordinary = isinstance(error, Exception) and not isinstance(error, Cancelled)
            status = "failed" if ordinary else "cancelled"
            with record_or_report(str(error)):
                self._records.update_run(self._workflow.run_id, status=status, ended=now(), error=str(error))
            raise

    @contextlib.contextmanager
    def waiting(self) -> Iterator[Callable[[], None]]:
        """Lend a function to call when the run begins to wait; it starts after the block, when nobody else works."""
        run_id = self._workflow.run_id
        waited = False

        def waits() -> None:
            nonlocal waited
            if not waited:
                self._records.update_run(run_id, status="waiting")
            waited = True

        yield waits
        self._started = now()
        self._records.update_run(run_id, status="running", started=self._started)

    def record_failed_attempt(self, step: str, number: int, started: dt.datetime, error: DataflowError) -> None:
        """Record a failed attempt that is followed by another; the last one is recorded by `record_step`."""
        self._records.insert(store.jobs, self._job_row(step, number, "failed", started, error=error.message))
        self._record_audits(step, number, getattr(error, "results", ()))

    def record_step(self, result: StepResult) -> None:
        """Record a step's result."""
        error = result.error.message if result.error else None
        row = self._job_row(
            result.id, result.attempts, result.status, result.started, detail=result.detail or None, error=error
        )
        self._records.insert(store.jobs, row)
        self._record_audits(result.id, result.attempts, result.audits)
        if result.published is not None:
            shown = result.published
            self._records.insert(
                store.publications,
                {
                    "run_id": self._workflow.run_id,
                    "job_id": result.id,
                    "table_name": shown.table,
                    "partition": shown.partition,
                    "rows": shown.rows,
                    "snapshot": shown.snapshot,
                },
            )

    def record_skipped(self, step: str) -> StepResult:
        """Record a step that never started, and return its result."""
        moment = now()
        self._records.insert(store.jobs, self._job_row(step, 0, "skipped", moment))
        return StepResult(step, "skipped", moment, attempts=0)

    def record_end(
        self,
        status: Status,
        results: Sequence[StepResult],
        reads: Sequence[SnapshotRead],
        writes: Sequence[TableWrite] = (),
        accelerator: Mapping[str, Any] | None = None,
    ) -> str | None:
        """Record the run's end, its reads and its column lineage, and send its OpenLineage event.

        Args:
            status: How it ended.
            results: Its steps' results.
            reads: The snapshots that it read.
            writes: What it wrote.
            accelerator: Whether Comet was at work, why, and what fell back to Spark.

        Returns:
            Why the OpenLineage event could not be sent; None when it was, or when none is to be sent.
        """
        errors = [f"{result.id}: {result.error}" for result in results if result.error is not None]
        run_id = self._workflow.run_id
        self._records.insert(
            store.reads,
            [
                {
                    "run_id": run_id,
                    "written": read.written,
                    "source": read.source,
                    "sequence": read.sequence,
                    "snapshot": read.snapshot,
                }
                for read in reads
            ],
        )
        finished = {result.id for result in results if result.status == "succeeded"}
        self._record_lineage(writes, whole=finished >= set(self._position))
        self._ended = now()
        error = "\n".join(errors) or None
        self._records.update_run(run_id, status=status, ended=self._ended, error=error, accelerator=accelerator)
        self._has_ended = True
        return send_event(
            FinishedRun(
                self._workflow, self._parent, status, self._started, self._ended, reads, writes, "\n".join(errors)
            )
        )

    def _record_lineage(self, writes: Sequence[TableWrite], *, whole: bool) -> None:
        """Record the column lineage; what a whole run wrote replaces all that the workflow wrote before."""
        if not writes:
            return
        workflow, moment = self._workflow, now()
        found = [
            (
                Producer(
                    origin=Origin.RECORDED,
                    workflow=workflow.id,
                    target=write.target,
                    owner=workflow.owner,
                    environment=workflow.environment.name,
                    bundle=workflow.bundle,
                    run_id=workflow.run_id,
                    file=str(workflow.file),
                    seen=moment,
                ),
                write,
            )
            for write in writes
        ]
        with self._records.database.begin() as connection:
            store_lineage(connection, found)
            store_run_flows(connection, workflow.run_id, {write.target: write.flows for write in writes})
            if whole:
                targets = {write.target for write in writes}
                delete_other_targets(connection, Origin.RECORDED, workflow.id, workflow.environment.name, targets)

    def is_live_branch(self, name: str) -> bool:
        """Return whether the run of a branch, named without its prefix, may still be working."""
        return self._records.branch_run(name) != "over"

    @property
    def records(self) -> RunRecords:
        """The records of all runs at this state address."""
        return self._records

    def _job_row(self, step: str, attempt: int, status: str, started: object, **values: Any) -> dict[str, Any]:
        return {
            "run_id": self._workflow.run_id,
            "job_id": step,
            "attempt": attempt,
            "position": self._position.get(step.partition("/")[0], 0),
            "status": status,
            "started": started,
            "ended": now(),
            "detail": values.get("detail"),
            "error": values.get("error"),
        }

    def _record_audits(self, step: str, attempt: int, results: Sequence[Any]) -> None:
        self._records.insert(
            store.audits,
            [
                {
                    "run_id": self._workflow.run_id,
                    "job_id": step,
                    "attempt": attempt,
                    "position": position,
                    "name": result.name,
                    "function": result.function,
                    "blocking": result.blocking,
                    "passed": result.passed,
                    "figure": result.figure,
                    "expected": result.expected,
                    "finding": result.finding,
                    "sample": list(result.sample),
                }
                for position, result in enumerate(results)
            ],
        )


@contextlib.contextmanager
def record_or_report(what: str) -> Iterator[None]:
    """Report what was to be recorded, then why it could not be, when recording it fails.

    Raises:
        DataflowError: It could not be recorded.
    """
    try:
        yield
    except DataflowError as lost:
        raise DataflowError(f"{what}\nthat can't be recorded: {lost.message}", lost.hint) from lost


@cache
def versions(folder: Path | None) -> dict[str, str]:
    """Return the versions of the tools, and the commit of the package where it is in a git repository.

    Args:
        folder: The package's folder; None for a run from a bundle, which knows the commit of each of its assets.
    """
    from importlib.metadata import version

    from dataflow.spark.jars import ICEBERG

    found = {
        "dataflow": dataflow.__version__,
        "spark": version("pyspark"),
        "iceberg": ICEBERG.version,
        "python": platform.python_version(),
    }
    if folder and (commit := git.ask(folder, "rev-parse", "HEAD", timeout=_GIT_SECONDS)):
        dirty = git.ask(folder, "status", "--porcelain", "--", ".", timeout=_GIT_SECONDS)
        found["commit"] = commit + ("+changes" if dirty else "")
    return found
