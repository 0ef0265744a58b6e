"""One process at a time."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from dataflow.report import Report, silent


@contextlib.contextmanager
def alone(lock: Path, doing: str, report: Report = silent) -> Iterator[None]:
    """Let one process at a time in; the kernel opens the lock again when its holder ends, however it ends.

    Args:
        lock: The file that is locked.
        doing: What its holder does, such as `fetching jars`.
        report: Told when there is somebody to wait for.
    """
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"Waiting for another dataflow command that is {doing} …")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
