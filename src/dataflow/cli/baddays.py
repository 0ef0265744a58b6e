"""Bad days: a full disk, a closed stdout, a folder that is gone. Each ends in one message that says what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataflow.errors import DataflowError, UsageError
from dataflow.home import home
from dataflow.secret import MaskedStream

STOPPED = 130
"""What a command exits with that the user, or a scheduler, stopped."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Put streams in place that mask secrets and take any letter; a closed one takes what nobody will read."""
    before = sys.stdout, sys.stderr
    is_closed = sys.stdout is None
    sys.stdout, sys.stderr = _open(sys.stdout), _open(sys.stderr)
    if is_closed:
        sys.stderr.write("warning: standard output is closed, so what this prints is lost\n")
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _open(stream: Any) -> Any:
    if stream is None:
        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - as long as the process lives
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")  # a terminal without letters shows numbers
    return MaskedStream(stream)


def flushed(code: int) -> int:
    """Write out what was printed; return the exit code, which is another one when success can't be shown."""
    try:
        sys.stdout.flush()
    except OSError as error:
        silence_stdout()
        if error.errno != errno.EPIPE:  # else the reader had enough
            sys.stderr.write(f"error: standard output can't be written to: {error.strerror}\n")
            return code or 1
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    return code


def silence_stdout() -> None:
    """Let go of a standard output that takes nothing: what it holds back would fail again at the end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def trouble(error: BaseException) -> DataflowError | None:
    """Say what is wrong with the machine when that is why something failed; None when it is not."""
    if isinstance(error, MemoryError):
        return DataflowError("there is not enough memory", "end other programs, or work on less at once")
    if not isinstance(error, OSError):
        return None
    if not _stands_somewhere():
        return UsageError("the folder that this command runs in is gone", 'go to another one: cd "$HOME"')
    file = str(error.filename) if error.filename else ""
    where = f"{file}: " if file else ""
    said = error.strerror or str(error) or type(error).__name__
    if error.errno in _FULL:
        return DataflowError(f"{where}the disk is full", "free some space, then do the same again")
    if error.errno in _REFUSED:
        inside = file.startswith(str(home()))
        hint = "set DATAFLOW_HOME to a folder that you may write to" if inside else "look at who may read and write it"
        return DataflowError(f"{where}{said}", hint)
    return DataflowError(f"{where}{said}")


def _stands_somewhere() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False
