"""What an asset is made of: its sources, its build files and the tools that build it, as one checksum.

Two builds of the same inputs are the same asset. So that this can't be wrong, a build sees a copy of just the files
that were hashed (`copy_to`). Nothing is remembered by size and time: to hash a source again takes no longer than to
ask the disk whether it changed, and is always right.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.assets.packed import packs
from dataflow.errors import DataflowError, display_path
from dataflow.files import sha256_of
from dataflow.repository.tree import Tree, tree_of_disk
from dataflow.spark.java import find_java

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset, Builder

_RULES = "3"
"""Of how things are built here: raised when the same sources are to make something else."""

_TESTS: Mapping[Builder, frozenset[str]] = {
    "python": frozenset({"tests", "test"}),  # beside the build file; a wheel has them in its package's own folder
    "gradle": frozenset({"src/test"}),
    "maven": frozenset({"src/test"}),
    "sbt": frozenset({"src/test"}),
    "raw": frozenset(),
}
_OF_TOOLS = frozenset({".circleci", ".git", ".github", ".gitlab", ".idea", ".vscode"})
"""Folders beside a build file that tell other tools what to do."""


@dataclass(frozen=True)
class Inputs:
    """What an asset is made of.

    Attributes:
        sha256: The checksum of all of it.
        toolchain: What builds it, by name: versions.
        root: The folder that the names of `files` begin at.
        files: Sources and build files, by their names below the root.
    """

    sha256: str
    toolchain: Mapping[str, str]
    root: Path
    files: tuple[str, ...] = field(repr=False)

    def copy_to(self, folder: Path) -> None:
        """Copy the files into an empty folder."""
        for name in self.files:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.root / name, target)


class Toolchain:
    """The versions of the tools that are here, each asked for once, and only when something is built by it."""

    def of(self, asset: Asset) -> dict[str, str]:
        """Return the versions that decide what becomes of an asset.

        Raises:
            DataflowError: A tool is missing.
        """
        if asset.builder == "raw":
            return {}
        if asset.builder == "python":
            return {"python": f"{sys.version_info[0]}.{sys.version_info[1]}", "pyspark": version("pyspark")}
        tools = {"java": self._java}
        if asset.builder in ("gradle", "maven"):
            from dataflow.assets.builders.jvm import tool_version

            tools[asset.builder] = tool_version(asset)
        return tools

    @cached_property
    def _java(self) -> str:
        return str(find_java().major)


def read_inputs(asset: Asset, tools: Toolchain | None = None, tree: Tree | None = None) -> Inputs:
    """Read what an asset is made of.

    Args:
        asset: Which.
        tools: Shared between the assets of a command.
        tree: The files of its repository; those of the disk when omitted.

    Raises:
        UsageError: A file has no content here.
        DataflowError: A file can't be read, or a tool is missing.
    """
    if tree is not None:
        tree.fill(asset.path if asset.builder == "raw" else asset.root)
    toolchain = (tools or Toolchain()).of(asset)
    root = asset.folder if asset.builder == "raw" else asset.root
    if asset.builder == "raw":
        files: tuple[str, ...] = (asset.path.name,)
        if tree is not None:
            tree.require(asset.path)
    else:
        files = tuple(_files(asset, tree or tree_of_disk(asset.root)))
    digest = hashlib.sha256(json.dumps([_RULES, asset.type, asset.builder, toolchain], sort_keys=True).encode())
    if asset.builder != "raw":  # which part of the build; what a raw file is called makes nothing else of it
        digest.update(f"\0{asset.folder.relative_to(root).as_posix()}\0".encode())
    for name in files:
        checksum, executable = _read(root / name)
        called = "" if asset.builder == "raw" else name
        digest.update(f"{called}\0{'x' * executable}\0{checksum}\n".encode())
    return Inputs(digest.hexdigest(), toolchain, root, files)


def _files(asset: Asset, tree: Tree) -> Iterator[str]:
    """Yield all that git has below an asset's root, but tests that are no part of what is built."""
    left_out = _TESTS[asset.builder]
    if asset.builder == "python":
        left_out = frozenset(it for it in left_out if not packs(asset.root, it))
    tree.require_whole(asset.root, but=(*left_out, *_OF_TOOLS))
    for folder, folders, files in tree.walk(asset.root, links=True):
        inside = folder.relative_to(asset.root).as_posix()
        if inside == ".":
            folders[:] = [it for it in folders if it not in _OF_TOOLS]
        if asset.builder == "python":
            if inside == ".":
                folders[:] = [it for it in folders if it not in left_out]
        elif folder.name == "src" and not _is_source(folder, asset.root):
            folders[:] = [it for it in folders if f"src/{it}" not in left_out]
        for name in files:
            if (folder / name).is_file():  # a link to nowhere is none
                tree.require(folder / name)
                yield name if inside == "." else f"{inside}/{name}"


def _is_source(folder: Path, root: Path) -> bool:
    """Say whether a folder is a package of sources, which may be called as a build's own folders are."""
    inside = folder.relative_to(root).as_posix()
    return "src/main/" in f"{inside}/"


def _read(path: Path) -> tuple[str, bool]:
    try:
        return sha256_of(path), bool(path.stat().st_mode & 0o100)
    except OSError as error:
        raise DataflowError(f"can't read {display_path(path)}: {error.strerror}") from None
