"""Text files as they are found: with a byte order mark, packed by gzip, or not UTF-8 in some places."""

from __future__ import annotations

import codecs
import gzip
import io
from pathlib import Path
from typing import IO, cast

from dataflow.errors import UsageError, display_path

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def opened(path: Path) -> IO[str]:
    """Open a text file, its line ends as they are; what is not UTF-8 becomes lone surrogates.

    Raises:
        UsageError: It is UTF-16.
    """
    stream = cast("IO[bytes]", gzip.open(path) if path.suffix == ".gz" else path.open("rb"))  # noqa: SIM115
    buffered = io.BufferedReader(cast("io.RawIOBase", stream))
    if buffered.peek(2)[:2] in _UTF_16:
        buffered.close()
        raise UsageError(f"{display_path(path)} is UTF-16", "save it as UTF-8")
    return io.TextIOWrapper(buffered, encoding="utf-8-sig", errors="surrogateescape", newline="")


def is_utf8(text: str) -> bool:
    """Say whether all of a text was UTF-8."""
    if text.isascii():  # most is, and Python knows it
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
