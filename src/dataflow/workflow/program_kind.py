"""What a Spark job may run, by its path alone: a script, a jar, or the sbt project that makes one."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from dataflow.workflow.yamlfile import is_file, is_folder

if TYPE_CHECKING:
    from pathlib import Path


class Kind(enum.Enum):
    """How a program is run."""

    SQL = ".sql"
    PYTHON = ".py"
    R = ".R"
    JAR = ".jar"


def program_kind(path: Path) -> Kind | None:
    """Return how a path is run, or None where nothing runs it; a folder is taken for an sbt project."""
    if is_folder(path):
        return Kind.JAR
    return next((kind for kind in Kind if kind.value == path.suffix), None)


def sbt_project(path: Path) -> Path | None:
    """Return the folder of the sbt project that a path is, or whose `target` folder it lies in; None without one."""
    above = (parent.parent for parent in path.parents if parent.name == "target")
    candidate = path if is_folder(path) else next(above, None)
    return candidate if candidate is not None and is_file(candidate / "build.sbt") else None
