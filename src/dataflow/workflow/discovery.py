"""Looking through a repository: every folder that people write in, once, and none that a tool wrote."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import UsageError
from dataflow.home import home

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

GENERATED = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "packrat", "renv", "spark-warehouse", "target", "venv"}
)
"""What folders that tools write are called; whether one is such a folder, what lies beside it decides (`is_made`)."""

DEFINITION = ".sch.yaml"
"""How the name of a workflow definition ends."""

PATIENCE = 2.0
"""Seconds after which a look through folders says where it is."""

BOUND = 50_000
"""How many folders are looked at: more are no project, but somebody's whole disk."""

LONGEST = 60.0
"""How many seconds a look may take."""

_OF_TOOLS = {".bloop", ".bsp", ".cache", ".eggs", ".git", ".gradle", ".hg", ".idea", ".ipynb_checkpoints", ".metals"}
_OF_TOOLS |= {".nox", ".Rproj.user", ".svn", ".tox", ".venv", ".vscode", ".workflows"}
"""Hidden folders that tools make, and that say so by their name alone."""

_ALWAYS = {"__pycache__", "node_modules", "spark-warehouse"}  # no source is ever called so
_PYTHON = ("pyproject.toml", "setup.py", "setup.cfg")
_SBT = ("build.sbt",)
_GRADLE = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")


class Patience:
    """Says what a look through folders reads, once it takes long, and where it ends."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._began = time.monotonic()
        self._reported = False
        self._seen = 0

    def spend(self, folder: Path) -> None:
        """Count a folder.

        Raises:
            UsageError: There are too many.
        """
        self._seen += 1
        took = time.monotonic() - self._began
        if not self._reported and took > PATIENCE:
            self._reported = True
            sys.stderr.write(f"looking for workflows below {self._top}, now in {folder} …\n")
        if self._seen > BOUND or took > LONGEST:
            raise too_much(self._top, f"after {self._seen:,} folders")


@contextmanager
def patiently(text: Callable[[], str]) -> Iterator[None]:
    """Say what is done, once that takes long.

    Args:
        text: Asked then for what to say.
    """
    timer = threading.Timer(PATIENCE, lambda: sys.stderr.write(f"{text()} …\n"))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def too_much(top: Path, after: str) -> UsageError:
    """Return the refusal to look any further."""
    return UsageError(
        f"the search for workflows below {top} ends {after}: that is too much for a project",
        "go to the project's folder first, or name it",
    )


def walk(top: Path, *, hidden: bool = False) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder below one, itself included, with its sub-folders and files, both in order.

    Hidden and generated folders, virtual environments and the Dataflow home are left out. What the caller takes from
    the list of sub-folders is not looked at either.

    Args:
        top: Where to begin.
        hidden: Whether hidden folders are looked at as well, as far as no tool made them.

    Raises:
        UsageError: There are too many folders for a project.
    """
    own = home()
    patience = Patience(top)
    for name, folders, files in os.walk(top):
        folder = Path(name)
        patience.spend(folder)
        if folder != top and ("pyvenv.cfg" in files or folder == own):
            folders.clear()
            continue
        kept = (it for it in folders if hidden and it.startswith(".") and not _is_of_tool(folder / it))
        folders[:] = sorted({*kept, *(it for it in folders if not is_made(folder, it, files))})
        yield folder, folders, sorted(it for it in files if not is_special(f"{name}/{it}"))


def is_special(path: str | Path) -> bool:
    """Say whether reading a file may wait for ever for somebody who writes: a pipe, a socket, a device."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - there may be many
    except OSError:
        return False  # who reads it says why not
    return not stat.S_ISREG(mode)


def is_made(folder: Path, name: str, beside: Collection[str]) -> bool:
    """Say whether a sub-folder holds what a tool wrote: known by the build beside it, which writes it there.

    Args:
        folder: The folder that it lies in.
        name: Its name.
        beside: The names of the files beside it.
    """
    if name.startswith(".") or name in _ALWAYS or name.endswith(".egg-info"):
        return True
    if name not in GENERATED:
        return False
    inside = folder / name
    is_python = _has(beside, *_PYTHON) and not (inside / "__init__.py").exists()
    made = {
        "target": _has(beside, "pom.xml", *_SBT) or folder.name == "project" or _is_part(folder, _SBT),
        "build": is_python or _has(beside, *_GRADLE) or _is_part(folder, _GRADLE),
        "dist": is_python or _has(beside, "package.json"),
        "renv": _has(beside, "renv.lock") or (inside / "activate.R").exists(),
        "packrat": (inside / "packrat.lock").exists(),
        "venv": (inside / "pyvenv.cfg").exists(),
    }
    return made[name]


def _is_of_tool(folder: Path) -> bool:
    """Say whether a hidden folder is one that a tool made for itself: by its name, or as it says so in a file."""
    if folder.name in _OF_TOOLS or (folder / "CACHEDIR.TAG").exists():
        return True
    with suppress(OSError):
        return "*" in (folder / ".gitignore").read_text(encoding="utf-8", errors="replace").split()
    return False


def _has(beside: Collection[str], *names: str) -> bool:
    return any(it in beside for it in names)


def _is_part(folder: Path, marks: Collection[str]) -> bool:
    """Say whether a folder is a part of a build above it that has its settings in one place."""
    return (folder / "src").is_dir() and any((it / mark).exists() for it in folder.parents for mark in marks)


def is_generated(name: str) -> bool:
    """Say whether a folder of this name may hold what a tool wrote, as far as its name tells."""
    return name.startswith(".") or name in GENERATED or name.endswith(".egg-info")


def package_of(folder: Path, top: Path | None = None) -> Path | None:
    """Return the nearest folder, upwards within the repository, that holds definitions.

    Args:
        folder: Where to begin.
        top: The repository's top; where git has its own when omitted.
    """
    for candidate in (folder, *folder.parents):
        if any(candidate.glob(f"*{DEFINITION}")):
            return candidate
        if candidate == top or (candidate / ".git").exists():
            break
    return None
