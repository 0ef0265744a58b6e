"""What a package's definitions run, and the files that go along: each is required, checked and given its checksum."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dataflow.deploy.bundle import UNPINNED
from dataflow.deploy.imports import LEFT_BEHIND, files_beside, missing_imports, needed_files
from dataflow.deploy.package import AssetBuild, own_asset
from dataflow.deploy.script_checks import file_errors, r_syntax_errors
from dataflow.errors import Problem, UsageError, display_path
from dataflow.workflow.parameters import POINTER
from dataflow.workflow.program_kind import Kind, program_kind

if TYPE_CHECKING:
    from dataflow.assets.discover import Repository
    from dataflow.deploy.file_hashes import FileHashCache
    from dataflow.workflow.yamlfile import YamlFile

R_PROJECT = (".Rprofile", "DESCRIPTION", "renv.lock", "renv/activate.R", "renv/settings.json")


class AssetCollector:
    """What is taken along.

    Attributes:
        touched: Files that were read, whether or not they are taken; folders end in a `/`.
        raw: Files that are assets themselves, with checksums.
        files: Further files, with checksums.
        builds: Assets of this repository that are to be built.
        references: Names of assets of other repositories, branches or builds.
        unmet: What is imported and is no file of the tree, by the name that it would have there.
    """

    def __init__(self, repository: Repository, hashes: FileHashCache, package: str, touched: set[str]) -> None:
        self.repository = repository
        self.root = repository.root
        self.tree = repository.tree
        self.hashes = hashes
        self.package = package
        self.touched = touched
        self.raw: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.builds: set[AssetBuild] = set()
        self.references: set[str] = set()
        self.unmet: set[str] = set()
        self._mistakes: set[Problem] = set()

    @property
    def r_scripts(self) -> list[Path]:
        """The R scripts among them."""
        return [self.root / name for name in self.raw if name.endswith(".R")]

    def mistakes(self) -> set[Problem]:
        """Return what can't be run at all: conflict markers, and mistakes of syntax."""
        return self._mistakes | set(r_syntax_errors(self.r_scripts))

    def gather(self, file: YamlFile, data: Any, name: str) -> Iterator[Problem]:
        """Take what a definition runs, and name the build that a script stands for in its place.

        Args:
            file: The definition.
            data: What is rendered of it.
            name: Its name below the root.
        """
        for spec in program_specs(data):
            script = str(spec["script"])
            if "${" in script:
                place = next(it for route, it in file.values.items() if route[-1:] == ("script",))
                yield place.problem(f"'{script}' should be known when it is deployed")
            elif not script.startswith(POINTER):
                spec["script"] = self._program(self.root / os.path.dirname(name) / script, script)  # noqa: PTH120

    def _program(self, path: Path, script: str) -> str:
        path = Path(os.path.normpath(path))
        kind = program_kind(path)
        if kind is Kind.JAR:
            asset = self.repository.asset(path)
            if asset is not None and asset.type == "jar":
                return self._build("jar", asset.namespace)
            self._add(path, self.files)
            return script
        self._add(path, self.raw)
        if kind in {Kind.PYTHON, Kind.R}:
            self._neighbours(path)
        if kind is Kind.PYTHON:
            self._wheel_around(path)
        return script

    def _neighbours(self, script: Path) -> None:
        """Take along what a Python or R script may import, source or read: all beside it and below.

        Tests and mocks stay behind, unless something that is taken along names them.
        """
        base = script.parent
        self.touched.add(f"{self.relative(script, '.')}/")
        files = files_beside(self.tree, base)
        needed = needed_files(base, script.name, files)
        self.tree.require_whole(base, but=tuple(it for it in LEFT_BEHIND if f"{it}/" not in needed))
        for name in files:
            if name in needed:
                path = base / name
                self._add(path, self.raw if path.suffix in {".py", ".R", ".sql"} else self.files)
        prefix = "" if base == self.root else f"{base.relative_to(self.root).as_posix()}/"
        self.unmet.update(f"{prefix}{it}" for it in missing_imports(base, files, needed))
        if script.suffix == ".R":
            from dataflow.jobs.spark.r_script import project_of

            top = project_of(script)
            for name in R_PROJECT if top.is_relative_to(self.root) else ():
                if (file := top / name).is_file():
                    self._add(file, self.files)

    def _wheel_around(self, script: Path) -> None:
        wheels = {it.folder: it for it in self.repository.assets if it.type == "wheel"}
        found = next((wheels[it] for it in script.parents if it in wheels), None)
        if found is not None:
            self.builds.add(AssetBuild(type="wheel", namespace=found.namespace))

    def _build(self, kind: Literal["jar", "wheel"], namespace: str) -> str:
        from dataflow.assets.ids import escape

        self.builds.add(AssetBuild(type=kind, namespace=namespace))
        return f"{POINTER}dataflow.{kind}.{escape(namespace)}{UNPINNED}"

    def pointer(self, reference: str) -> str:
        """Return what the name of an asset is rendered to; of this repository's it is found out how to make it."""
        from dataflow.assets.ids import escape

        reference = re.sub(r"^dataflow\.egg\.", "dataflow.wheel.", reference)
        own = own_asset(self.repository, reference)
        if own is None:
            self.references.add(reference)
            return f"{POINTER}{reference}{UNPINNED}"
        if own.type in ("jar", "wheel"):
            return self._build(own.type, own.namespace)
        self._add(own.path, self.raw)
        return f"{POINTER}dataflow.{own.type}.{escape(own.namespace)}{UNPINNED}"

    def _add(self, path: Path, to: dict[str, str]) -> None:
        name = self.relative(path.parent / "_", path.name)
        if self.tree.require(path):
            self.hashes.forget(path)
        if name not in self.touched:
            self._mistakes.update(file_errors(path))
        self.touched.add(name)
        if any("\ud800" <= it <= "\udfff" for it in name):  # bytes that are no UTF-8
            shown = name.encode("utf-8", "backslashreplace").decode()
            raise UsageError(f"the name of {shown} is not text, so it can't be deployed", "rename it")
        to[name] = self.hashes.of(path)

    def relative(self, of: Path, name: str) -> str:
        """Return what a file is called below the root, by the name that another file has for it.

        Raises:
            UsageError: It lies outside.
        """
        path = Path(os.path.normpath(of.parent / name))
        if not path.is_relative_to(self.root):
            raise UsageError(
                f"{display_path(path)} lies outside the repository, so it can't be deployed with {self.package}",
                "copy it into the repository, or refer to an asset: ${dataflow.…}",
            )
        return path.relative_to(self.root).as_posix()


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
