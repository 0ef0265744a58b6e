"""The log of a run: Spark's output and that of its programs, as far as it is on this machine."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.state.run_records import UNENDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflow.state.run_records import RunRecords

_POLL = 0.5


def log_of(found: Mapping[str, Any]) -> Path:
    """Return the file of a run's log.

    Raises:
        DataflowError: It is on another machine, or is not there any more.
    """
    if found["host"] != socket.gethostname():
        raise DataflowError(f"the log of run {found['run_id']} is on {found['host']}", f"read it there: {found['log']}")
    path = Path(found["log"] or "")
    if not path.is_file():
        raise DataflowError(f"the log of run {found['run_id']} is not there any more: {path}")
    return path


def read_log(path: Path, last: int | None = None) -> list[str]:
    """Return the lines of a log, all or so many of the last ones."""
    with path.open(encoding="utf-8", errors="replace") as log:
        lines = [line.rstrip("\r\n") for line in log]
    return lines if last is None else lines[max(len(lines) - last, 0) :]


def follow_log(records: RunRecords, run_id: str, path: Path, last: int | None = None) -> Iterator[str]:
    """Yield the lines of a log as they come, until the run has ended and all is read; arguments as of `read_log`."""
    with path.open(encoding="utf-8", errors="replace") as log:
        before, begun = log.readlines(), ""
        if before and not before[-1].endswith("\n"):
            begun = before.pop()
        shown = before if last is None else before[max(len(before) - last, 0) :]
        yield from (line.rstrip("\r\n") for line in shown)
        while True:
            has_ended = records.one(run_id)["status"] not in UNENDED  # before reading: what came until then is read
            while text := log.readline():
                begun += text
                if begun.endswith("\n"):
                    yield begun.rstrip("\r\n")
                    begun = ""
            if has_ended:
                if begun:
                    yield begun
                return
            time.sleep(_POLL)
