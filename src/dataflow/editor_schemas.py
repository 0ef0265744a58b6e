"""The JSON Schemas by which editors complete a package's files: kept out of its history, put there by our commands."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

FOLDER = Path(__file__).parent / "schemas"
"""Where this version's are; `python -m tests.generated` writes them."""

IGNORED = ".vscode/*.schema.json"
"""The line of a package's `.gitignore` that says that they are none of its files: where it stands, they are written."""


def refresh(places: Iterable[Path]) -> None:
    """Write the schemas into the packages of some places, where they are missing or of another version.

    What can't be written is left: an editor that completes less is no reason for a command to fail.

    Args:
        places: Files or folders that a command worked on, in packages or not, and whatever else it was given.
    """
    packages = {package for place in places if (package := _package(place)) is not None}
    for package in packages:
        with contextlib.suppress(OSError):
            _refresh(package / ".vscode")


def _package(place: Path) -> Path | None:
    """Return the folder, the place itself or above it in its repository, that leaves the schemas to us."""
    with contextlib.suppress(OSError):
        for folder in (place.absolute(), *place.absolute().parents):
            ignore = folder / ".gitignore"
            if ignore.is_file() and IGNORED in ignore.read_text("utf-8", "replace").splitlines():
                return folder
            if (folder / ".git").exists():
                return None
    return None


def _refresh(folder: Path) -> None:
    stale = list(_stale(folder))
    if not stale or folder.is_symlink():
        return
    from dataflow import git
    from dataflow.files import write_file

    if folder.is_dir() and git.ask(folder, "ls-files", "--", *(target.name for target, _ in stale)):
        return  # an older package's, not yet gone from its history: a command changes no file of git's
    folder.mkdir(exist_ok=True)
    for target, data in stale:
        write_file(target, data)


def _stale(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for source in sorted(FOLDER.glob("*.schema.json")):
        target, data = folder / source.name, source.read_bytes()
        if not target.is_file() or target.read_bytes() != data:
            yield target, data
