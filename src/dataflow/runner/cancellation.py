"""Cancellation: a run, a step and an attempt are nested scopes, each cancelled with all that it started."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark import SparkContext

_POLL = 0.2
_AGAIN = 1.0


@dataclass(frozen=True)
class CancelScope:
    """A part of a run that can be cancelled with all that it started.

    Attributes:
        context: The Spark context whose jobs are cancelled; None before there is one.
        name: Unique in the JVM; the tag of the scope's Spark jobs, and the group of those that it starts itself.
        parent: The scope around this one.
    """

    context: SparkContext | None
    name: str
    parent: CancelScope | None = None
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _reasons: list[str] = field(default_factory=list)
    _groups: set[str] = field(default_factory=set)

    def child(self, name: str) -> CancelScope:
        """Return a scope inside this one."""
        return CancelScope(self.context, f"{self.name}/{name}", self)

    def is_set(self) -> bool:
        """Return whether this scope, or one around it, was cancelled."""
        return self._cancelled.is_set() or (self.parent is not None and self.parent.is_set())

    @property
    def reason(self) -> str | None:
        """Why it was cancelled, where anybody said so."""
        if self._reasons:
            return self._reasons[0]
        return self.parent.reason if self.parent is not None else None

    def cancel(self, reason: str | None = None) -> None:
        """Let nothing new start, and cancel the scope's Spark jobs."""
        if reason is not None:
            self._reasons.append(reason)
        self._cancelled.set()
        if self.context is not None:
            self.context.cancelJobsWithTag(self.name)
            for group in tuple(self._groups):  # by tags Spark cancels what runs, by groups also what is to come
                self.context._jsc.sc().cancelJobGroupAndFutureJobs(group)

    def cancel_until(self, ended: Callable[[float], bool], grace: float) -> bool:
        """Cancel repeatedly until everything has ended: Spark may start a job just after others were cancelled.

        Args:
            ended: Waits at most so many seconds, and returns whether everything in this scope has ended.
            grace: How many seconds to wait in all.

        Returns:
            Whether everything has ended.
        """
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            self.cancel()
            if ended(_AGAIN):
                return True
        return False

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the scope's cancellation."""
        left = seconds  # in turns: the scopes around it have events of their own
        while left > 0 and not self.is_set():
            self._cancelled.wait(min(_POLL, left))
            left -= _POLL

    @contextlib.contextmanager
    def jobs(self) -> Iterator[None]:
        """Let each scope around it cancel the Spark jobs that this thread starts in a block, those to come included."""
        around = [self]
        while (parent := around[-1].parent) is not None:
            around.append(parent)
        for scope in around:
            scope._groups.add(self.name)
        try:
            if self.context is not None:
                self.context.setLocalProperty("spark.jobGroup.id", self.name)
                for scope in around:
                    self.context.addJobTag(scope.name)
            yield
        finally:
            for scope in around:
                scope._groups.discard(self.name)
