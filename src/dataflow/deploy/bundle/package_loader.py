"""The definitions of a package: loaded as a run would load them, with all that they call, and their identities."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.deploy.bundle.asset_collector import AssetCollector, program_specs
from dataflow.deploy.bundle.manifest import PackageIdentity
from dataflow.errors import DefinitionError, Problem, UsageError, display_path
from dataflow.workflow.identity import FILE_NAME

if TYPE_CHECKING:
    from dataflow.assets.discover import Repository
    from dataflow.deploy.bundle.packages import PackageFolder
    from dataflow.deploy.targets import Target
    from dataflow.workflow.identity import Identity
    from dataflow.workflow.resolved import Workflow
    from dataflow.workflow.yamlfile import YamlFile


@dataclass(frozen=True)
class DefinitionFile:
    """A definition file.

    Attributes:
        name: Its name below the root.
        file: Its contents.
        given: Names of the parameters that its callers give it.
    """

    name: str
    file: YamlFile
    given: frozenset[str]

    @property
    def folder(self) -> str:
        """The folder of its package."""
        return os.path.dirname(self.name) or "."  # noqa: PTH120


@dataclass
class PackageLoader:
    """Reads the definitions of one package.

    Attributes:
        repository: The repository that it is in.
        target: Where it is deployed to.
        folder: The package.
        assets: Collects what the definitions refer to.
        identities: The packages met so far, by folder: its own, and those of definitions that it calls.
    """

    repository: Repository
    target: Target
    folder: PackageFolder
    assets: AssetCollector
    identities: dict[str, PackageIdentity] = field(default_factory=dict)

    def workflows(self) -> dict[str, Workflow]:
        """Load every definition of the package as a run would, by name.

        Raises:
            DefinitionError: There are mistakes in them: all of them.
        """
        from dataflow.workflow.load import Request, load_workflow

        found: dict[str, Workflow] = {}
        problems: list[Problem] = []
        for name in self.folder.definitions:
            user = self.user(self.identity(self.folder.path))
            request = Request(environment=self.target.environment, user=user, reference=self.assets.pointer)
            try:
                found[name] = load_workflow(self.repository.root / name, request)
            except DefinitionError as error:
                problems += self._explained(name, error.problems)
        if problems:
            raise DefinitionError(problems)
        return found

    def definitions(self) -> list[DefinitionFile]:
        """Return the definitions of the package and all that they call, by name."""
        from dataflow.workflow.render import given_by
        from dataflow.workflow.yamlfile import read_yaml

        files: dict[str, YamlFile] = {}
        given: dict[str, set[str]] = {}
        left = list(self.folder.definitions)
        while left:
            name = left.pop(0)
            if name in files:
                continue
            files[name] = read_yaml(self.repository.root / name)
            given.setdefault(name, set())
            for called, names in given_by(files[name]).items():
                inner = self.assets.relative(self.repository.root / name, called)
                given.setdefault(inner, set()).update(names)
                left.append(inner)
        self.assets.read |= files.keys()
        return [DefinitionFile(name, file, frozenset(given[name])) for name, file in sorted(files.items())]

    def identity(self, folder: str) -> Identity:
        """Return the identity of the package in a folder.

        Raises:
            UsageError: Its owner would depend on who deploys it.
        """
        from dataflow.workflow.project import read_identity

        if folder not in self.identities:
            path = self.repository.root / folder
            identity = read_identity(path)
            if not identity.pinned and not self.target.isolated:
                raise UsageError(
                    f"{display_path(path)} has no {FILE_NAME}, so its owner would be whoever deploys it",
                    "`dataflow sample workflow` writes one; or write owner, package_id and uuid into it, and commit it",
                )
            self.assets.read.add(f"{folder}/{FILE_NAME}" if folder != "." else FILE_NAME)
            self.identities[folder] = PackageIdentity(id=identity.package_id, uuid=identity.uuid, owner=identity.owner)
        return self.identities[folder].identity()

    def user(self, identity: Identity) -> str:
        """Return who `${dataflow.user}` is: the package's owner in a shared environment, which CI may deploy to."""
        return self.target.user or identity.owner

    def _explained(self, name: str, problems: Sequence[Problem]) -> Iterator[Problem]:
        """Yield problems; a script that is on the disk and not in git is explained."""
        from dataflow.workflow.yamlfile import read_yaml, unreadable

        paths = []
        for file in {self.repository.root / name, *(it.file for it in problems)}:
            with contextlib.suppress(DefinitionError):
                if file.is_file():
                    data = read_yaml(file).data
                    specs = [(spec, key) for key in ("script", "file") for spec in program_specs(data, key)]
                    paths += [file.parent / str(spec[key]) for spec, key in specs]
        missing = {unreadable(path): path for path in paths if not path.exists()}
        for problem in problems:
            if (path := missing.get(problem.message)) is None:
                yield problem
                continue
            try:
                self.repository.tree.require(Path(os.path.normpath(path)))
                yield problem
            except UsageError as error:
                yield replace(problem, message=error.message)
