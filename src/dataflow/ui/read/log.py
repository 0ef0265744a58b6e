"""The log of a run: its errors first, then its end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.errors import DataflowError

_BYTES = 2_000_000
_LINES = 400
_ERRORS = 100
_ERROR = re.compile(r"\b(ERROR|FATAL|CRITICAL|Exception|Traceback|Error:|error:)\b")


@dataclass(frozen=True)
class LogPart:
    """What a page shows of a log.

    Attributes:
        errors: The lines that tell of an error, with their numbers; those of the part that was read.
        lines: The last lines.
        first: The number of the first of them; 1 where they are all.
        is_cut: Whether only the end of a long log was read, whose lines count from there.
    """

    errors: Sequence[tuple[int, str]]
    lines: Sequence[str]
    first: int
    is_cut: bool


def log_part(run: Mapping[str, Any]) -> LogPart:
    """Return what a page shows of a run's log.

    Raises:
        DataflowError: It is on another machine, not there any more, or not a log of this home.
    """
    from dataflow.home import home
    from dataflow.runner.run_log import log_of

    path = log_of(run)
    if not path.resolve().is_relative_to((home() / "logs").resolve()):
        raise DataflowError(f"the log of run {run['run_id']} is not in the folder of logs", f"read it there: {path}")
    with path.open("rb") as log:
        size = log.seek(0, 2)
        log.seek(max(0, size - _BYTES))
        text = log.read(_BYTES).decode("utf-8", "replace")
    lines = text.splitlines()
    if size > _BYTES:
        lines = lines[1:]
    errors = [(number, line) for number, line in enumerate(lines, 1) if _ERROR.search(line)]
    return LogPart(errors[-_ERRORS:], lines[-_LINES:], max(1, len(lines) - _LINES + 1), size > _BYTES)
