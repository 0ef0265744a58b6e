"""Failures of the machine rather than of a definition: permissions, disks, memory, locks; and what to do about them."""

from __future__ import annotations

import errno
import re
import sys
from pathlib import Path

from dataflow.errors import DataflowError, UsageError, first_line
from dataflow.home import home

LOCK_TIMEOUT = 30
"""Seconds to wait for a lock of SQLite: in the catalog, by the JVM and here, and in the state database."""

_OWN_HOME = "set DATAFLOW_HOME to a folder that you may write to"
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_HINTS = {
    "is locked|SQLITE_BUSY": f"another process has held it for {LOCK_TIMEOUT} s: let it end, then do the same again",
    "no space left|disk is full|quota exceeded|SQLITE_FULL": "free some space, then do the same again",
    "readonly database|read-only file system|attempt to write a readonly": _OWN_HOME,
    "disk i/o error": "the disk may be full or broken: once it is well, do the same again",
    "software[./]amazon[./]awssdk": "say in the environment's catalog that it is on S3: `client.region`, or any `s3.…`",
    "No suitable driver": "put the jar of the database's driver on `spark.driver.extraClassPath` of the environment",
    "OutOfMemoryError|cannot allocate memory": "end other programs, or work on less at once",
}


def hint_for(message: str) -> str | None:
    """Return what to do about a message of a database or a JVM; None where that is not known."""
    return next((hint for words, hint in _HINTS.items() if re.search(words, message, re.IGNORECASE)), None)


def system_error(error: BaseException) -> DataflowError | None:
    """Return the failure of the machine that an exception stands for; None when it stands for none."""
    if not isinstance(error, OSError):
        return _from_python(error) or _from_message(error)
    if not _has_current_folder():
        return UsageError("the folder that this command runs in is gone", 'go to another one: cd "$HOME"')
    file = str(error.filename) if error.filename else ""
    message = error.strerror or first_line(error)
    hint = hint_for(message)
    if error.errno in _REFUSED:
        hint = "check who may read and write it"
    if file.startswith(str(home())) and "space" not in message:
        hint = _OWN_HOME
    return DataflowError(f"{file}: {message}" if file else message, hint)


def _from_python(error: BaseException) -> DataflowError | None:
    """Return what Python raised for a reason outside our code."""
    if isinstance(error, MemoryError):
        return DataflowError("there is not enough memory", "end other programs, or work on less at once")
    if isinstance(error, RecursionError):
        return DataflowError("the input is nested too deeply to be read", permanent=True)
    if isinstance(error, UnicodeEncodeError) and sys.getfilesystemencoding() != "utf-8":
        return UsageError("a path or a name has letters that this locale does not have", "set LC_ALL=C.UTF-8")
    if isinstance(error, RuntimeError) and (loop := re.fullmatch(r"Symlink loop from (.+)", str(error))):
        return UsageError(f"{loop[1]} is a link that leads to itself", "remove it, or point it to a file")
    return None


def _from_message(error: BaseException) -> DataflowError | None:
    """Return what the message of a database or a JVM stands for."""
    message = first_line(error)
    hint = hint_for(message)
    return DataflowError(message, hint) if hint else None


def _has_current_folder() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False
