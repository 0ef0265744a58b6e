"""What a deployment compares of every package, in one file: of a thousand, only those that changed are read.

The index is kept in the Dataflow home beside the packages themselves. It says nothing that those don't: where it is
missing, or a package has changed, that one is read or prepared again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from pydantic import Field

from dataflow.deploy.bundle.file_hashes import read_cached, write_cached
from dataflow.deploy.bundle.manifest import BundleModel
from dataflow.deploy.bundle.prepared_package import AssetBuild, PreparedPackage

_KIND = "packages"


class PackageFacts(BundleModel):
    """What a deployment compares of a package.

    Attributes:
        key: What it was prepared from, as a hash.
        path: Its folder.
        elsewhere: Checksums of further files that it was made of.
        workflows: The ids of its definitions, and of those that they call, by file.
        builds: Assets of this repository that are to be built.
        references: Names of assets of elsewhere.
    """

    key: str
    path: str
    elsewhere: dict[str, str | None] = Field({})
    workflows: dict[str, str]
    builds: tuple[AssetBuild, ...] = ()
    references: tuple[str, ...] = ()

    @classmethod
    def of(cls, key: str, prepared: PreparedPackage, elsewhere: Mapping[str, str | None]) -> PackageFacts:
        """Return those of a prepared package."""
        return cls(
            key=key,
            path=prepared.path,
            elsewhere=dict(elsewhere),
            workflows={file: it.id for file, it in prepared.workflows.items()},
            builds=prepared.builds,
            references=prepared.references,
        )

    @property
    def own_ids(self) -> list[str]:
        """The ids of its own package's workflows."""
        return [id_ for file, id_ in self.workflows.items() if PurePosixPath(file).parent.as_posix() == self.path]


class Inputs(BundleModel):
    """The hash of all that a bundle is made of, of a package with certain facts.

    Attributes:
        assets: Its assets, as a hash.
        sha256: The hash.
    """

    assets: str
    sha256: str


class _Index(BundleModel):
    packages: dict[str, PackageFacts] = Field({})
    inputs: dict[str, Inputs] = Field({})


class PackageIndex:
    """The facts of a project's packages, by folder, as the last command left them.

    Args:
        name: What tells projects, targets and versions apart.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._before = read_cached(_KIND, name, _Index) or _Index()
        self._packages: dict[str, PackageFacts] = {}
        self._inputs: dict[str, Inputs] = {}

    def known(self, path: str, key: str) -> PackageFacts | None:
        """Return the facts of a package that was made of the same files; None where it was not."""
        found = self._before.packages.get(path)
        return found if found is not None and found.key == key else None

    def note(self, facts: PackageFacts) -> None:
        """Note the facts of a package."""
        self._packages[facts.path] = facts

    def inputs(self, facts: PackageFacts, assets: str, compute: Callable[[], str]) -> str:
        """Return the hash of all that a package's bundle is made of; computed where something of it is another."""
        is_known = self._before.packages.get(facts.path) == facts
        found = self._before.inputs.get(facts.path) if is_known else None
        if found is None or found.assets != assets:
            found = Inputs(assets=assets, sha256=compute())
        self._inputs[facts.path] = found
        return found.sha256

    def keep(self) -> None:
        """Keep what was noted, where it differs from what is kept."""
        now = _Index(packages=self._packages, inputs=self._inputs)
        if now != self._before:
            write_cached(_KIND, self._name, now)
            self._before = now


class PreparedPackages(Mapping[str, PreparedPackage]):
    """Packages ready to be deployed, by key; each is read when it is asked for, and once.

    Attributes:
        facts: What is compared of each.
        index: Keeps that.
    """

    def __init__(
        self, facts: Mapping[str, PackageFacts], index: PackageIndex, load: Callable[[PackageFacts], PreparedPackage]
    ) -> None:
        self.facts, self.index = facts, index
        self._load = load
        self._read: dict[str, PreparedPackage] = {}

    def __getitem__(self, key: str) -> PreparedPackage:
        """Return a package."""
        if key not in self._read:
            self._read[key] = self._load(self.facts[key])
        return self._read[key]

    def __iter__(self) -> Iterator[str]:
        """Yield their keys."""
        return iter(self.facts)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.facts)
