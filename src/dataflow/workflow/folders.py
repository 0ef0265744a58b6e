"""Looking through a repository: every folder that people write in, once, and none that a tool wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GENERATED = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "packrat", "renv", "spark-warehouse", "target", "venv"}
)
"""Folders that tools write: nothing in them is a source."""

DEFINITION = ".sch.yaml"
"""How the name of a workflow definition ends."""


def walk(top: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder below one, itself included, with its sub-folders and files, both in order.

    Hidden and generated folders and virtual environments are left out. What the caller takes from the list of
    sub-folders is not looked at either.
    """
    for name, folders, files in os.walk(top):
        folder = Path(name)
        if "pyvenv.cfg" in files and folder != top:
            folders.clear()
            continue
        folders[:] = sorted(it for it in folders if not is_generated(it))
        yield folder, folders, sorted(files)


def is_generated(name: str) -> bool:
    """Say whether a folder of this name holds what a tool wrote."""
    return name.startswith(".") or name in GENERATED or name.endswith(".egg-info")


def package_of(folder: Path) -> Path | None:
    """Return the nearest folder, upwards within the repository, that holds definitions."""
    for candidate in (folder, *folder.parents):
        if any(candidate.glob(f"*{DEFINITION}")):
            return candidate
        if (candidate / ".git").exists():
            break
    return None
