"""The state of the process that jobs share: what a job's code changes of it is restored when the job ends.

An audit hook is called for each change of a variable or the directory, before it is made and in the thread that makes
it, so each change is known to be a job's: it is restored when that job ends, or the last of several that changed it
alike. Of concurrent jobs that set a variable to different values, one waits there until the other has ended; one that
changes the directory goes on alone, and so do those that it waits for or that start then. A change by a thread whose
job has ended is refused. What has no audit event (`sys.stdout`, the root logger) is restored when no job runs.
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
"""The directory's name among those of variables, which are never empty."""

_STREAMS = ("stdin", "stdout", "stderr")


@dataclass
class _Change:
    before: str | None
    by: set[object] = field(default_factory=set)


_job: contextvars.ContextVar[object | None] = contextvars.ContextVar("job_process_state", default=None)
_turn = threading.Condition(threading.RLock())
_waiting: set[object] = set()
_changes: dict[str, _Change] = {}
_running: set[object] = set()
_restore: list[Callable[[], None]] = []
_hooked: list[int] = []
"""The id of the process whose changes are watched: in one that a job forked there is no job to wait for."""


@contextlib.contextmanager
def restored_process_state() -> Iterator[None]:
    """Run a job's code in the block, and restore afterwards what it changed."""
    job = object()
    with _turn:
        _turn.wait_for(lambda: _DIRECTORY not in _changes)
        if not _hooked:
            sys.addaudithook(_before_change)
        _hooked[:] = [os.getpid()]
        if not _running:
            _restore[:] = [_saved_streams(), _saved_logging()]
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


def _before_change(event: str, arguments: tuple[object, ...]) -> None:
    if event not in _EVENTS or (job := _job.get()) is None or os.getpid() not in _hooked:
        return
    if event == "os.chdir":
        name, value = _DIRECTORY, None
    else:
        name, *rest = (os.fsdecode(it) for it in arguments if isinstance(it, str | bytes))
        value = rest[0] if rest else None
    with _turn:
        if job not in _running:
            raise RuntimeError("the job of this thread has ended, so the thread can't change the process")
        _waiting.add(job)
        try:
            _turn.notify_all()
            _turn.wait_for(lambda: not _must_wait(job, name, value))
        finally:
            _waiting.discard(job)
        if name not in _changes:
            _changes[name] = _Change(_current(name))
        _changes[name].by.add(job)


def _must_wait(job: object, name: str, value: str | None) -> bool:
    """Return whether a change has to wait for another job: one that goes on, not one that waits itself."""
    if name == _DIRECTORY:
        others = _running - {job}
    else:
        change = _changes.get(name)
        others = change.by - {job} if change is not None and value != _current(name) else set()
    return bool(others - _waiting)


def _current(name: str) -> str | None:
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


def _saved_streams() -> Callable[[], None]:
    path, argv, streams = list(sys.path), list(sys.argv), {name: getattr(sys, name) for name in _STREAMS}

    def restore() -> None:
        sys.path[:], sys.argv[:] = path, argv
        for name, value in streams.items():
            setattr(sys, name, value)

    return restore


def _saved_logging() -> Callable[[], None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)

    def restore() -> None:
        root.setLevel(level)
        root.handlers[:] = handlers

    return restore
