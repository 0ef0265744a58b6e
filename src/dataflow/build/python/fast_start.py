"""The start of a run in the environment that it had the last time, before anything is imported.

To find out which one a run needs takes as long as to start: the workflow is loaded for it. So the command goes on in
the one that it was the last time, finds out there, and goes on once more in the rare case that it is another one now.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from dataflow.home import home, subfolder

_CAME_FROM = "DATAFLOW_CAME_FROM"
"""The Python that went ahead, of the process that it became."""

_VARYING = ("--date", "--param", "-p")
"""Options that choose no other workflow."""

came_from: list[str] = []
"""The Python that went ahead and became this one, if any did."""


def go_ahead() -> None:
    """Go on in the environment that this command had the last time, if it had one."""
    if (before := os.environ.pop(_CAME_FROM, None)) is not None:
        came_from.append(before)
        return
    if sys.argv[1:3] != ["workflow", "run"]:
        return
    with contextlib.suppress(OSError, ValueError):
        python = _note(home() / "environments" / "ahead").read_text("utf-8")
        if Path(python).is_file():
            os.execve(python, again(python), {**os.environ, _CAME_FROM: sys.executable})  # noqa: S606 - no shell is wanted


def again(python: str) -> list[str]:
    """Return the words that say the same to another Python; nothing is imported from the folder that it runs in."""
    return [python, "-P", "-m", "dataflow", *sys.argv[1:]]


def remember(python: Path | None) -> None:
    """Note which environment this command needs."""
    if sys.argv[1:3] != ["workflow", "run"]:
        return
    note = _note(home() / "environments" / "ahead")
    if python is None:
        note.unlink(missing_ok=True)
    elif not (note.is_file() and note.read_text("utf-8") == str(python)):
        subfolder("environments", "ahead")
        from dataflow.files import write_file

        write_file(note, str(python))


def go_back() -> None:
    """Go on in the Python that went ahead, where no environment is needed any more."""
    if came_from and came_from[0]:
        os.execve(came_from[0], again(came_from[0]), {**os.environ, _CAME_FROM: ""})  # noqa: S606 - no shell is wanted


def _note(folder: Path) -> Path:
    """Return where it is noted for this command: by the Python that was called, and the workflow that it names."""
    prefix = str(Path(came_from[0]).parents[1]) if came_from and came_from[0] else sys.prefix
    about = "\0".join([prefix, os.getcwd(), *_naming(sys.argv[3:])])  # noqa: PTH109  # nothing is imported for it
    return folder / hashlib.sha256(about.encode()).hexdigest()[:32]


def _naming(arguments: list[str]) -> Iterator[str]:
    skip = False
    for each in arguments:
        if skip:
            skip = False
        elif each in _VARYING:
            skip = True
        elif not each.startswith(tuple(f"{it}=" for it in _VARYING)):
            yield each
