"""What a job gets to work with, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from pyspark.sql import SparkSession

    from dataflow.jobs.audit import AuditResult
    from dataflow.lineage.model import TableWrite
    from dataflow.spark.guard import Scope
    from dataflow.workflow.resolved import Workflow


class Writes(Protocol):
    """What the run has written so far, as the lineage listener saw it."""

    def __call__(self) -> Sequence[TableWrite]:
        """Return for each table written which columns went into it."""


class Reads(Protocol):
    """What the run has read so far, as the lineage listener saw it."""

    def __call__(self) -> Mapping[str, tuple[int, int]]:
        """Return for each source table the sequence number and id of the oldest snapshot read."""


@dataclass(frozen=True)
class Programs:
    """How the run starts programs beside its session, and where its jars come from.

    Attributes:
        settings: What the run's Spark was started with.
        spark_home: That Spark.
        java_home: The Java it runs on, or None for the PATH's.
        log: Takes what belongs into the run's log, and not before people.
        jar_of: Returns the jar of an sbt project's folder, or of a path to a jar, built anew where that is due.
        heard: Takes the folder with what the lineage listener of a Spark that a program started wrote.
    """

    settings: Mapping[str, str]
    spark_home: Path
    java_home: Path | None
    log: Callable[[str], None]
    jar_of: Callable[[Path], Path]
    heard: Callable[[Path], None]


@dataclass(frozen=True)
class JobContext:
    """One job's surroundings.

    Attributes:
        spark: A session of the engine's for this job, its lineage watched; people's code never gets it.
        workflow: The workflow that it belongs to.
        scope: What the job's code may write outside of `wap`.
        session: Lends people's code a session with a scope, its lineage watched, for as long as a block lasts.
        reads: What the run has read so far.
        writes: What the job itself has written so far.
        declares: Takes a table's name and the columns that a DDL says it has.
        note: Takes a line for people, such as a column that was added.
        phase: Marks a part of the job by name while it runs, for progress and times; yields a function that
            takes a detail to show beside the part.
        output: Takes a line that the user's program printed.
        stopped: Says whether the job was given up, so that what it started must end.
        programs: What it needs to run programs that are more than a script.
        applications: Returns the ids of the Sparks that this run has written with.
        is_live: Says of a branch name without its prefix whether its run may still be working.
        first_date: The first day of the range that this run is a part of, or None.
    """

    spark: SparkSession
    workflow: Workflow
    scope: Scope
    session: Callable[[Scope], AbstractContextManager[SparkSession]]
    reads: Reads
    writes: Writes
    declares: Callable[[str, Sequence[str]], None]
    note: Callable[[str], None]
    phase: Callable[[str], AbstractContextManager[Callable[[str], None]]]
    output: Callable[[str], None]
    stopped: Callable[[], bool]
    programs: Programs
    applications: Callable[[], frozenset[str]]
    is_live: Callable[[str], bool]
    first_date: dt.date | None = None


@dataclass(frozen=True)
class Published:
    """What became visible to readers.

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
class Outcome:
    """What a job has to tell once it succeeded.

    Attributes:
        detail: A few words, such as `complete up to 2026-01-31`.
        audits: The figures of its audits.
        published: What it published.
    """

    detail: str = ""
    audits: tuple[AuditResult, ...] = ()
    published: Published | None = None
