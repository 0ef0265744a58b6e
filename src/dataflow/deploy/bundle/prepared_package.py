"""A package ready to be deployed: rendered, its files and assets known; nothing is built or pinned yet."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from dataflow.deploy.bundle.manifest import BundleModel, RenderedPackage


class AssetBuild(BundleModel):
    """An asset of this repository that is built: a jar or a wheel."""

    type: Literal["jar", "wheel"]
    namespace: str


class PreparedPackage(RenderedPackage):
    """A package ready to be deployed; its assets stand as `asset:<name>` in the workflows, not pinned yet.

    Attributes:
        raw: Files that are assets themselves, with checksums.
        builds: Assets of this repository that are to be built.
        references: Names of assets of other repositories, branches or builds.
        script_problems: Problems of its scripts, by definition; not a part of what is deployed.
        errors: What can't run at all: conflict markers and syntax errors in files that would be deployed.
        missing_imports: What scripts import and the repository does not contain, by the name that it would have there.
        unchecked_r_scripts: Number of R scripts that were not checked because R is not installed.
    """

    NOT_DEPLOYED: ClassVar = {"script_problems", "errors", "missing_imports", "unchecked_r_scripts"}
    """Fields that say something about the files, and are not a part of what is deployed."""

    raw: dict[str, str] = Field({})
    builds: tuple[AssetBuild, ...] = ()
    references: tuple[str, ...] = ()
    script_problems: dict[str, tuple[str, ...]] = Field({})
    errors: tuple[str, ...] = ()
    missing_imports: tuple[str, ...] = ()
    unchecked_r_scripts: int = 0
