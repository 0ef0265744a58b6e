"""A package ready to be deployed: rendered, its files and assets known; nothing is built or pinned yet."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from dataflow.deploy.bundle import BundleModel, EnvironmentSettings, PackageIdentity, RenderedWorkflow
from dataflow.tables.schema.recorded_schema import RecordedSchema


class AssetBuild(BundleModel):
    """An asset of this repository that is built: a jar or a wheel."""

    type: Literal["jar", "wheel"]
    namespace: str


class PreparedPackage(BundleModel):
    """A package, rendered.

    Attributes:
        path: Its folder in the repository.
        packages: Its identity, and those of packages whose definitions it calls, by folder.
        environment: Where it will run.
        workflows: Its definitions, by file; assets stand as `asset:<name>`, not pinned yet.
        raw: Files that are assets themselves, with checksums.
        files: Further files beside them, with checksums.
        builds: Assets of this repository that are to be built.
        references: Names of assets of other repositories, branches or builds.
        schemas: The tables that it makes.
        script_problems: Problems of its scripts, by definition; not a part of what is deployed.
        errors: What can't run at all: conflict markers and syntax errors in files that would be deployed.
        missing_imports: What scripts import and the repository does not contain, by the name that it would have there.
        unchecked_r_scripts: Number of R scripts that were not checked because R is not installed.
    """

    NOT_DEPLOYED: ClassVar = {"script_problems", "errors", "missing_imports", "unchecked_r_scripts"}
    """Fields that say something about the files, and are not a part of what is deployed."""

    path: str
    packages: dict[str, PackageIdentity]
    environment: EnvironmentSettings
    user: str
    workflows: dict[str, RenderedWorkflow]
    raw: dict[str, str] = Field({})
    files: dict[str, str] = Field({})
    builds: tuple[AssetBuild, ...] = ()
    references: tuple[str, ...] = ()
    schemas: dict[str, RecordedSchema] = Field({})
    script_problems: dict[str, tuple[str, ...]] = Field({})
    errors: tuple[str, ...] = ()
    missing_imports: tuple[str, ...] = ()
    unchecked_r_scripts: int = 0

    @property
    def package(self) -> PackageIdentity:
        """Its identity."""
        return self.packages[self.path]

    @property
    def own_workflows(self) -> dict[str, RenderedWorkflow]:
        """The definitions of its own package, by file: not those of others that they call."""
        return {file: it for file, it in self.workflows.items() if PurePosixPath(file).parent.as_posix() == self.path}
