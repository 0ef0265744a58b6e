"""What a repository holds: its assets, known by the files that build them, and its workflow definitions.

One walk finds them all, from names alone; of files, only build files are opened, and only to tell whether they
build anything.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dataflow.errors import UsageError, display_path
from dataflow.repository.tree import Tree, tree_of_disk
from dataflow.workflow.discovery import DEFINITION, package_of

if TYPE_CHECKING:
    from dataflow.assets.ids import AssetType

Builder = Literal["python", "gradle", "sbt", "maven", "raw"]
"""What makes an artifact of an asset; raw ones are their own."""

BUILD_FILES: Mapping[str, Builder] = {
    "pyproject.toml": "python",
    "setup.py": "python",
    "build.gradle": "gradle",
    "build.gradle.kts": "gradle",
    "build.sbt": "sbt",
    "pom.xml": "maven",
}
"""In a folder with several, the first of each builder counts."""

RAW: Mapping[str, AssetType] = {".sql": "sql", ".py": "py", ".R": "r"}
"""Files that a job runs as they are."""

PYTHON_TESTS = re.compile(r"test_.*\.py|.*_test\.py|conftest\.py")

_PROJECT = re.compile(r"^\s*\[(?:project|build-system|tool\.poetry)\]", re.M)
_AGGREGATOR = re.compile(r"<packaging>\s*pom\s*</packaging>")
_JVM: tuple[Builder, ...] = ("gradle", "sbt", "maven")
_ROOTS: Mapping[Builder, tuple[str, ...]] = {
    "gradle": ("settings.gradle", "settings.gradle.kts"),
    "sbt": ("project/build.properties",),
}
"""What makes a build file below another one of its kind the beginning of a build of its own."""


@dataclass(frozen=True, order=True)
class Asset:
    """Something that a job can be given to run.

    Attributes:
        type: What is made of it.
        namespace: Its name within the repository: its folder's, or its path where another has the same;
            a raw file's is its package's name and its path in it.
        path: Its build file, or the raw file itself.
        builder: What makes the artifact.
        root: Where the build begins, with parts that this one may need; the folder of `path` mostly.
    """

    type: AssetType
    namespace: str
    path: Path
    builder: Builder
    root: Path

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.path.parent


@dataclass(frozen=True)
class Repository:
    """What was found below a folder.

    Attributes:
        root: The folder.
        name: What the repository is called.
        tree: The files below it.
        assets: By type and namespace.
        workflows: The definition files.
    """

    root: Path
    name: str
    tree: Tree = field(repr=False, compare=False)
    assets: tuple[Asset, ...] = ()
    workflows: tuple[Path, ...] = ()
    _by_path: Mapping[Path, Asset] = field(default_factory=dict, repr=False, compare=False)

    def asset(self, path: Path) -> Asset | None:
        """Return the asset that a job's script stands for: a raw file, or a folder or file of a build.

        Args:
            path: A file or folder; one that no walk finds may be named all the same.
        """
        path = Path(os.path.normpath(path))
        if found := self._by_path.get(path):
            return found
        if path.suffix in RAW and (self.tree.has(path) or path.is_file()):
            return _raw(self.root, self.name, package_of(path.parent, self.root), path)
        # `script: ./` and `script: ./target/scala-2.13/a.jar` both stand for the build in the folder.
        is_folder = path.is_dir() or self.tree.has_folder(path)
        above = [path, *path.parents] if path.suffix == ".jar" or is_folder else []
        within = [it for it in above if it.is_relative_to(self.root)]
        return next((found for it in within if (found := self._by_path.get(it)) and found.type == "jar"), None)


def discover(root: Path, name: str | None = None, tree: Tree | None = None) -> Repository:
    """Find what a repository holds.

    Args:
        root: Its top folder.
        name: What it is called, which an asset at its top is called as well; the folder's name when omitted.
        tree: The files below it; those of the disk when omitted.

    Raises:
        UsageError: It is not a folder.
    """
    root = root.resolve()
    if not root.is_dir():
        raise UsageError(f"{display_path(root)} is not a folder")
    name = name or root.name
    tree = tree or tree_of_disk(root)
    found = _Walk(root, name, tree)
    for folder, folders, files in tree.walk():
        folders[:] = [it for it in folders if not it.startswith(".")]
        for it in BUILD_FILES.keys() & set(files):
            tree.fill(folder / it)
        found.visit(folder, folders, files)
    assets = tuple(sorted(_distinct(found.assets(), root, name)))
    by_path = {it.path if it.builder == "raw" else it.folder: it for it in assets}
    return Repository(root, name, tree, assets, tuple(found.workflows), by_path)


class _Walk:
    """Gathers what a walk comes by; a folder is visited after those above it."""

    def __init__(self, root: Path, name: str, tree: Tree) -> None:
        self.root = root
        self.name = name
        self.tree = tree
        self.workflows: list[Path] = []
        self._builds: dict[Builder, dict[Path, Path]] = {}  # folder -> build file
        self._raw: list[tuple[Path, Path]] = []
        self._packages: dict[Path, Path | None] = {}

    def visit(self, folder: Path, folders: list[str], files: list[str]) -> None:
        definitions = [folder / it for it in files if it.endswith(DEFINITION)]
        self.workflows += definitions
        package = folder if definitions else self._packages.get(folder.parent)
        self._packages[folder] = package
        names = set(files)
        for name, builder in BUILD_FILES.items():
            if name in names and _builds(folder / name):
                self._builds.setdefault(builder, {}).setdefault(folder, folder / name)
        if package is not None and not self._is_test(folder):
            self._raw += [(package, folder / it) for it in files if Path(it).suffix in RAW]
        if folder.name == "src" and self._is_jvm(folder):
            folders[:] = [it for it in folders if it != "test"]

    def assets(self) -> Iterator[Asset]:
        for builder, builds in self._builds.items():
            for folder, file in builds.items():
                root = self._build_root(builder, folder)
                if builder == "sbt" and root != folder:
                    continue  # a part of the build above, which makes the jar
                if builder in ("gradle", "maven") and self._is_aggregator(file, folder, builds):
                    continue
                namespace = self.name if folder == self.root else folder.name
                yield Asset("wheel" if builder == "python" else "jar", namespace, file, builder, root)
        for package, path in self._raw:
            if not (PYTHON_TESTS.fullmatch(path.name) or self._is_packed(package, path)):
                yield _raw(self.root, self.name, package, path)

    def _build_root(self, builder: Builder, folder: Path) -> Path:
        """Return the uppermost folder of the build that a folder is a part of."""
        builds = self._builds[builder]
        if builder == "python" or any(self.tree.has(folder / it) for it in _ROOTS.get(builder, ())):
            return folder
        above = next((it for it in folder.parents if it in builds), None)
        if above is None or not above.is_relative_to(self.root):
            settings = (it for it in (folder, *folder.parents) if it.is_relative_to(self.root))
            marks = _ROOTS.get(builder, ()) if builder == "gradle" else ()
            return next((it for it in settings if any(self.tree.has(it / mark) for mark in marks)), folder)
        return self._build_root(builder, above)

    def _is_packed(self, package: Path, path: Path) -> bool:
        """Say whether a Python file is a source of a wheel: of one within its package, not of one around it."""
        around = (it for it in (path.parent, *path.parent.parents) if it.is_relative_to(package))
        return path.suffix == ".py" and any(it in self._of("python") for it in around)

    def _is_jvm(self, folder: Path) -> bool:
        builds = [self._of(it) for it in _JVM]
        return any(it in found for found in builds for it in (folder, *folder.parents))

    def _is_aggregator(self, file: Path, folder: Path, builds: Mapping[Path, Path]) -> bool:
        """Say whether a build only holds others together."""
        if file.name == "pom.xml":
            return _AGGREGATOR.search(_text(file)) is not None
        return any(folder in it.parents for it in builds) and not self.tree.has(folder / "src" / "main")

    def _of(self, builder: Builder) -> Mapping[Path, Path]:
        return self._builds.get(builder, {})

    def _is_test(self, folder: Path) -> bool:
        return folder.parts[-2:] == ("tests", "testthat")


def _raw(root: Path, name: str, package: Path | None, path: Path) -> Asset:
    base = package or root
    called = name if base == root else base.name
    inside = Path(os.path.relpath(path, base)).with_suffix("").as_posix()
    return Asset(RAW[path.suffix], f"{called}/{inside}", path, "raw", path.parent)


def _distinct(assets: Iterable[Asset], root: Path, name: str) -> Iterator[Asset]:
    """Call those whose name another asset has too by their path."""
    every = list(assets)
    count = Counter((it.type, it.namespace) for it in every)
    for it in every:
        if count[it.type, it.namespace] == 1:
            yield it
            continue
        path = it.path.with_suffix("") if it.builder == "raw" else it.folder
        relative = path.relative_to(root).as_posix()
        yield replace(it, namespace=name if relative == "." else relative)


def _builds(file: Path) -> bool:
    """Say whether a build file builds something: a `pyproject.toml` may only hold the settings of tools."""
    return file.name != "pyproject.toml" or _PROJECT.search(_text(file)) is not None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
