"""The packages of a repository: folders with definitions in them, and the project that each belongs to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dataflow.workflow.discovery import DEFINITION
from dataflow.workflow.project import FILE_NAME

if TYPE_CHECKING:
    from dataflow.repository.tree import Tree


@dataclass(frozen=True)
class PackageFolder:
    """A package's folder.

    Attributes:
        path: The folder in the repository, `.` for its top.
        files: All files in it and below, packages below aside, relative to the repository.
    """

    path: str
    files: tuple[str, ...]

    @property
    def definitions(self) -> tuple[str, ...]:
        """Its definitions."""
        own = [file for file in self.files if file.endswith(DEFINITION)]
        return tuple(file for file in own if (os.path.dirname(file) or ".") == self.path)  # noqa: PTH120


def find_packages(tree: Tree, project: str | None = None) -> list[PackageFolder]:
    """Find the packages of a project, in the order of their folders: where definitions lie.

    Args:
        tree: The repository's files.
        project: The folder of the project's file, whose packages are those below it and not below another one's.
            None where the project has no file.
    """
    found: dict[Path, list[str]] = {}
    owner: dict[Path, Path | None] = {}
    for folder, folders, files in tree.walk():
        folders[:] = [it for it in folders if not it.startswith(".")]
        has = any(name.endswith(DEFINITION) for name in files)
        owner[folder] = top = folder if has else owner.get(folder.parent)
        if top is not None:
            base = folder.relative_to(tree.root).as_posix()
            prefix = "" if base == "." else f"{base}/"
            found.setdefault(top, []).extend(prefix + name for name in files)
    every = [PackageFolder(top.relative_to(tree.root).as_posix(), tuple(files)) for top, files in sorted(found.items())]
    return [it for it in every if project_of(tree, it.path) == project]


def all_projects(tree: Tree) -> list[str | None]:
    """Return the folders of the project files that packages of a repository belong to, None for packages without one.

    Args:
        tree: The repository's files.
    """
    folders = [folder for folder, _, files in tree.walk() if any(name.endswith(DEFINITION) for name in files)]
    found = {project_of(tree, it.relative_to(tree.root).as_posix()) for it in folders}
    return sorted(found, key=lambda it: it or "")


def project_of(tree: Tree, path: str) -> str | None:
    """Return the folder of the project's file that a path belongs to: the nearest, there or above."""
    parts = () if path == "." else PurePosixPath(path).parts
    for end in range(len(parts), -1, -1):
        folder = "/".join(parts[:end]) or "."
        if tree.lists(FILE_NAME if folder == "." else f"{folder}/{FILE_NAME}"):
            return folder
    return None
