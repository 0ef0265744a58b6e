"""Preparing packages for deployment: loaded, rendered, their files and assets collected, and kept in a cache.

Nothing is built, and the registry is not read. The result is kept in the Dataflow home under a hash of the package's
files, and what is compared of all of them in one index: of a thousand packages only those that changed are read.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

import dataflow
from dataflow.deploy.bundle.asset_collector import R_PROJECT, AssetCollector
from dataflow.deploy.bundle.file_hashes import FileHashCache, read_cached, write_cached
from dataflow.deploy.bundle.manifest import BundleModel, digest, environment_settings
from dataflow.deploy.bundle.package_index import PackageFacts, PackageIndex
from dataflow.deploy.bundle.package_loader import PackageLoader
from dataflow.deploy.bundle.package_renderer import PackageRenderer
from dataflow.deploy.bundle.prepared_package import PreparedPackage
from dataflow.deploy.bundle.script_checks import conflict_markers, r_program
from dataflow.deploy.bundle.script_dependencies import files_beside
from dataflow.errors import DefinitionError, Problem, UsageError

if TYPE_CHECKING:
    from dataflow.assets.discover import Repository
    from dataflow.deploy.bundle.packages import PackageFolder
    from dataflow.deploy.targets import Target

T = TypeVar("T")


class _CachedPackage(BundleModel):
    """A prepared package as it is cached, with the checksums of files elsewhere that it was made of."""

    prepared: PreparedPackage
    elsewhere: dict[str, str | None]


@dataclass
class PackagePreparer:
    """Prepares the packages of one repository for one target.

    Attributes:
        repository: What it holds.
        target: Where it is deployed to.
        hashes: Checksums of its files.
        problems: The mistakes found, in all packages.
    """

    repository: Repository
    target: Target
    hashes: FileHashCache
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        target = self.target
        settings = {
            "dataflow": _code_version(),
            "settings": environment_settings(target.environment, target.environment.params).model_dump(mode="json"),
            "user": target.user,
            "holes": sorted(self.repository.tree.holes.items()),
            "assets": sorted((it.type, it.namespace) for it in self.repository.assets if it.builder != "raw"),
            "r": r_program() is not None,
        }
        self._settings = digest(settings)
        self._folders: dict[str, PackageFolder] = {}

    def index(self, scope: str | None) -> PackageIndex:
        """Return the index of a project's packages: another one for each target, and for each version of this code."""
        tree = self.repository.tree
        return PackageIndex(digest([self._settings, str(tree.checkout or tree.root), scope]))

    def facts(self, folder: PackageFolder, index: PackageIndex) -> PackageFacts | None:
        """Return what is compared of a package; None when it has mistakes, which are added to `problems`."""
        self._folders[folder.path] = folder
        found = index.known(folder.path, self._key(folder))
        if found is None or not self._are_unchanged(found.elsewhere):
            found = self._prepared(folder, PackageFacts.of)
        if found is not None:
            index.note(found)
        return found

    def load(self, facts: PackageFacts) -> PreparedPackage:
        """Return a package whose facts were looked at.

        Raises:
            DefinitionError: There are mistakes in it, as its files have changed meanwhile.
        """
        found = self.prepare(self._folders[facts.path])
        if found is None:
            raise DefinitionError(self.problems)
        return found

    def prepare(self, folder: PackageFolder) -> PreparedPackage | None:
        """Return a package as it would be deployed; None when it has mistakes, which are added to `problems`."""
        return self._prepared(folder, lambda _key, prepared, _elsewhere: prepared)

    def _prepared(
        self, folder: PackageFolder, make: Callable[[str, PreparedPackage, Mapping[str, str | None]], T]
    ) -> T | None:
        """Return what is made of a package, its key, and the checksums of what else it was prepared from."""
        key = self._key(folder)
        cached = read_cached("prepared", key, _CachedPackage)
        if cached is not None and self._are_unchanged(cached.elsewhere):
            return make(key, cached.prepared, cached.elsewhere)
        try:
            prepared, read = self._prepare_with_files(folder)
        except DefinitionError as error:
            self.problems += error.problems
            return None
        elsewhere = {name: self._checksum(name) for name in sorted(read - set(folder.files))}
        write_cached("prepared", key, _CachedPackage(prepared=prepared, elsewhere=elsewhere))
        return make(key, prepared, elsewhere)

    def _key(self, folder: PackageFolder) -> str:
        own = {name: self._checksum(name) for name in folder.files}
        return digest([self._settings, folder.path, own])

    def _are_unchanged(self, elsewhere: Mapping[str, str | None]) -> bool:
        return all(self._checksum(name) == was for name, was in elsewhere.items())

    def _prepare_with_files(self, folder: PackageFolder) -> tuple[PreparedPackage, set[str]]:
        """Prepare a package from its own files, and from all of the repository's where those are not enough."""
        tree = self.repository.tree
        for above in PurePosixPath(folder.path).parents:  # where R looks for its project
            for name in R_PROJECT:
                tree.fill(tree.root / above / name)
        tree.fill(tree.root / folder.path)
        while True:
            is_complete = tree.on_fill is None
            try:
                return self._prepare(folder)
            except UsageError:
                if is_complete:
                    raise
            tree.fill()

    def _prepare(self, folder: PackageFolder) -> tuple[PreparedPackage, set[str]]:
        """Return a package as it would be deployed, and the files that were read for it.

        Raises:
            DefinitionError: There are mistakes in it: all of them.
        """
        from dataflow.workflow.render import known_params

        assets = AssetCollector(self.repository, self.hashes, folder.path)
        loader = PackageLoader(self.repository, self.target, folder, assets)
        renderer = PackageRenderer(self.target, loader, assets)
        loaded = loader.workflows()
        workflows = {it.name: renderer.render(it, loaded.get(it.name)) for it in loader.definitions()}
        if renderer.problems:
            raise DefinitionError(renderer.problems)
        identity = loader.identity(folder.path)
        params = known_params(renderer.fixed(identity))
        errors = {*renderer.errors, *assets.errors()}
        errors.update(*(conflict_markers(self.repository.root / name) for name in folder.files))
        prepared = PreparedPackage(
            path=folder.path,
            packages=dict(sorted(loader.identities.items())),
            environment=environment_settings(self.target.environment, params),
            user=loader.user(identity),
            workflows=workflows,
            raw=dict(sorted(assets.raw.items())),
            files={name: sha for name, sha in sorted(assets.files.items()) if name not in assets.raw},
            builds=tuple(sorted(assets.builds, key=lambda it: (it.type, it.namespace))),
            references=tuple(sorted(assets.references)),
            schemas=dict(sorted(renderer.schemas.items())),
            script_problems=renderer.script_problems,
            errors=tuple(map(str, sorted(errors))),
            missing_imports=tuple(sorted(assets.missing_imports)),
            unchecked_r_scripts=0 if r_program() else len(assets.r_scripts),
        )
        return prepared, assets.read

    def _checksum(self, name: str) -> str | None:
        """Return the checksum of a file; of a folder, whose name ends in a `/`, that of its files' names."""
        tree, root = self.repository.tree, self.repository.root
        if name.endswith("/"):
            return digest(files_beside(tree, root / name))
        if tree.marks:
            return tree.marks.get(name)
        path = root / name
        return self.hashes.of(path) if path.is_file() else None


@functools.cache
def _code_version() -> list[str]:
    """Return what identifies this version of Dataflow, a changed checkout of it included: it may render otherwise."""
    top = Path(dataflow.__file__).parent
    rooms = ("assets", "build", "deploy", "lineage", "repository", "runner", "tables", "workflow")
    files = (path for room in rooms for path in (top / room).rglob("*.py"))
    return [dataflow.__version__, *sorted(f"{path.name} {path.stat().st_mtime_ns}" for path in files)]
