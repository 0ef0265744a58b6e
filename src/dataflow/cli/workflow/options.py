"""Options of the commands that work with a definition: the definition, its date and its parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, display_path
from dataflow.workflow.discovery import is_special

if TYPE_CHECKING:
    from dataflow.workflow.load import Request


def request(date: str | None, param: Sequence[str] | None, env: str | None) -> Request:
    """Return the request for a workflow that the options of a command make.

    Raises:
        UsageError: A parameter is not `NAME=VALUE`.
    """
    from dataflow.workflow.load import Request

    params = {}
    for text in param or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"'--param {text}' is not NAME=VALUE", "for example --param LOOKBACK_DAYS=7")
        params[name] = value
    return Request(params=params, date=date, env=env, reference=asset_address)


def asset_address(name: str) -> str:
    """Return the address of an asset; the assets are looked up at the first one that a definition names."""
    return _references()(name)


@cache
def _references() -> Callable[[str], str]:
    from dataflow.deploy.bundle.references import local_references

    return local_references(Path.cwd())


def definition(path: Path) -> Path:
    """Return the definition at a path: of a folder its main.sch.yaml."""
    return path / "main.sch.yaml" if path.is_dir() else path


def definitions(paths: Sequence[Path]) -> list[Path]:
    """Return the definitions at paths: of a folder all that are in it, or else all below it.

    Raises:
        UsageError: A folder has none.
    """
    found: list[Path] = []
    for path in paths:
        inside = sorted(it for it in path.glob("*.sch.yaml") if not is_special(it)) if path.is_dir() else [path]
        if not inside:
            inside = _below(path)
        if not inside:
            raise UsageError(f"{display_path(path)} holds no *.sch.yaml file")
        found += inside
    return found


def _below(folder: Path) -> list[Path]:
    """Return the definitions below a folder, without what git ignores."""
    from dataflow.repository.tree import tree_of_disk
    from dataflow.workflow.discovery import DEFINITION

    tree = tree_of_disk(folder)
    found = [above / name for above, _, names in tree.walk() for name in names if name.endswith(DEFINITION)]
    return [folder / it.relative_to(tree.root) for it in found]
