"""The Dataflow home: what belongs to a user rather than to a project (catalog, run records, logs, jars)."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

UMASK = 0o077
"""Under which what belongs into the home is made."""

_FOLDER, _FILE, _OTHERS = 0o700, 0o600, 0o077


def home() -> Path:
    """Return the Dataflow home, absolute, without creating it.

    `DATAFLOW_HOME` wins; else `dataflow` in the user's data folder (XDG on Linux, Library on macOS).
    """
    if explicit := os.environ.get("DATAFLOW_HOME"):
        return Path(explicit).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "dataflow"
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "dataflow"


def subfolder(*names: str) -> Path:
    """Return a folder below the Dataflow home, created when missing; the home is its owner's alone."""
    folder = _private(home())
    for name in names:
        folder = folder / name
        folder.mkdir(mode=_FOLDER, exist_ok=True)
    return folder


def private_file(path: Path) -> Path:
    """Return the path of a file that is its owner's alone, made empty when missing, where the disk knows links.

    One that is there is never opened: POSIX gives back all locks that a process holds on a file once it closes any
    descriptor of it, and SQLite's are such locks (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    if not path.exists():
        import tempfile

        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            open(draft, "xb", opener=private).close()
            with contextlib.suppress(OSError):  # somebody was faster; or the disk knows no links
                path.hardlink_to(draft)
    return path


def private(path: str, flags: int) -> int:
    """Open a file for `open(…, opener=private)`: a new one is its owner's alone."""
    return os.open(path, flags, _FILE)


def _private(folder: Path) -> Path:
    """Make the home; one that others can look into, as an earlier version made it, is closed with all that is in it."""
    try:
        folder.mkdir(mode=_FOLDER, exist_ok=True)
    except FileNotFoundError:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=_FOLDER, exist_ok=True)
    with contextlib.suppress(OSError):  # another user's home, or a disk that can't be written to
        if folder.stat().st_mode & _OTHERS:
            _close(str(folder))
            folder.chmod(_FOLDER)
    return folder


def _close(folder: str) -> None:
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            if entry.is_symlink():
                continue
            os.chmod(entry.path, entry.stat().st_mode & ~_OTHERS)  # noqa: PTH101 - there may be many
            if entry.is_dir():
                _close(entry.path)
