"""Text files as they are found: with a byte order mark, packed by gzip, or not UTF-8 in some places."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from dataflow.errors import UsageError, display_path

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """Open a text file, its line ends as they are; what is not UTF-8 becomes lone surrogates.

    Raises:
        UsageError: It is UTF-16, or packed and damaged.
    """
    try:
        with contextlib.ExitStack() as stack:
            packed = path.suffix == ".gz"
            raw = stack.enter_context(gzip.open(path) if packed else path.open("rb"))  # noqa: SIM115
            buffered = io.BufferedReader(cast("io.RawIOBase", raw))
            if buffered.peek(2)[:2] in _UTF_16:
                raise UsageError(f"{display_path(path)} is UTF-16", "save it as UTF-8")
            yield io.TextIOWrapper(buffered, encoding="utf-8-sig", errors="surrogateescape", newline="")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{display_path(path)} is not a whole gzip file: {error}") from None


def is_utf8(text: str) -> bool:
    """Say whether all of a text was UTF-8."""
    if text.isascii():  # most is, and Python knows it
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
