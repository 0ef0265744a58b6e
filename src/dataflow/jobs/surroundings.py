"""What code may change of the process that it shares with others, and is put back when the code has ended.

Python tells of each change of a variable or the directory in the thread that makes it, so each is known to be a
job's: it is put back when that job ends, or the last of several that changed it. What nobody is told of (`sys.stdout`,
the root logger) is put back when no job runs any more.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_EVENTS = frozenset({"os.chdir", "os.putenv", "os.unsetenv"})
_DIRECTORY = ""
"""Stands among the names of variables, which are never empty."""

_STREAMS = ("stdin", "stdout", "stderr")


@dataclass
class _Change:
    before: str | None
    by: set[object] = field(default_factory=set)


_job: contextvars.ContextVar[object | None] = contextvars.ContextVar("job_surroundings", default=None)
_lock = threading.RLock()
_changes: dict[str, _Change] = {}
_running: set[object] = set()
_restore: list[Callable[[], None]] = []
_hearing: list[bool] = []


@contextlib.contextmanager
def put_back() -> Iterator[None]:
    """Run a job's code; when the block ends, what it changed is as it was."""
    job = object()
    with _lock:
        if not _hearing:
            _hearing.append(True)
            sys.addaudithook(_hear)
        if not _running:
            _restore[:] = [_streams(), _logging()]
        _running.add(job)
    held = _job.set(job)
    try:
        yield
    finally:
        _job.reset(held)
        with _lock:
            _running.discard(job)
            for name, change in list(_changes.items()):
                change.by.discard(job)
                if not change.by:
                    del _changes[name]
                    _set(name, change.before)
            if not _running:
                for restore in _restore:
                    restore()


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event not in _EVENTS or (job := _job.get()) is None:
        return
    name = _DIRECTORY if event == "os.chdir" else os.fsdecode(arguments[0])  # type: ignore[arg-type]  # bytes
    with _lock:
        if job not in _running:  # a thread of a job that has ended: it is too late to tell whose it would be
            return
        if name not in _changes:
            _changes[name] = _Change(_now(name))
        _changes[name].by.add(job)


def _now(name: str) -> str | None:
    if name != _DIRECTORY:
        return os.environ.get(name)
    with contextlib.suppress(OSError):  # it was removed
        return os.getcwd()  # noqa: PTH109  # called for each change
    return None


def _set(name: str, value: str | None) -> None:
    if name == _DIRECTORY:
        with contextlib.suppress(OSError):
            os.chdir(value or "/")
        return
    if value is None:
        os.environ.pop(name, None)
        os.unsetenv(name)
    else:
        os.environ[name] = value
    if name == "TZ":
        time.tzset()


def _streams() -> Callable[[], None]:
    path, argv, streams = list(sys.path), list(sys.argv), {name: getattr(sys, name) for name in _STREAMS}

    def restore() -> None:
        sys.path[:], sys.argv[:] = path, argv
        for name, value in streams.items():
            setattr(sys, name, value)

    return restore


def _logging() -> Callable[[], None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)

    def restore() -> None:
        root.setLevel(level)
        root.handlers[:] = handlers

    return restore
