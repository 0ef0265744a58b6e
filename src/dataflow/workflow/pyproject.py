"""A Python project around a script: what its build file says of it, and where its own modules lie.

A bundle has a wheel in place of the project's folder; a file beside the deployed scripts says where it is unpacked.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.errors import UsageError, display_path
from dataflow.workflow.discovery import package_of, walk
from dataflow.workflow.yamlfile import read_text

BUILD_FILE = "pyproject.toml"
UNPACKED = ".dataflow-code"
"""Says, a folder a line, where the modules of a deployed project are."""

_PROJECT = re.compile(r"^\s*\[(?:project|build-system|tool\.poetry)\]", re.M)
_NAME = re.compile(r"[\s;\[<>=!~@(]")


@dataclass(frozen=True)
class PyProject:
    """A Python project.

    Attributes:
        file: Its build file: a `pyproject.toml`, or an older `setup.py`.
        data: What stands in a `pyproject.toml`.
    """

    file: Path
    data: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.file.parent

    @property
    def name(self) -> str:
        """What it is called."""
        return str(_table(self.data, "project").get("name") or self.folder.name)

    @property
    def requires_python(self) -> str | None:
        """Which Pythons it runs on, if it says so."""
        found = _table(self.data, "project").get("requires-python")
        return str(found) if found else None

    @property
    def dependencies(self) -> tuple[str, ...] | None:
        """What it needs; None where only its build backend knows that."""
        project = _table(self.data, "project")
        if not project or "dependencies" in (project.get("dynamic") or ()):
            return None
        found = project.get("dependencies", [])
        if not isinstance(found, list) or not all(isinstance(it, str) for it in found):
            raise UsageError(f"{display_path(self.file)}: dependencies is not a list of strings")
        return tuple(found)

    @property
    def is_packed(self) -> bool:
        """Whether it has modules of its own to pack, rather than a list of what its scripts need."""
        uv = _table(self.data, "tool", "uv")
        if "package" in uv:
            return bool(uv["package"])
        if "build-system" in self.data or not _table(self.data, "project") or _table(self.data, "tool", "setuptools"):
            return True
        if (self.folder / "setup.py").exists() or (self.folder / "setup.cfg").exists():
            return True
        return any(next(base.glob("*/__init__.py"), None) for base in (self.folder, self.folder / "src"))

    def sources(self) -> Iterator[tuple[str, str]]:
        """Yield which packages it, or the workspace around it, has from a place that exists in this checkout alone."""
        for above in (self.folder, *self.folder.parents):
            data = self.data if above == self.folder else _read(above / BUILD_FILE)
            uv = _table(data, "tool", "uv")
            if above == self.folder or "workspace" in uv:
                for name, source in _table(uv, "sources").items():
                    if (where := _local(source)) is not None:
                        yield normal(name), where
            if (above / ".git").exists():
                return

    def roots(self) -> tuple[Path, ...]:
        """Return the folders that its own modules lie in, as its build file has them: those of the working tree."""
        if not self.is_packed:
            return ()
        found = [Path(self.folder, it) for it in (*_declared(_table(self.data, "tool")), "src", ".")]
        return tuple(dict.fromkeys(it.resolve() for it in found if it.is_dir() and not (it / "__init__.py").exists()))


def project_of(path: Path) -> PyProject | None:
    """Return the Python project that a script or a folder belongs to: the nearest one within its repository."""
    start = path if path.is_dir() else path.parent
    found = _nearest(start.resolve())
    return None if found is None else read_project(found)


def projects_below(top: Path) -> list[PyProject]:
    """Return the Python projects in a folder and below, or the one around it.

    Raises:
        UsageError: It does not exist, or a build file is not TOML.
    """
    if not top.is_dir():
        raise UsageError(f"{display_path(top)} is not a folder")
    files = [Path(folder, BUILD_FILE) for folder, _, names in walk(top.resolve()) if BUILD_FILE in names]
    found = [read_project(file) for file in files if _PROJECT.search(_text(file))]
    around = project_of(top.resolve())
    return found or ([] if around is None else [around])


def read_project(file: Path) -> PyProject:
    """Read a build file.

    Raises:
        UsageError: It is not TOML.
    """
    if file.name != BUILD_FILE:
        return PyProject(file, {})
    try:
        return PyProject(file, tomllib.loads(read_text(file)))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{display_path(file)} is not TOML: {error}") from None


def code_roots(script: Path) -> tuple[Path, ...]:
    """Return the folders with the modules of the project that a script belongs to, besides the script's own."""
    for folder in script.resolve().parents:
        if (noted := folder / UNPACKED).is_file():
            return tuple((folder / it).resolve() for it in noted.read_text("utf-8").splitlines())
    try:
        project = project_of(script)
    except UsageError:  # reported where the project is read for what it needs
        return ()
    return () if project is None else project.roots()


def required(requirement: str) -> str:
    """Return the name of the package that a requirement is for."""
    return normal(_NAME.split(requirement.strip(), maxsplit=1)[0])


def normal(name: str) -> str:
    """Spell a package's name as indexes do."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _nearest(start: Path) -> Path | None:
    bound = _top(start)
    for folder in (start, *start.parents):
        file = folder / BUILD_FILE
        if file.is_file() and _PROJECT.search(_text(file)):
            return file
        if (folder / "setup.py").is_file():
            return folder / "setup.py"
        if folder == bound:
            return None
    return None


@functools.cache
def _top(start: Path) -> Path:
    """Return where the look for a project ends: at the top of the repository, else of the project or package."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    named = (it for it in (start, *start.parents) if (it / "dataflow.yaml").exists())
    return next(named, None) or package_of(start) or start


def _declared(tool: Mapping[str, Any]) -> Iterator[str]:
    """Yield the folders that build backends are configured to look for packages in."""
    setuptools = _table(tool, "setuptools")
    yield from (str(it) for it in _table(setuptools, "package-dir").values())
    packages = setuptools.get("packages")
    yield from _strings(_table(packages, "find").get("where") if isinstance(packages, dict) else None)
    wheel = _table(tool, "hatch", "build", "targets", "wheel")
    yield from _strings(wheel.get("sources"))
    for package in [*_strings(wheel.get("packages")), *_strings(_table(tool, "hatch", "build").get("packages"))]:
        yield str(Path(package).parent)
    poetry = _table(tool, "poetry").get("packages")
    yield from (str(it["from"]) for it in poetry or () if isinstance(it, dict) and "from" in it)
    yield from _strings(_table(tool, "uv", "build-backend").get("module-root"))
    yield from _strings(_table(tool, "pdm", "build").get("package-dir"))


def _local(source: object) -> str | None:
    """Say where a package is from that only this checkout has; None where any machine can get it."""
    for each in source if isinstance(source, list) else [source]:
        if not isinstance(each, dict):
            return str(each)
        if each.get("workspace"):
            return "its workspace"
        if "path" in each:
            return str(each["path"])
    return None


def _strings(value: object) -> Sequence[str]:
    if isinstance(value, str):
        return [value]
    return [it for it in value if isinstance(it, str)] if isinstance(value, list | dict) else []


def _table(data: object, *names: str) -> Mapping[str, Any]:
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""
