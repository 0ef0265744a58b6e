"""A lock as a `pylock.toml` (PEP 751): its content, and how its files are named where it lies."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker

from dataflow.build.python import own_requirements
from dataflow.errors import UsageError
from dataflow.workflow.pyproject import PyProject, normal

_FILE_URL = re.compile(r'\burl = "(file://[^"]+)"')
_PATH = re.compile(r'\bpath = "([^"]+)"')


@dataclass(frozen=True)
class Lock:
    """What a project needs, each package in one version.

    Attributes:
        project: The name of the project, or of the folder that it lies in.
        where: The file, as its reader would type it.
        text: It as a `pylock.toml`.
    """

    project: str
    where: str
    text: str

    @cached_property
    def packages(self) -> Mapping[str, Mapping[str, Any]]:
        """The packages that are for this Python, by name."""
        try:
            listed = tomllib.loads(self.text).get("packages", [])
            return {normal(it["name"]): it for it in listed if own_requirements.applies(_marker(it))}
        except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise UsageError(f"{self.where} is not a lock: {error}") from None

    @property
    def versions(self) -> dict[str, str]:
        """Their versions; of one from a repository there may be none."""
        return {name: str(it["version"]) for name, it in self.packages.items() if "version" in it}

    @property
    def indexes(self) -> dict[str, str]:
        """The named indexes that packages may be from: uv finds their credentials by these names."""
        found = tomllib.loads(self.text).get("tool", {}).get("dataflow", {}).get("indexes", {})
        return {str(name): str(url) for name, url in found.items()}

    def local(self) -> Iterator[tuple[str, str]]:
        """Yield the packages that are files of this machine, and where those are."""
        for name, found in self.packages.items():
            if (place := _local_file(found)) is not None:
                yield name, place


def indexes_of(project: PyProject, head: str = "") -> str:
    """Write a project's named indexes as a line of TOML, without what stands in their addresses as credentials."""
    listed = project.data.get("tool", {}).get("uv", {}).get("index", [])
    found = {it["name"]: urlsplit(it["url"]) for it in listed if "name" in it and "://" in str(it.get("url"))}
    named = [f"{json.dumps(n)} = {json.dumps(it._replace(netloc=it.netloc.rpartition('@')[2]).geturl())}"
             for n, it in found.items()]  # fmt: skip
    return f"{head}indexes = {{ {', '.join(named)} }}\n" if named else ""


def _marker(package: Mapping[str, Any]) -> Marker | None:
    return Marker(package["marker"]) if package.get("marker") else None


def _local_file(package: Mapping[str, Any]) -> str | None:
    files = [*package.get("wheels", ()), *(package[it] for it in ("sdist", "archive", "directory") if it in package)]
    for file in files:
        if str(file.get("url", "")).startswith("file:"):
            return unquote(urlsplit(file["url"]).path)
        if "url" not in file and "path" in file:
            return str(file["path"])
    return None


def relative(text: str, folder: Path) -> str:
    """Name files of this machine from the lock's folder, as it is committed."""

    def name(found: re.Match[str]) -> str:
        return f'path = "{os.path.relpath(unquote(urlsplit(found[1]).path), folder.resolve())}"'

    return _FILE_URL.sub(name, text)


def absolute(text: str, folder: Path) -> str:
    """Undo it, for an environment that is made elsewhere."""
    return _PATH.sub(lambda found: f'url = "{(folder.resolve() / found[1]).resolve().as_uri()}"', text)
