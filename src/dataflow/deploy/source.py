"""A repository about to be deployed: the checkout, its packages, its target, and what the target runs now."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow import git
from dataflow.deploy import deployments
from dataflow.deploy.bundle.file_hashes import FileHashCache
from dataflow.deploy.bundle.package_index import PackageFacts, PreparedPackages
from dataflow.deploy.bundle.package_preparer import PackagePreparer
from dataflow.deploy.bundle.packages import PackageFolder, all_projects, find_packages, project_of
from dataflow.deploy.ownership import ProjectOwnership
from dataflow.deploy.targets import Target, target_of
from dataflow.errors import DefinitionError, UsageError, display_path
from dataflow.repository.tree import EXPORT
from dataflow.workflow.discovery import DEFINITION
from dataflow.workflow.project import FILE_NAME, find_project, read_project, without_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dataflow.assets.discover import Repository
    from dataflow.assets.registry import Registry
    from dataflow.deploy.deployments import DeployedPackage, Deployment
    from dataflow.deploy.source_assets import SourceAssets
    from dataflow.repository.checkout import Checkout
    from dataflow.repository.tree import Tree
    from dataflow.workflow.project import Project


@dataclass
class DeploySource:
    """A repository and its target.

    Attributes:
        checkout: What git knows of it.
        project: What its `dataflow.yaml` says.
        target: Where it is deployed to.
        registry: Where builds and deployments are kept.
        tree: The files that are deployed.
        scope: The folder of its `dataflow.yaml` in the repository; None where it has none there.
        hashes: Checksums of its files.
    """

    checkout: Checkout
    project: Project
    target: Target
    registry: Registry
    tree: Tree
    scope: str | None = None
    hashes: FileHashCache = field(default_factory=FileHashCache)
    _owned: dict[tuple[str | None, ...], bool] = field(default_factory=dict, init=False, repr=False)

    @property
    def root(self) -> Path:
        """The folder of the files that are deployed: a commit's in a folder of their own, or the checkout's."""
        return self.tree.root

    @property
    def name(self) -> str:
        """The repository, as ids of assets name it."""
        return self.ownership.name

    @cached_property
    def ownership(self) -> ProjectOwnership:
        """Whose its deployments are."""
        return ProjectOwnership(self.checkout, self.tree, self.scope, self.project.id)

    @cached_property
    def current(self) -> Deployment | None:
        """The target as it was when it was first asked for; None where nothing is deployed."""
        return deployments.current(self.registry, self.target.name)

    def owns(self, key: str, package: DeployedPackage) -> bool:
        """Say whether a package of an environment belongs to this project; the answer is kept."""
        known_by = (key, package.project, package.repository, package.commit)
        if known_by not in self._owned:
            self._owned[known_by] = self.ownership.owns(key, package)
        return self._owned[known_by]

    @cached_property
    def own_keys(self) -> dict[str, str]:
        """The keys of its deployed packages, by folder."""
        packages = self.current.revision.packages if self.current else {}
        return {key.rpartition(":")[2]: key for key, it in packages.items() if self.owns(key, it)}

    @cached_property
    def project_id(self) -> str | None:
        """The id that its packages carry; a clone without one takes that of its deployed packages."""
        packages = self.current.revision.packages if self.current else {}
        return self.ownership.id or next((packages[key].project for key in self.own_keys.values()), None)

    def key(self, path: str) -> str:
        """Return the key of a package in an environment: the one that it has there, if any.

        It stays as it is whatever the repository is called later; two repositories of one name get different keys.
        """
        packages = self.current.revision.packages if self.current else {}
        if path in self.own_keys:
            return self.own_keys[path]
        key = f"{self.name}:{path}"
        return f"{self.name}~{str(self.ownership.id).removeprefix('df-')[:8]}:{path}" if key in packages else key

    @cached_property
    def repository(self) -> Repository:
        """What it holds."""
        from dataflow.assets.discover import discover

        return discover(self.root, self.checkout.repo, self.tree)

    @cached_property
    def assets(self) -> SourceAssets:
        """The assets of its packages."""
        from dataflow.deploy.source_assets import SourceAssets

        return SourceAssets(self.repository, self.checkout, self.registry, unclean=self.target.sandbox)

    @cached_property
    def package_folders(self) -> list[PackageFolder]:
        """The folders of its packages."""
        return find_packages(self.tree, self.scope)

    def left_out(self) -> list[str]:
        """Return notes about files that are on the disk and not deployed, where that may be a mistake."""
        if self.tree.commit is None:
            return []
        notes = []
        ignored = [it for it, why in self.tree.holes.items() if why == EXPORT and it.endswith(DEFINITION)]
        if ignored:
            notes.append(f"export-ignore in .gitattributes leaves out {', '.join(sorted(ignored)[:5])}")
        packages = [it.path for it in self.package_folders]
        packages += [it.rpartition("/")[0] for it in self.checkout.untracked if it.endswith(DEFINITION)]
        new = [it for it in self.checkout.untracked if any(p in ("", ".") or it.startswith(f"{p}/") for p in packages)]
        if new:
            more = f" and {len(new) - 3} more" if len(new) > 3 else ""
            notes.append(f"git does not have {', '.join(new[:3])}{more}, so it is left out")
        root = self.checkout.root
        flagged = git.ask(root, "ls-files", "-v", "-z") or ""
        for name in (it[2:] for it in flagged.split("\0") if it[:1] == "S" or it[:1].islower()):
            disk, own = root / name, self.tree.root / name
            if disk.is_file():
                self.tree.fill(own)
            if disk.is_file() and own.is_file() and disk.read_bytes() != own.read_bytes():
                notes.append(f"{name} differs on disk, where git is set to ignore its changes")
        return notes

    def prepared(self, progress: Callable[[int, int], None] = lambda _done, _all: None) -> PreparedPackages:
        """Return all its packages by key, ready to be deployed; what nothing asks for is not read.

        Args:
            progress: Receives how many of how many packages are done.

        Raises:
            DefinitionError: There are mistakes: all of them.
            UsageError: There is no package, or two workflows have one id.
        """
        folders = self.package_folders
        if not folders and not self.own_keys:
            raise self._no_workflows()
        preparer = PackagePreparer(self.repository, self.target, self.hashes)
        index = preparer.index(self.scope)
        found = {}
        for number, folder in enumerate(folders):
            progress(number, len(folders))
            facts = preparer.facts(folder, index)
            if facts is not None:
                found[self.key(folder.path)] = facts
        if preparer.problems:
            raise DefinitionError(preparer.problems)
        _require_unique_ids(found)
        return PreparedPackages(found, index, preparer.load)

    def _no_workflows(self) -> UsageError:
        others = [it for it in all_projects(self.tree) if it != self.scope]
        shown = display_path(self.root / (self.scope or "."))
        if others:
            named = ", ".join(it or "none" for it in others[:5])
            return UsageError(
                f"the project of {shown} contains no workflow", f"other dataflow.yaml files are in: {named}"
            )
        if untracked := [it for it in self.checkout.untracked if it.endswith(DEFINITION)]:
            return UsageError(f"commit {str(self.checkout.commit)[:8]} contains no workflow", f"git add {untracked[0]}")
        return UsageError(f"{shown} contains no workflow", "`dataflow sample workflow spark-sql ./NAME` makes one")


def open_source(folder: Path, *, sandbox: bool = False, env: str | None = None, disk: bool = False) -> DeploySource:
    """Look at the repository that a folder is in.

    What a clean checkout deploys is its commit's; a sandbox takes the disk where that holds more than the commit.

    Args:
        folder: Any folder of it.
        sandbox: Deploy to the user's sandbox, whatever the branch.
        env: The environment that is meant; any other is refused.
        disk: Look at what is on the disk, which is not deployed then.

    Raises:
        UsageError: It can't be deployed from here.
        DefinitionError: `dataflow.yaml` has mistakes.
        DataflowError: Git can't be asked.
    """
    from dataflow.assets.registry import open_registry
    from dataflow.repository.checkout import read_checkout, require_tip
    from dataflow.repository.tree import tree_of_disk

    checkout = read_checkout(folder)
    if sandbox and checkout.untracked:
        checkout = replace(checkout, dirty=True)
    project, scope = project_in(checkout, folder)
    registry = open_registry(project)
    if disk or not checkout.is_clean:
        tree = tree_of_disk(checkout.root)
    else:
        tree, project, scope = _committed(checkout, project, scope, folder)
        registry = open_registry(project)
    target = target_of(checkout, project, sandbox=sandbox)
    if env is not None and target.name != env:
        why = target.note or f"branch {checkout.branch} is checked out"
        raise UsageError(f"this deploys to {target.name}, not to {env}: {why}")
    if not (disk or target.sandbox):
        require_tip(checkout)
    return DeploySource(checkout, project, target, registry, tree, scope)


def project_in(checkout: Checkout, folder: Path) -> tuple[Project, str | None]:
    """Return the nearest project, and its folder in the repository; one outside of that is none of it."""
    found = find_project(folder)
    if found.file is not None and found.file.is_relative_to(checkout.root):
        return found, found.file.parent.relative_to(checkout.root).as_posix()
    return (found if found.file is None else without_file(checkout.root)), None


def _committed(
    checkout: Checkout, project: Project, scope: str | None, folder: Path
) -> tuple[Tree, Project, str | None]:
    """Return a commit's files, and the project as the commit has it; its addresses count from the checkout."""
    from dataflow.repository.commit import tree_of_commit

    tree = tree_of_commit(checkout)
    below = Path(os.path.relpath(folder.resolve(), checkout.root)).as_posix()
    nearest = project_of(tree, below)
    if nearest is not None and (scope is None or len(nearest) > len(scope)):  # the disk lacks it, as in a sparse clone
        scope = nearest
        project = replace(project, file=checkout.root / scope / FILE_NAME)
    if scope is None or project.file is None:
        return tree, project, scope
    file = tree.root / scope / FILE_NAME
    tree.require(file)
    committed = read_project(file)
    return tree, replace(committed, file=project.file, id=committed.id or project.id), scope


def _require_unique_ids(found: Mapping[str, PackageFacts]) -> None:
    seen: dict[str, str] = {}
    for facts in found.values():
        for file, id_ in facts.workflows.items():
            first = seen.setdefault(id_, file)
            if first != file:
                raise UsageError(
                    f"{first} and {file} both have the id '{id_}', which has to be unique in an environment",
                    "generate one of them with another --workflow-shortname, or change its identity.yaml",
                )
