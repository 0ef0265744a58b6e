"""References to assets in a run from files: assets of the checkout, else builds of the registry."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.home import subfolder

if TYPE_CHECKING:
    from dataflow.assets.discover import Asset, Repository
    from dataflow.repository.checkout import Checkout


def local_references(folder: Path) -> Callable[[str], str]:
    """Return a function from a reference to the file, or the sbt project, of an asset; it reads nothing before a call.

    Args:
        folder: Any folder of the repository.
    """

    @functools.cache
    def repository() -> tuple[Repository, Checkout]:
        from dataflow.assets.discover import discover
        from dataflow.repository.checkout import read_checkout

        checkout = read_checkout(folder)
        return discover(checkout.root, checkout.repo), checkout

    @functools.cache
    def place(reference: str) -> str:
        name = re.sub(r"^dataflow\.egg\.", "dataflow.wheel.", reference)
        found, checkout = repository()
        own = own_asset(found, name)
        if own is not None and own.builder in {"raw", "sbt"}:  # others are built when they are deployed
            return str(own.path if own.builder == "raw" else own.folder)
        return str(_fetched(name, checkout, folder))

    return place


def _fetched(name: str, checkout: Checkout, folder: Path) -> Path:
    """Return the file of a build in the registry; it is fetched once, and checked."""
    from dataflow.assets.references import References
    from dataflow.assets.registry import open_registry
    from dataflow.workflow.project import find_project

    registry = open_registry(find_project(folder))
    pin = References(registry, checkout, unclean=True).resolve(name)
    file = subfolder("assets", pin.sha256[:32]) / pin.name
    if not file.exists():
        registry.fetch(pin.sha256, file)
    return file


def own_asset(repository: Repository, reference: str) -> Asset | None:
    """Return the asset of this repository with a name such as `dataflow.jar.scala-workflow`, or None."""
    from dataflow.assets.ids import escape

    kind, _, name = reference.removeprefix("dataflow.").partition(".")
    named = (it for it in repository.assets if it.type == kind and name in {it.namespace, escape(it.namespace)})
    return next(named, None)
