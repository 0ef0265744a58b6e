"""Default values of a script's parameters in tests: the constants of the definition that runs the script.

What the definition puts together, such as `${TARGET_DB}.results`, has no default, and neither has a date of the
calendar: a test that depended on the day, the user or the environment would pass today and fail tomorrow.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataflow.errors import DefinitionError
from dataflow.workflow.parameters import PREFIX
from dataflow.workflow.yamlfile import is_file, read_yaml

_OF_A_TEST = ("env", "owner", "package_id", "package_slug", "run_id", "user", "workflow_id")


def defaults(script: Path) -> dict[str, str]:
    """Return the values of parameters on which all definitions agree that run a script, and built-ins for a test."""
    script = script.resolve()
    found: dict[str, set[str]] = {}
    for file in _definitions(script.parent):
        scripts, constants = _read(file, file.stat().st_mtime_ns)
        if script in scripts:
            for name, value in constants.items():
                found.setdefault(name, set()).add(value)
    agreed = {name: values.pop() for name, values in found.items() if len(values) == 1}
    return {**{f"{PREFIX}{name}": "test" for name in _OF_A_TEST}, **agreed}


def _definitions(folder: Path) -> list[Path]:
    """Return the definitions of the package that a folder is in: those of the nearest folder that has some."""
    for candidate in (folder, *folder.parents):
        if found := sorted(filter(is_file, candidate.glob("*.sch.yaml"))):
            return found
        if (candidate / ".git").exists():
            break
    return []


@functools.lru_cache(maxsize=64)
def _read(file: Path, _changed: int) -> tuple[frozenset[Path], dict[str, str]]:
    """Return the scripts that a definition runs, and its constants; nothing for one with mistakes."""
    try:
        source = read_yaml(file)
    except DefinitionError:
        return frozenset(), {}
    params = source.data.get("params")
    texts = {name: source.texts.get(("params", name)) for name in (params if isinstance(params, dict) else {})}
    scripts = frozenset((file.parent / name).resolve() for name in _scripts(source.data))
    return scripts, {name: text for name, text in texts.items() if text is not None and "${" not in text}


def _scripts(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        if isinstance(data.get("script"), str):
            yield data["script"]
        for value in data.values():
            yield from _scripts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _scripts(value)
