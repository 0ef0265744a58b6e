"""Files of the tool that a package needs and its history does not: put there by our commands, ignored by git.

By JSON Schemas editors complete a package's files; readers of mocks are for the tests of other languages than Python.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_PACKAGE = Path(__file__).parent

SCHEMAS = _PACKAGE / "schemas"
"""Where this version's schemas are; `python -m tests.generated` writes them."""

READERS = _PACKAGE / "mocks" / "readers"
"""Where the readers of mocks are."""

PROVIDED: Mapping[str, tuple[Path, str]] = {
    ".vscode/*.schema.json": (SCHEMAS, "*.schema.json"),
    "src/test/scala/dataflow/Mocks.scala": (READERS, "Mocks.scala"),
    "tests/testthat/helper-dataflow.R": (READERS, "helper-dataflow.R"),
}
"""By the line of a package's `.gitignore` that says that files are none of its own: where from, and which."""


def refresh(places: Iterable[Path]) -> None:
    """Write the files into the packages of some places, where they are missing or of another version.

    What can't be written is left: an editor that completes less is no reason for a command to fail.

    Args:
        places: Files or folders that a command worked on, in packages or not, and whatever else it was given.
    """
    packages = dict(filter(None, map(_package, places)))
    for package, lines in packages.items():
        for line in lines:
            with contextlib.suppress(OSError):
                _refresh(package, line)


def _package(place: Path) -> tuple[Path, list[str]] | None:
    """Return the folder, the place itself or above it in its repository, that leaves files to us, and which."""
    with contextlib.suppress(OSError):
        for folder in (place.absolute(), *place.absolute().parents):
            ignore = folder / ".gitignore"
            ignored = ignore.read_text("utf-8", "replace").splitlines() if ignore.is_file() else []
            if lines := [line for line in PROVIDED if line in ignored]:
                return folder, lines
            if (folder / ".git").exists():
                return None
    return None


def _refresh(package: Path, line: str) -> None:
    folder = package / Path(line).parent
    stale = list(_stale(folder, *PROVIDED[line]))
    if not stale or not folder.parent.is_dir() or folder.resolve() != package.resolve() / Path(line).parent:
        return  # nothing to do, no folder of such files here, or one that is elsewhere
    from dataflow import git
    from dataflow.files import write_file

    if folder.is_dir() and git.ask(folder, "ls-files", "--", *(target.name for target, _ in stale)):
        return  # an older package's, not yet gone from its history: a command changes no file of git's
    folder.mkdir(exist_ok=True)
    for target, data in stale:
        write_file(target, data)


def _stale(folder: Path, source: Path, pattern: str) -> Iterator[tuple[Path, bytes]]:
    for file in sorted(source.glob(pattern)):
        target, data = folder / file.name, file.read_bytes()
        if not target.is_file() or target.read_bytes() != data:
            yield target, data
