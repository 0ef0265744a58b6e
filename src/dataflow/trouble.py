"""What is wrong with the machine when that is why something failed, and what to do about it."""

from __future__ import annotations

import errno
import re
import sys
from pathlib import Path

from dataflow.errors import DataflowError, UsageError
from dataflow.home import home

LOCK_PATIENCE = 30
"""Seconds that a lock of SQLite's is waited for: by the catalog, in the JVM and here, and by the run records."""

_OWN_HOME = "set DATAFLOW_HOME to a folder that you may write to"
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_WAYS_OUT = {
    "is locked|SQLITE_BUSY": f"another process has held it for {LOCK_PATIENCE} s: let it end, then do the same again",
    "no space left|disk is full|quota exceeded|SQLITE_FULL": "free some space, then do the same again",
    "readonly database|read-only file system|attempt to write a readonly": _OWN_HOME,
    "disk i/o error": "the disk may be full or broken: once it is well, do the same again",
    "OutOfMemoryError|cannot allocate memory": "end other programs, or work on less at once",
}


def way_out(said: str) -> str | None:
    """Say what to do about what a database or a JVM complains of, where that is known."""
    return next((hint for words, hint in _WAYS_OUT.items() if re.search(words, said, re.IGNORECASE)), None)


def trouble(error: BaseException) -> DataflowError | None:
    """Say what is wrong with the machine when that is why something failed; None when it is not."""
    if not isinstance(error, OSError):
        return _of_python(error) or _told(error)
    if not _stands_somewhere():
        return UsageError("the folder that this command runs in is gone", 'go to another one: cd "$HOME"')
    file = str(error.filename) if error.filename else ""
    said = error.strerror or str(error) or type(error).__name__
    hint = way_out(said)
    if error.errno in _REFUSED:
        hint = "look at who may read and write it"
    if file.startswith(str(home())) and "space" not in said:
        hint = _OWN_HOME
    return DataflowError(f"{file}: {said}" if file else said, hint)


def _of_python(error: BaseException) -> DataflowError | None:
    """Say what Python met that is no mistake in our code."""
    if isinstance(error, MemoryError):
        return DataflowError("there is not enough memory", "end other programs, or work on less at once")
    if isinstance(error, RecursionError):
        return DataflowError("what was given is nested too deep to be read", permanent=True)
    if isinstance(error, UnicodeEncodeError) and sys.getfilesystemencoding() != "utf-8":
        return UsageError("a path or a name has letters that this locale does not have", "set LC_ALL=C.UTF-8")
    if isinstance(error, RuntimeError) and (loop := re.fullmatch(r"Symlink loop from (.+)", str(error))):
        return UsageError(f"{loop[1]} is a link that leads to itself", "take it away, or have it lead to a file")
    return None


def _told(error: BaseException) -> DataflowError | None:
    """Take a database's or the JVM's word for it."""
    try:
        said = str(error).strip().partition("\n")[0]
    except Exception:  # py4j asks the JVM what to say, and that may be gone
        return None
    hint = way_out(said)
    return DataflowError(said, hint) if hint else None


def _stands_somewhere() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False
