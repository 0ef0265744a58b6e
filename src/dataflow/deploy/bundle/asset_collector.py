"""The files and assets of a bundle: what a package's definitions run, and the files that those need beside them.

What a bundle contains is decided here; `script_dependencies` finds what a single script depends on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dataflow.deploy.bundle.manifest import UNPINNED
from dataflow.deploy.bundle.prepared_package import AssetBuild
from dataflow.deploy.bundle.references import own_asset
from dataflow.deploy.bundle.script_checks import file_errors, r_syntax_errors
from dataflow.deploy.bundle.script_dependencies import LEFT_BEHIND, files_beside, missing_imports, needed_files
from dataflow.errors import Problem, UsageError, display_path
from dataflow.workflow.parameters import POINTER
from dataflow.workflow.program_kind import Kind, program_kind

if TYPE_CHECKING:
    from dataflow.assets.discover import Repository
    from dataflow.deploy.bundle.file_hashes import FileHashCache
    from dataflow.workflow.yamlfile import YamlFile

R_PROJECT = (".Rprofile", "DESCRIPTION", "renv.lock", "renv/activate.R", "renv/settings.json")


class AssetCollector:
    """Collects the files and assets of one package.

    Each file is required of the tree, checked, and given its checksum.

    Attributes:
        read: Files that were read, whether or not they are deployed; folders end in a `/`.
        raw: Files that are assets themselves, with checksums.
        files: Further files, with checksums.
        builds: Assets of this repository that are to be built.
        references: Names of assets of other repositories, branches or builds.
        missing_imports: What is imported and is not a file of the tree, by the name that it would have there.
    """

    def __init__(self, repository: Repository, hashes: FileHashCache, package: str) -> None:
        """Prepare; nothing is collected yet.

        Args:
            repository: The repository that the package is in.
            hashes: Checksums of its files.
            package: The package's folder, for messages.
        """
        self.read: set[str] = set()
        self.raw: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.builds: set[AssetBuild] = set()
        self.references: set[str] = set()
        self.missing_imports: set[str] = set()
        self._repository = repository
        self._root = repository.root
        self._tree = repository.tree
        self._hashes = hashes
        self._package = package
        self._errors: set[Problem] = set()

    @property
    def r_scripts(self) -> list[Path]:
        """The R scripts among them."""
        return [self._root / name for name in self.raw if name.endswith(".R")]

    def errors(self) -> set[Problem]:
        """Return what can't run at all: conflict markers, and syntax errors."""
        return self._errors | set(r_syntax_errors(self.r_scripts))

    def collect(self, file: YamlFile, data: Any, name: str) -> Iterator[Problem]:
        """Collect what a definition runs; a script that is built is replaced by the name of its asset.

        Args:
            file: The definition.
            data: Its rendered data, which is changed in place.
            name: Its name below the root.

        Yields:
            A problem for each script whose name is not known when it is deployed.
        """
        for spec in program_specs(data):
            script = str(spec["script"])
            if "${" in script:
                place = next(it for route, it in file.values.items() if route[-1:] == ("script",))
                yield place.problem(f"'{script}' has to be known when it is deployed")
            elif not script.startswith(POINTER):
                spec["script"] = self._add_program(self._root / os.path.dirname(name) / script, script)  # noqa: PTH120

    def pointer(self, reference: str) -> str:
        """Add the asset that a reference names, and return what the reference is rendered to."""
        from dataflow.assets.ids import escape

        reference = re.sub(r"^dataflow\.egg\.", "dataflow.wheel.", reference)
        own = own_asset(self._repository, reference)
        if own is None:
            self.references.add(reference)
            return f"{POINTER}{reference}{UNPINNED}"
        if own.type in ("jar", "wheel"):
            return self._add_build(own.type, own.namespace)
        self._add_file(own.path, self.raw)
        return f"{POINTER}dataflow.{own.type}.{escape(own.namespace)}{UNPINNED}"

    def relative(self, of: Path, name: str) -> str:
        """Return the name of a file below the root, given the name that another file has for it.

        Raises:
            UsageError: It lies outside.
        """
        path = Path(os.path.normpath(of.parent / name))
        if not path.is_relative_to(self._root):
            raise UsageError(
                f"{display_path(path)} lies outside the repository, so it can't be deployed with {self._package}",
                "copy it into the repository, or refer to an asset: ${dataflow.…}",
            )
        return path.relative_to(self._root).as_posix()

    def _add_program(self, path: Path, script: str) -> str:
        path = Path(os.path.normpath(path))
        kind = program_kind(path)
        if kind is Kind.JAR:
            asset = self._repository.asset(path)
            if asset is not None and asset.type == "jar":
                return self._add_build("jar", asset.namespace)
            self._add_file(path, self.files)
            return script
        self._add_file(path, self.raw)
        if kind in {Kind.PYTHON, Kind.R}:
            self._add_dependencies(path)
        if kind is Kind.R:
            self._add_r_project(path)
        if kind is Kind.PYTHON:
            self._add_surrounding_wheel(path)
        return script

    def _add_dependencies(self, script: Path) -> None:
        """Add what a Python or R script may import, source or read: all files beside it and below.

        Tests and mocks are left out, unless a file that is deployed names them.
        """
        base = script.parent
        self.read.add(f"{self.relative(script, '.')}/")
        files = files_beside(self._tree, base)
        needed = needed_files(base, script.name, files)
        self._tree.require_whole(base, but=tuple(it for it in LEFT_BEHIND if f"{it}/" not in needed))
        for name in files:
            if name in needed:
                path = base / name
                self._add_file(path, self.raw if path.suffix in {".py", ".R", ".sql"} else self.files)
        prefix = "" if base == self._root else f"{base.relative_to(self._root).as_posix()}/"
        self.missing_imports.update(f"{prefix}{it}" for it in missing_imports(base, files, needed))

    def _add_r_project(self, script: Path) -> None:
        from dataflow.jobs.spark.r_script import project_of

        top = project_of(script)
        for name in R_PROJECT if top.is_relative_to(self._root) else ():
            if (file := top / name).is_file():
                self._add_file(file, self.files)

    def _add_surrounding_wheel(self, script: Path) -> None:
        wheels = {it.folder: it for it in self._repository.assets if it.type == "wheel"}
        found = next((wheels[it] for it in script.parents if it in wheels), None)
        if found is not None:
            self.builds.add(AssetBuild(type="wheel", namespace=found.namespace))

    def _add_build(self, kind: Literal["jar", "wheel"], namespace: str) -> str:
        from dataflow.assets.ids import escape

        self.builds.add(AssetBuild(type=kind, namespace=namespace))
        return f"{POINTER}dataflow.{kind}.{escape(namespace)}{UNPINNED}"

    def _add_file(self, path: Path, to: dict[str, str]) -> None:
        name = self.relative(path.parent / "_", path.name)
        if self._tree.require(path):
            self._hashes.forget(path)
        if name not in self.read:
            self._errors.update(file_errors(path))
        self.read.add(name)
        if any("\ud800" <= it <= "\udfff" for it in name):  # bytes that are not UTF-8
            shown = name.encode("utf-8", "backslashreplace").decode()
            raise UsageError(f"the name of {shown} is not text, so it can't be deployed", "rename it")
        to[name] = self._hashes.of(path)


def program_specs(data: Any, named: str = "script") -> Iterator[dict[str, Any]]:
    """Yield the mappings of a definition that name a script, or another definition."""
    if isinstance(data, dict):
        if isinstance(data.get(named), str):
            yield data
        for key, value in data.items():
            if key != "params":
                yield from program_specs(value, named)
    elif isinstance(data, list):
        for item in data:
            yield from program_specs(item, named)
