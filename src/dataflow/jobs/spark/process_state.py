"""What code may change of the process that it shares with others, and is put back when the code has ended.

Python tells of each change of a variable or the directory before it is made, in the thread that makes it, so each is
known to be a job's: it is put back when that job ends, or the last of several that changed it alike. Of jobs side by
side that want a variable to be different things, one waits there until the other has ended; one that changes the
directory goes on alone, and so do those that it waits for or that begin then. What a thread changes whose job has ended
is refused. What nobody is told of (`sys.stdout`, the root logger) is put back when no job runs any more.
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
_turn = threading.Condition(threading.RLock())
_waiting: set[object] = set()
_changes: dict[str, _Change] = {}
_running: set[object] = set()
_restore: list[Callable[[], None]] = []
_hearing: list[int] = []
"""The process that hears of changes: in one that a job forked there is nobody to wait for."""


@contextlib.contextmanager
def restored_process_state() -> Iterator[None]:
    """Run a job's code; when the block ends, what it changed is as it was."""
    job = object()
    with _turn:
        _turn.wait_for(lambda: _DIRECTORY not in _changes)
        if not _hearing:
            sys.addaudithook(_hear)
        _hearing[:] = [os.getpid()]
        if not _running:
            _restore[:] = [_streams(), _logging()]
        _running.add(job)
    held = _job.set(job)
    try:
        yield
    finally:
        _job.reset(held)
        with _turn:
            _running.discard(job)
            for name, change in list(_changes.items()):
                change.by.discard(job)
                if not change.by:
                    del _changes[name]
                    _set(name, change.before)
            if not _running:
                for restore in _restore:
                    restore()
            _turn.notify_all()


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event not in _EVENTS or (job := _job.get()) is None or os.getpid() not in _hearing:
        return
    if event == "os.chdir":
        name, value = _DIRECTORY, None
    else:
        name, *rest = (os.fsdecode(it) for it in arguments if isinstance(it, str | bytes))
        value = rest[0] if rest else None
    with _turn:
        if job not in _running:
            raise RuntimeError("the job that this thread belongs to has ended: it changes nothing for others")
        _waiting.add(job)
        try:
            _turn.notify_all()
            _turn.wait_for(lambda: not _in_the_way(job, name, value))
        finally:
            _waiting.discard(job)
        if name not in _changes:
            _changes[name] = _Change(_now(name))
        _changes[name].by.add(job)


def _in_the_way(job: object, name: str, value: str | None) -> bool:
    """Say whether a change has to wait for another job: for one that goes on, not for one that waits itself."""
    if name == _DIRECTORY:
        others = _running - {job}
    else:
        change = _changes.get(name)
        others = change.by - {job} if change is not None and value != _now(name) else set()
    return bool(others - _waiting)


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
