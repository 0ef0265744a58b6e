"""What a run is made from, as one checksum: two runs with the same one do the same for a day."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dataflow.workflow.resolved import Workflow

_SUFFIXES = {".py", ".R", ".r", ".sql", ".scala", ".java", ".kt", ".sbt", ".gradle", ".kts", ".xml"}
_LOCKS = ("pyproject.toml", "uv.lock", "pylock.toml", "renv.lock")
_GENERATED = {"target", "build", "__pycache__", "mocks", "test", "tests"}


def definitions_of(workflow: Workflow) -> str:
    """Return the checksum of a workflow's bundle, or of its definitions, scripts and the code beside them.

    What was given for this run counts as well, but for its day. Files of tests don't count.
    """
    found = hashlib.sha256()
    if workflow.bundle is not None:
        found.update(f"{workflow.bundle} {workflow.id}".encode())
    else:
        for path in sorted(set(_files(workflow))):
            found.update(f"\0{path.relative_to(path.anchor)}\0".encode(errors="surrogateescape"))
            try:
                found.update(path.read_bytes())
            except OSError:  # whoever runs it says so
                continue
    day = workflow.params.get("EXECUTION_DATE")
    for name, origin in sorted(workflow.origins.items()):
        value = workflow.params.get(name)
        if origin in {"--param", "caller"} and name != "EXECUTION_DATE" and value != day:
            found.update(f"\0{name}={value}".encode(errors="surrogateescape"))
    return found.hexdigest()


def _files(workflow: Workflow) -> Iterator[Path]:
    for inner in workflow.walk(every_date=False):
        yield inner.file
        yield from (inner.folder / name for name in _LOCKS if (inner.folder / name).is_file())
        for name, _ in inner.script_names():
            path = inner.folder / name
            yield from _code(path) if path.is_dir() else (path, *_beside(path))


def _beside(script: Path) -> Iterator[Path]:
    """Yield the modules that a script may import, which lie beside it."""
    if script.suffix in {".py", ".R", ".r"} and script.parent.is_dir():
        yield from _code(script.parent)


def _code(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith((".", "test_")) or path.name in _GENERATED:
            continue
        if path.is_dir():
            yield from _code(path)
        elif path.suffix in _SUFFIXES:
            yield path
