"""What can be stopped together: a run, a step, an attempt, each inside the one before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark import SparkContext

_POLL = 0.2
_AGAIN = 1.0


@dataclass(frozen=True)
class Scope:
    """A part of a run that can be stopped with all that it started.

    Attributes:
        context: The Spark context whose jobs are cancelled.
        name: Unique in the JVM; the tag of the scope's Spark jobs.
        parent: What this is a part of.
    """

    context: SparkContext
    name: str
    parent: Scope | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)

    def child(self, name: str) -> Scope:
        """Open a part of this scope."""
        return Scope(self.context, f"{self.name}/{name}", self)

    def is_set(self) -> bool:
        """Say whether this scope, or one around it, was stopped."""
        return self._stopped.is_set() or (self.parent is not None and self.parent.is_set())

    def stop(self) -> None:
        """Stop: nothing new starts, and Spark's jobs in it are cancelled."""
        self._stopped.set()
        self.context.cancelJobsWithTag(self.name)

    def stop_until(self, ended: Callable[[float], bool], grace: float) -> bool:
        """Stop, and once more while it has not ended: Spark may start a job just after the others were cancelled.

        Args:
            ended: Waits so many seconds at most, and says whether all in this scope has ended.
            grace: How many seconds to wait in all.

        Returns:
            Whether it has ended.
        """
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            self.stop()
            if ended(_AGAIN):
                return True
        return False

    def wait(self, seconds: float) -> None:
        """Sleep, but not longer than the scope lasts."""
        left = seconds
        while left > 0 and not self.is_set():
            self._stopped.wait(min(_POLL, left))
            left -= _POLL

    def tag_jobs(self) -> None:
        """Mark the Spark jobs that this thread starts, so that each scope around them can cancel them."""
        scope: Scope | None = self
        while scope is not None:
            self.context.addJobTag(scope.name)
            scope = scope.parent
