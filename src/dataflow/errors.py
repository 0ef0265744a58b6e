"""Failures that users can act on: one message, a place, a fix, an exit code."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.secret import masked


class DataflowError(Exception):
    """A failure that the user should read: printed as one message, never as a traceback.

    Attributes:
        message: What went wrong, one sentence, no full stop needed.
        hint: What to do about it, or None.
        exit_code: What the command line exits with: 1 for a failure, 2 for a mistake in what was asked.
        permanent: Whether trying the same again is bound to fail again.
    """

    exit_code = 1
    permanent = False

    def __init__(self, message: str, hint: str | None = None, *, permanent: bool | None = None) -> None:
        self.message = masked(message)
        self.hint = hint and masked(hint)
        super().__init__(self.message)
        if permanent is not None:
            self.permanent = permanent


class UsageError(DataflowError):
    """What was asked can't be done as asked: a wrong option, file or name. Nothing was started."""

    exit_code = 2
    permanent = True


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a file.

    Attributes:
        file: The file, as the user would type it.
        line: Line, counted from 1; 0 for what stands in no file, such as an option.
        column: Column, counted from 1.
        message: What is wrong, with the nearest valid word where there is one.
    """

    file: Path
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        if not self.line:
            return f"{self.file}: {self.message}"
        return f"{display_path(self.file)}:{self.line}:{self.column}: {self.message}"


class DefinitionError(UsageError):
    """Mistakes in definition files, all of them together; nothing was run.

    Attributes:
        problems: At least one, in the order of file, line and column; what stands in no file comes first.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda it: (it.line > 0, it)))
        super().__init__("\n".join(map(str, self.problems)))


_ORIGINALS: dict[Path, Path] = {}


def display_as(copy: Path, original: Path) -> None:
    """Have `display_path` spell the files in a copy of a folder as those of the original."""
    _ORIGINALS[copy.resolve()] = original.resolve()


def display_path(path: Path) -> str:
    """Spell a path as the user would type it: relative to the current folder when it lies below it."""
    for copy, original in _ORIGINALS.items():
        if path.is_relative_to(copy):
            path = original / path.relative_to(copy)
    here = os.getcwd()  # noqa: PTH109
    for way in (os.path.normpath(os.path.join(here, path)), os.path.realpath(path)):  # noqa: PTH118
        if way == here or way.startswith(f"{here}{os.sep}".replace("//", "/")):
            return os.path.relpath(way, here)
    return str(path)


def broken_link(path: Path) -> str | None:
    """Say of a path that is not there that it is a link, and where it leads; None where it is none."""
    if not path.is_symlink():
        return None
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return f"{display_path(path)} is a link that leads to itself"
    return f"{display_path(path)} is a link to {path.readlink()}, which is not there"


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message; the name of its class when it has none."""
    try:
        text = str(error).strip()
    except Exception:  # py4j asks the JVM for it, and that may be gone
        text = ""
    return text.partition("\n")[0] or type(error).__name__


def did_you_mean(word: str, valid: Iterable[str], *, limit: int = 8) -> str:
    """Say which valid word is nearest to a wrong one, or list the valid ones when none is near.

    Args:
        word: What was written.
        valid: What could have been written.
        limit: How many words a list may have before it is cut.

    Returns:
        A clause to stand after a message, such as `; did you mean 'blocking'?`, or an empty string.
    """
    options = sorted(set(valid))
    if near := difflib.get_close_matches(word, options, n=1, cutoff=0.6):
        return f"; did you mean '{near[0]}'?"
    if not options:
        return ""
    shown = ", ".join(options[:limit])
    return f"; valid here: {shown}{', …' if len(options) > limit else ''}"
