"""Class data kept between commands: a JVM that maps its classes from an archive starts in half the time.

The JVM of the first real run writes the archive while it exits, after the command has finished (AppCDS). The next
command finds it whole and puts it in place; one that was cut off is deleted. `DATAFLOW_CLASS_DATA=off` switches
all of this off. An archive is good for the very jars and the very Java that it was made with, so these make its
name; it serves a JVM with any garbage collector and compiler.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.files import lock_if_free
from dataflow.home import home
from dataflow.spark.java import Java

_MAGIC = 0xF00BABA8
"""What a complete archive starts with: the JVM writes the header last."""

_KEPT = 4
"""How many archives stay, each for another Java or another set of jars, such as Comet's; some 180 MB each."""

_QUIET = ("-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off")


@dataclass(frozen=True)
class ClassData:
    """How to start a JVM with an archive.

    Attributes:
        options: Options for its command line.
        lock: A descriptor that it must inherit, and that the caller closes once it has; for as long as the JVM
            lives it shows that an archive is being made.
    """

    options: tuple[str, ...] = ()
    lock: int | None = None


def folder() -> Path:
    """Return where the archives are."""
    return home() / "class-data"


def is_off() -> bool:
    """Return whether the user switched archives off."""
    return os.environ.get("DATAFLOW_CLASS_DATA", "").lower() in {"off", "0", "false", "no"}


def archive_file(java: Java, class_path: Sequence[Path]) -> Path:
    """Return where the archive for a Java and a class path is, or would be."""
    digest = hashlib.sha256(f"{java.home}\n{java.version}\n{java.vendor}\n".encode())
    for path in class_path:
        status = path.stat()
        # What the JVM compares before it uses an archive.
        digest.update(f"{path}\t{status.st_size}\t{status.st_mtime_ns}\n".encode())
    return folder() / f"{digest.hexdigest()[:20]}.jsa"


def class_data(java: Java, class_path: Sequence[Path], *, train: bool) -> ClassData:
    """Return the options that use the archive, or those that make it when there is none yet.

    Args:
        java: What will run.
        class_path: Its class path, jars only, in order.
        train: Whether this JVM's work is typical enough to make the archive from.
    """
    # The JVM makes no archive over a folder of classes, and does not start when told to without its own.
    if is_off() or not java.has_class_data or not all(path.is_file() for path in class_path):
        return ClassData()
    archive = archive_file(java, class_path)
    with contextlib.suppress(OSError):  # a full or read-only home costs the speed, nothing else
        if not archive.exists():
            archive.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _adopt_or_claim(archive, train=train)
            if lock is not None:
                return ClassData((*_QUIET, f"-XX:ArchiveClassesAtExit={_unfinished(archive)}"), lock)
        if archive.exists():
            archive.touch()  # the ones used last are the ones kept
            return ClassData((*_QUIET, f"-XX:SharedArchiveFile={archive}"))
    return ClassData()


def is_being_made(archive: Path) -> bool:
    """Return whether a running JVM will write this archive."""
    with _claimed(archive) as lock:
        return lock is None


def is_complete(file: Path) -> bool:
    """Return whether a file is an archive that was written to its end."""
    try:
        with file.open("rb") as stream:
            return stream.read(4) == struct.pack("=I", _MAGIC)
    except OSError:
        return False


def _adopt_or_claim(archive: Path, *, train: bool) -> int | None:
    """Put a finished archive in its place; else, where this JVM may train, return the lock for it."""
    with _claimed(archive) as lock:
        if lock is None:
            return None
        unfinished = _unfinished(archive)
        if is_complete(unfinished):
            unfinished.replace(archive)
            _sweep()
        unfinished.unlink(missing_ok=True)
        return os.dup(lock) if train and not archive.exists() else None


@contextlib.contextmanager
def _claimed(archive: Path) -> Iterator[int | None]:
    """Take the archive's lock without waiting; None when a training JVM holds it.

    A lock, not a file with a process id: the kernel lets go of it whichever way its holders end.
    """
    if not archive.parent.is_dir():
        yield -1
        return
    with lock_if_free(archive.with_suffix(".lock")) as lock:
        yield lock


def _unfinished(archive: Path) -> Path:
    return archive.with_suffix(".tmp")


def _sweep() -> None:
    """Delete the archives used longest ago. A JVM that still maps one keeps it until it ends."""
    archives = sorted(folder().glob("*.jsa"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in archives[_KEPT:]:
        file.unlink(missing_ok=True)
        file.with_suffix(".lock").unlink(missing_ok=True)
