"""What all runs of one command share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dataflow.errors import DataflowError
from dataflow.spark.errors import raise_ctrl_c, short_message
from dataflow.spark.launch_env import SparkLaunch
from dataflow.system_errors import hint_for, system_error

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.jobs.context import PartOfRun
    from dataflow.runner.progress import RunProgress
    from dataflow.runner.run_start import BegunRun
    from dataflow.runner.turn import LiveRun
    from dataflow.spark.comet import Acceleration
    from dataflow.state.run_records import RunRecords


class JvmStatus(Protocol):
    """Knows whether Spark's JVM still runs; the engine implements it."""

    @property
    def exit_error(self) -> DataflowError | None:
        """Why the JVM exited, or None while it runs."""


class Jars(Protocol):
    """Finds the jars of jobs; see `JarBuilder`."""

    def jar_of(self, path: Path) -> Path:
        """Return the jar of an sbt project's folder, or of a path to a jar."""


class RunningJvm:
    """A JVM that nobody watches: it counts as running."""

    exit_error: DataflowError | None = None


class PrebuiltJars:
    """Jars that are never built: each path is one already."""

    def jar_of(self, path: Path) -> Path:
        """Return the path."""
        return path


@dataclass(frozen=True)
class RunContext:
    """What a run, and the runs that it contains, work with.

    Attributes:
        spark: The engine's session; each job gets one of its own from it, in the same JVM.
        records: Where the runs are recorded.
        progress: Receives their progress.
        log: Where Spark's output goes.
        jvm: Knows whether the JVM still runs.
        jars: Finds the jars of jobs.
        launch: How programs start a Spark of their own.
        begun: The outermost run, where it was begun already: recorded, and alive.
        acceleration: Whether Comet is at work; None where that was not decided by what is run.
        left: Returns the days of a backfill that are still to be run; None for other runs.
        part: Which part it is of a run whose steps a scheduler starts one by one; None for other runs.
    """

    spark: SparkSession
    records: RunRecords
    progress: RunProgress
    log: Path
    jvm: JvmStatus = field(default_factory=RunningJvm)
    jars: Jars = field(default_factory=PrebuiltJars)
    launch: SparkLaunch = field(default_factory=SparkLaunch)
    begun: BegunRun | None = None
    acceleration: Acceleration | None = None
    left: Callable[[], Collection[str]] | None = None
    part: PartOfRun | None = None

    @property
    def live(self) -> LiveRun | None:
        """The outermost run's heartbeat, and what it holds."""
        return None if self.begun is None else self.begun.live

    @contextlib.contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn whatever Spark, py4j and user code raise into one line; the exit of the JVM comes before all else.

        Raises:
            DataflowError: The block failed.
        """
        try:
            yield
        except DataflowError as error:
            raise self.jvm.exit_error or error from error.__cause__
        except BaseException as error:  # user code may raise any; Ctrl-C is raised in the main thread alone
            raise_ctrl_c(error)
            message = short_message(error)
            known = system_error(error) if isinstance(error, Exception) else None
            raise self.jvm.exit_error or known or DataflowError(message, hint_for(message)) from error
