"""What the shell completes: commands and options by themselves; definitions, recipes, environments by what is here."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dataflow.errors import UsageError

VARIABLE = "_DATAFLOW_COMPLETE"
"""The environment variable by which a shell's script asks for completions."""

T = TypeVar("T")

_SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def is_asked() -> bool:
    """Say whether a shell asks what may follow, rather than to run a command."""
    return VARIABLE in os.environ


def begin() -> None:
    """Let Typer answer the shells that it knows."""
    from typer.completion import get_completion_inspect_parameters

    get_completion_inspect_parameters()  # it registers them


def run(context: Any, parameter: Any) -> None:
    """Install or show the completion script of the shell that this was called from; exits.

    Raises:
        UsageError: The shell is unknown, or has no completion.
    """
    from typer.completion import install_callback, show_callback

    callback = install_callback if parameter.name == "install_completion" else show_callback
    callback(context, parameter, _shell())


def _shell() -> str:
    """Return the shell that this was called from; the user's own where that has no completion."""
    import shellingham

    found = [Path(os.environ.get("SHELL", "")).name]
    with contextlib.suppress(shellingham.ShellDetectionFailure):
        found.insert(0, shellingham.detect_shell()[0])
    known = next((it for it in found if it in _SHELLS), None)
    if known is None:
        called = next(filter(None, found), None)
        raise UsageError(
            f"'{called}' is not a shell that can be completed" if called else "nobody can tell which shell this is",
            f"call it from one of {', '.join(_SHELLS)}",
        )
    return known


def definitions(incomplete: str) -> Sequence[str]:
    """Return the definitions that may be meant, and folders beside them; nothing leaves it to the shell."""
    return _files(incomplete, ".sch.yaml")


def yaml_files(incomplete: str) -> Sequence[str]:
    """Return the YAML files that may be meant, and folders beside them; nothing leaves it to the shell."""
    return _files(incomplete, ".yaml")


def recipes(incomplete: str) -> Sequence[tuple[str, str]]:
    """Return the tool's own recipes, each with what it is."""

    def known() -> Sequence[tuple[str, str]]:
        from dataflow.sample.recipes import recipes as own

        return [(it.name, it.summary) for it in own()]

    return [it for it in _without_fail(known) if it[0].startswith(incomplete)]


def environments(incomplete: str) -> Sequence[tuple[str, str]]:
    """Return the environments of the project that this folder is in."""

    def known() -> Sequence[tuple[str, str]]:
        from dataflow.workflow.project import find_project

        project = find_project(Path.cwd())
        where = f"of {project.file.name}" if project.file else "your own"
        return [(name, where) for name in project.environments]

    return [it for it in _without_fail(known) if it[0].startswith(incomplete)]


def _files(incomplete: str, ending: str) -> Sequence[str]:
    """Return the files of a kind, and folders; nothing where the shell's own answer, any file, is the better one."""
    folder, slash, begun = incomplete.rpartition("/")
    typed = folder + slash

    def known() -> Sequence[Path]:
        return sorted(Path(typed or ".").expanduser().iterdir())

    found = [it for it in _without_fail(known) if it.name.startswith(begun) and (begun or not it.name.startswith("."))]
    words = [f"{typed}{it.name}{'/' if it.is_dir() else ''}" for it in found if it.is_dir() or it.name.endswith(ending)]
    is_fit = any(it.endswith(ending) for it in words) and all(shlex.quote(it) == it for it in words)
    return words if is_fit else []  # a shell quotes what it finds by itself


def _without_fail(known: Callable[[], Sequence[T]]) -> Sequence[T]:
    """Return what is known; nothing where looking fails, as a shell shows no failure."""
    with contextlib.suppress(Exception):
        return known()
    return ()
