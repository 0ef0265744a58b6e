"""The streams of a command on bad days: closed, full, left by their reader, or without letters."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any

from dataflow.cli.output_filter import Filter
from dataflow.secret import MaskedStream

STOPPED = 130
"""What a command exits with that the user, or a scheduler, stopped."""


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Put streams in place that mask secrets and take any letter; a closed one takes what nobody will read."""
    before = sys.stdout, sys.stderr
    is_closed = sys.stdout is None
    if sys.stdin is None:
        _take(0)
    streams = _open(sys.stdout, 1), _open(sys.stderr, 2)
    sys.stdout, sys.stderr = streams
    if is_closed:
        sys.stderr.write("warning: standard output is closed, so what this prints is lost\n")
    filter_ = Filter(streams)
    filter_.begin()
    try:
        yield
    finally:
        filter_.end()
        sys.stdout, sys.stderr = before


def _open(stream: Any, number: int) -> Any:
    if stream is None:
        _take(number)
        stream = open(number, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process lives
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")  # a terminal without letters shows numbers
    return MaskedStream(stream)


def _take(number: int) -> None:
    """Open nothing as a descriptor that is closed: else the next file has its number, and gets what programs print."""
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(nothing, number)
        os.close(nothing)


def flushed(code: int) -> int:
    """Write out what was printed; return the exit code, which is another one when success can't be shown."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, MaskedStream):
                stream.end()
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
    stream = sys.stdout
    for each in (stream.target, stream.stream) if isinstance(stream, MaskedStream) else (stream,):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), each.fileno())
