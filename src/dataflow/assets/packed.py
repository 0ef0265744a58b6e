"""What a Python project packs, by its build files: enough to distinguish a package called `tests` from tests."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_OF_TOOLS = {"black", "coverage", "isort", "mypy", "pylint", "pyright", "pytest", "ruff", "tox", "ty", "nox"}
"""Tables of `[tool]` that pack nothing."""


def packs(project: Path, name: str) -> bool:
    """Say whether the build files of a Python project name a folder beside them as something to pack."""
    named = re.compile(rf"(?:\./)?{re.escape(name)}(?:[/.*].*)?")
    if any(named.fullmatch(text) for text in _texts(project / "pyproject.toml")):
        return True
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    return any(word.search(_read(project / it)) for it in ("setup.py", "setup.cfg", "MANIFEST.in"))


def _texts(file: Path) -> Iterator[str]:
    try:
        found = tomllib.loads(_read(file))
    except tomllib.TOMLDecodeError:  # its builder reports it
        return
    project, tool = found.get("project", {}), found.get("tool", {})
    if isinstance(project, dict) and isinstance(project.get("name"), str):
        yield project["name"]
    if isinstance(tool, dict):
        yield from _strings([value for key, value in tool.items() if key not in _OF_TOOLS])


def _strings(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            if not key.startswith("exclude") and key not in {"envs", "scripts"}:
                yield key
                yield from _strings(value)
    elif isinstance(data, list):
        for item in data:
            yield from _strings(item)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
