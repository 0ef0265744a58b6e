"""A package on its way to a bundle: its folder, and what it is once it is rendered; nothing is built or pinned yet."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dataflow.deploy.bundle import BundleModel, EnvironmentSettings, PackageIdentity, RenderedWorkflow, TableSchema
from dataflow.workflow.discovery import DEFINITION
from dataflow.workflow.project import FILE_NAME

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset, Repository
    from dataflow.repository.tree import Tree


class AssetBuild(BundleModel):
    """An asset of this repository that is built: a jar or a wheel."""

    type: Literal["jar", "wheel"]
    namespace: str


class PreparedPackage(BundleModel):
    """A package, rendered.

    Attributes:
        path: Its folder in the repository.
        packages: Whose it is, by folder.
        environment: Where it will run.
        workflows: Its definitions, by file; assets stand as `asset:<name>`, not pinned yet.
        raw: Files that are assets themselves, with checksums.
        files: Further files beside them, with checksums.
        builds: Assets of this repository that are to be built.
        references: Names of assets of other repositories, branches or builds.
        schemas: The tables that it makes.
        doubts: What a closer look at its scripts found, by definition: no part of what is deployed.
        broken: What can't run at all: conflict markers and mistakes of syntax in what would be deployed.
        unmet: What scripts import and the repository's files do not have, by the name that it would have there.
        unchecked: How many R scripts were not checked, for want of an R.
    """

    path: str
    packages: dict[str, PackageIdentity]
    environment: EnvironmentSettings
    user: str
    workflows: dict[str, RenderedWorkflow]
    raw: dict[str, str] = Field({})
    files: dict[str, str] = Field({})
    builds: tuple[AssetBuild, ...] = ()
    references: tuple[str, ...] = ()
    schemas: dict[str, TableSchema] = Field({})
    doubts: dict[str, tuple[str, ...]] = Field({})
    broken: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    unchecked: int = 0

    @property
    def package(self) -> PackageIdentity:
        """Whose it is."""
        return self.packages[self.path]

    @property
    def own_workflows(self) -> dict[str, RenderedWorkflow]:
        """The definitions of its own package, by file: not those of others that they call."""
        return {file: it for file, it in self.workflows.items() if PurePosixPath(file).parent.as_posix() == self.path}


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
        project: The folder of the project's file; packages below another one's are none of it. None where the
            project has no file.
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
    """Return the folders of the project files that decide for the packages of a repository, None for packages of none.

    Args:
        tree: The repository's files.
    """
    folders = [folder for folder, _, files in tree.walk() if any(name.endswith(DEFINITION) for name in files)]
    found = {project_of(tree, it.relative_to(tree.root).as_posix()) for it in folders}
    return sorted(found, key=lambda it: it or "")


def project_of(tree: Tree, path: str) -> str | None:
    """Return the folder of the project's file that decides for a path: the nearest, there or above."""
    parts = () if path == "." else PurePosixPath(path).parts
    for end in range(len(parts), -1, -1):
        folder = "/".join(parts[:end]) or "."
        if tree.lists(FILE_NAME if folder == "." else f"{folder}/{FILE_NAME}"):
            return folder
    return None


def own_asset(repository: Repository, reference: str) -> Asset | None:
    """Return the asset of this repository that a plain name such as `dataflow.jar.scala-workflow` means, or None."""
    from dataflow.assets.ids import escape

    kind, _, name = reference.removeprefix("dataflow.").partition(".")
    named = (it for it in repository.assets if it.type == kind and name in {it.namespace, escape(it.namespace)})
    return next(named, None)
