"""What a job works with, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pyspark.sql import SparkSession

    from dataflow.jobs.audit import AuditResult
    from dataflow.lineage.model import TableWrite
    from dataflow.spark.guard import WriteScope
    from dataflow.spark.launch_env import SparkLaunch
    from dataflow.state.run_records import RunRecords
    from dataflow.workflow.periods import Period
    from dataflow.workflow.resolved import Workflow


PHASES = ("write", "audit", "publish")
"""The phases of a `wap`, in their order."""


class ProgramServices(Protocol):
    """What a run does for a program of a job: passes on its output, and cancels it."""

    def print_line(self, line: str) -> None:
        """Show a line that the program printed, and log it."""

    def log_line(self, line: str) -> None:
        """Add a line to the run's log, without showing it."""

    def is_cancelled(self) -> bool:
        """Return whether the job was cancelled, so that the program must end."""


class ScriptServices(Protocol):
    """What a run does for a script: it reports changes of tables, and learns from DDL."""

    def note(self, text: str) -> None:
        """Report something that users should know, such as a column that was added."""

    def on_ddl(self, table: str, columns: Sequence[str]) -> None:
        """Take the columns of a table that the script's CREATE TABLE declares."""


class JobServices(ProgramServices, ScriptServices, Protocol):
    """What a run does for one of its jobs; the run implements it."""

    def session(self, scope: WriteScope) -> AbstractContextManager[SparkSession]:
        """Lend user code a session that may write within a scope, its lineage observed, for as long as a block."""

    def phase(self, name: str) -> AbstractContextManager[Callable[[str], None]]:
        """Mark a named part of the job while it runs, for progress and times.

        Yields:
            A function that takes a detail to show beside the part.

        Raises:
            DataflowError: The run was cancelled.
        """

    def publishing(self) -> AbstractContextManager[None]:
        """Let no other run take the place of this one while a block publishes.

        Raises:
            DataflowError: Another run has taken its place.
        """

    def part(self) -> PartOfRun | None:
        """Return which part the job is of a run whose steps a scheduler starts one by one; None for other runs."""

    def observed_reads(self) -> Mapping[str, tuple[int, int]]:
        """Return for each source table that the run has read the sequence number and id of its oldest snapshot."""

    def observed_writes(self) -> Sequence[TableWrite]:
        """Return for each table that this job has written so far which columns went into it."""

    def application_ids(self) -> frozenset[str]:
        """Return the ids of the Spark applications that this run has written with."""

    def is_live_branch(self, name: str) -> bool:
        """Return whether the run of a branch, named without its prefix, may still be working."""

    def records(self) -> RunRecords:
        """Return the records of all runs at the environment's state address."""

    def jar_of(self, path: Path) -> Path:
        """Return the jar of an sbt project's folder or of a path to a jar, built anew where its sources changed.

        Raises:
            DataflowError: It could not be built.
        """

    def launch(self) -> SparkLaunch:
        """Return how a program starts a Spark of its own that works like the run's."""

    def collect_lineage(self, folder: Path) -> None:
        """Take the lineage that the listener of a program's own Spark wrote into a folder."""


@dataclass(frozen=True)
class PartOfRun:
    """A part of a run whose steps a scheduler starts one by one: one step, or the end of it all.

    A step makes one attempt, as the scheduler makes the others, and tells nobody. The end does what no other part has
    done, records the run as one, and sends what its `notifications:` ask for.

    Attributes:
        run: What the scheduler calls the run.
        done: The steps that other parts have done; of the end alone.
        failed: Whether one of the others failed, so that what is left is not done; of the end alone.
        phase: `write`, `audit` or `publish` of a `wap` that is split; None for the whole of a step.
    """

    run: str
    done: frozenset[str] = frozenset()
    failed: bool = False
    phase: str | None = None


@dataclass(frozen=True)
class JobContext:
    """What a job works with.

    Attributes:
        spark: A session of the engine's for this job, its lineage observed; user code never gets it.
        workflow: The workflow that the job belongs to.
        scope: What the job's code may write outside of `wap`.
        services: What the run does for the job.
        first: The first day, or other period, of the range that this run is a part of, or None.
    """

    spark: SparkSession
    workflow: Workflow
    scope: WriteScope
    services: JobServices
    first: Period | None = None


@dataclass(frozen=True)
class Published:
    """Rows that became visible to readers.

    Attributes:
        table: The table.
        partition: Label of the partition, such as `date=2026-01-31`.
        where: The partition as a SQL condition.
        rows: The number of its rows.
        snapshot: The snapshot of main that brought it, or None when the old rows were kept.
    """

    table: str
    partition: str
    where: str
    rows: int
    snapshot: int | None


@dataclass(frozen=True)
class JobResult:
    """The result of a job that succeeded.

    Attributes:
        detail: A summary in a few words, such as `complete up to 2026-01-31`.
        audits: The results of its audits.
        published: What it published.
    """

    detail: str = ""
    audits: tuple[AuditResult, ...] = ()
    published: Published | None = None
