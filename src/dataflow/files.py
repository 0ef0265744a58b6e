"""Files: written whole or not at all, their checksums, canonical JSON, and locks between processes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataflow.report import Report, silent

DRAFT_PREFIX = ".part-"
"""What the name of a file begins with that is not written to its end yet."""


# ------------------------------------------------------------------------------------------------ atomic writes


def write_file(path: Path, data: str | bytes, *, mode: int | None = None) -> None:
    """Put text or bytes in the place of a file: readers see what was there before or all of it, never a part.

    Args:
        path: The file; its folder exists.
        data: What it is to hold; text becomes UTF-8, its line ends stay as they are.
        mode: The permissions of the file, whatever the umask; those of any new file when omitted.

    Raises:
        OSError: It can't be written; the file is what it was.
    """
    with draft_of(path) as draft:
        _write(draft, data, mode)


def create_file(
    path: Path, data: str | bytes | Path, *, mode: int | None = None, drafts: Path | None = None, durable: bool = False
) -> None:
    """Write a new file, unless there is one: of several writers one succeeds, and nobody sees a part of a file.

    Args:
        path: The file; its folder exists.
        data: What it is to hold, or a file that holds it.
        mode: The permissions of the file, whatever the umask; those of any new file when omitted.
        drafts: The folder for what is not written to its end yet, on the same disk; the file's own when omitted.
        durable: Whether the file has to be whole after a power cut as well.

    Raises:
        FileExistsError: There is such a file, and it stays as it is.
        OSError: It can't be written.
    """
    if path.exists():
        raise FileExistsError(path)
    draft = _draft_name(drafts or path.parent)
    try:
        _write(draft, data, mode, durable=durable)
        path.hardlink_to(draft)
    finally:
        with contextlib.suppress(OSError):  # mostly it has become the file
            draft.unlink()


@contextlib.contextmanager
def draft_of(path: Path, draft: Path | None = None) -> Iterator[Path]:
    """Yield the path of a new file beside another, whose place it takes at the end unless something is raised.

    Args:
        path: The file to be replaced.
        draft: The new file, where a lock lets nobody else write it; a name of its own when omitted.
    """
    draft = draft or _draft_name(path.parent)
    try:
        yield draft
        draft.replace(path)
    finally:
        with contextlib.suppress(OSError):  # mostly it has become the file
            draft.unlink()


def mode_of(path: Path) -> int | None:
    """Return the permissions of a file, for what takes its place; None when there is no such file."""
    return path.stat().st_mode & 0o777 if path.exists() else None


def _draft_name(folder: Path) -> Path:
    return folder / f"{DRAFT_PREFIX}{os.urandom(6).hex()}"


def _write(draft: Path, data: str | bytes | Path, mode: int | None, *, durable: bool = False) -> None:
    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o666 if mode is None else 0o600)

    with open(draft, "xb", opener=opener) as target:
        if mode is not None:
            os.fchmod(target.fileno(), mode)
        if isinstance(data, Path):
            with data.open("rb") as source:
                shutil.copyfileobj(source, target)
        else:
            target.write(data.encode() if isinstance(data, str) else data)
        if durable:
            target.flush()
            os.fsync(target.fileno())


# ------------------------------------------------------------------------------------------------ checksums


def sha256_of(path: Path | str) -> str:
    """Return the SHA-256 checksum of what a file holds, in hexadecimal digits.

    Raises:
        OSError: It can't be read.
    """
    with open(path, "rb") as stream:  # noqa: PTH123 - for thousands of files
        return hashlib.file_digest(stream, "sha256").hexdigest()


def canonical_json(data: Any, *, errors: str = "strict") -> bytes:
    """Write plain data as JSON in UTF-8: the same bytes for equal data, whatever the order of its keys.

    Args:
        data: What JSON can hold.
        errors: What becomes of text that is not valid Unicode, as in `str.encode`.

    Raises:
        UnicodeEncodeError: A text is not valid Unicode, and `errors` is strict.
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", errors)


# ------------------------------------------------------------------------------------------------ locks


@contextlib.contextmanager
def exclusive_lock(path: Path, doing: str, report: Report = silent) -> Iterator[None]:
    """Hold a lock that one process at a time can have, after waiting for whoever has it.

    The kernel releases it when its holder ends, whichever way that happens.

    Args:
        path: The file that is locked, created when missing.
        doing: What its holder does, such as `fetching jars`.
        report: Called with a line when another process has to be waited for.
    """
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"Waiting for another dataflow command that is {doing} …")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def lock_if_free(path: Path) -> Iterator[int | None]:
    """Hold a lock if nobody has it, without waiting.

    Args:
        path: The file that is locked, its owner's alone; created when missing.

    Yields:
        Its descriptor, which may be duplicated to hold the lock for longer; None when another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)
