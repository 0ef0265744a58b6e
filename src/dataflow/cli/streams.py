"""The streams of a command on bad days: closed, full, left by their reader, or without letters."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any

from dataflow.secret import MaskedStream

STOPPED = 130
"""What a command exits with that the user, or a scheduler, stopped."""


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
