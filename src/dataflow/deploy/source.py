"""A repository as it is about to be deployed: the checkout, what it holds, where it goes, and what runs there now."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.deploy.bundle import digest
from dataflow.deploy.hashes import Hashes
from dataflow.deploy.package import Prepared, find_packages
from dataflow.deploy.prepare import Preparation
from dataflow.deploy.targets import Target, target_of
from dataflow.errors import DefinitionError, UsageError, display_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow.assets.discover import Asset, Repository
    from dataflow.assets.git import Checkout
    from dataflow.assets.inputs import Inputs
    from dataflow.assets.publish import Pin
    from dataflow.assets.registry import Registry
    from dataflow.workflow.project import Project


@dataclass
class Source:
    """A repository and its target.

    Attributes:
        checkout: What git knows of it.
        project: What its `dataflow.yaml` says.
        target: Where it is deployed to.
        registry: Where builds and deployments are kept.
        hashes: Checksums of its files.
    """

    checkout: Checkout
    project: Project
    target: Target
    registry: Registry
    hashes: Hashes = field(default_factory=Hashes)

    @property
    def root(self) -> Path:
        """The top of the repository."""
        return self.checkout.root

    @property
    def name(self) -> str:
        """The repository, as ids and deployments name it."""
        return f"{self.checkout.owner}/{self.checkout.repo}"

    def key(self, path: str) -> str:
        """Return the name of a package among those of an environment."""
        return f"{self.name}:{path}"

    @cached_property
    def repository(self) -> Repository:
        """What it holds."""
        from dataflow.assets.discover import discover

        return discover(self.root, self.checkout.repo)

    def prepared(self, progress: Callable[[int, int], None] = lambda _done, _all: None) -> dict[str, Prepared]:
        """Return all its packages by key, ready to be deployed.

        Args:
            progress: Told how many of how many are done.

        Raises:
            DefinitionError: There are mistakes: all of them.
            UsageError: There is no package, or two workflows have one id.
        """
        folders = find_packages(self.root)
        if not folders:
            raise UsageError(
                f"{display_path(self.root)} holds no workflow", "`dataflow sample workflow spark-sql ./NAME` makes one"
            )
        preparation = Preparation(self.repository, self.target, self.hashes)
        found = {}
        for number, folder in enumerate(folders):
            progress(number, len(folders))
            prepared = preparation.prepare(folder)
            if prepared is not None:
                found[self.key(folder.path)] = prepared
        if preparation.problems:
            raise DefinitionError(preparation.problems)
        _refuse_twins(found)
        return found

    def inputs(self, prepared: Prepared) -> str:
        """Return the hash of all that a package's bundle is made of.

        Raises:
            DataflowError: A reference means nothing, or a build tool is missing.
        """
        about = prepared.model_dump(mode="json", exclude_defaults=True, exclude={"doubts"})
        assets = [self.built(it.type, it.namespace) for it in prepared.builds]
        builds = [[it.type, it.namespace, self.inputs_of(it).sha256] for it in assets]
        pins = [[name, self.pin(name).sha256] for name in prepared.references]
        return digest([about, builds, pins])

    def built(self, kind: str, namespace: str) -> Asset:
        """Return the asset of the repository that has this type and name."""
        return next(it for it in self.repository.assets if (it.type, it.namespace) == (kind, namespace))

    def inputs_of(self, asset: Asset) -> Inputs:
        """Return what an asset is made of; it is read once."""
        if asset not in self._inputs:
            from dataflow.assets.inputs import read_inputs

            self._inputs[asset] = read_inputs(asset, self._tools)
        return self._inputs[asset]

    def pin(self, reference: str) -> Pin:
        """Return what the name of an asset of another repository, branch or build stands for now.

        Raises:
            DataflowError: There is none.
        """
        if reference not in self._pins:
            from dataflow.assets.references import References

            found = References(self.registry, self.checkout, unclean=self.target.sandbox)
            self._pins[reference] = found.resolve(reference)
        return self._pins[reference]

    def pinned(self, prepared: Prepared) -> dict[str, Pin]:
        """Return the assets of a package whose build is known already, by the names that its texts have for them."""
        from dataflow.assets.ids import escape
        from dataflow.assets.publish import published

        found = {name: self.pin(name) for name in prepared.references}
        assets = [self.built(it.type, it.namespace) for it in prepared.builds]
        assets += [it for path in prepared.raw if (it := self.repository.asset(self.root / path))]
        for asset in assets:
            pin = published(self.registry, asset, self.checkout, self.inputs_of(asset))
            if pin is not None:
                found[f"dataflow.{asset.type}.{escape(asset.namespace)}"] = pin
        return found

    def __post_init__(self) -> None:
        from dataflow.assets.inputs import Toolchain

        self._tools = Toolchain()
        self._inputs: dict[Asset, Inputs] = {}
        self._pins: dict[str, Pin] = {}


def open_source(folder: Path, *, sandbox: bool = False) -> Source:
    """Look at the repository that a folder is in.

    Args:
        folder: Any folder of it.
        sandbox: Deploy to the user's sandbox, whatever the branch.

    Raises:
        UsageError: It can't be deployed from here.
        DefinitionError: `dataflow.yaml` has mistakes.
    """
    from dataflow.assets.git import read_checkout
    from dataflow.assets.registry import open_registry
    from dataflow.workflow.project import find_project

    project = find_project(folder)
    checkout = read_checkout(project.file.parent if project.file else folder)
    return Source(checkout, project, target_of(checkout, project, sandbox=sandbox), open_registry(project))


def _refuse_twins(found: dict[str, Prepared]) -> None:
    seen: dict[str, str] = {}
    for prepared in found.values():
        for file, workflow in prepared.workflows.items():
            first = seen.setdefault(workflow.id, file)
            if first != file:
                raise UsageError(
                    f"{first} and {file} are both called '{workflow.id}', and ids are unique in an environment",
                    "generate one of them with another --workflow-shortname, or change its identity.yaml",
                )
