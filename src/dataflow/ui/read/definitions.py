"""The deployed definitions that write a table, and the scripts that they run, as they were deployed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.lineage.model import plain_name
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.manifest import Bundle
    from dataflow.deploy.deployments import Deployment

_MOST_PACKAGES = 3
_MOST_SCRIPTS = 20
_LONGEST = 100_000


@dataclass(frozen=True)
class SourceText:
    """A file as it was deployed.

    Attributes:
        name: Its path in the repository.
        text: What it says.
        is_cut: Whether it goes on.
    """

    name: str
    text: str
    is_cut: bool = False


@dataclass(frozen=True)
class DeployedDefinition:
    """A deployed package that writes a table.

    Attributes:
        environment: Where it is deployed.
        number: The revision that has it.
        package: Its folder in the repository.
        repository: Where it was deployed from.
        commit: The commit; None where none is known.
        workflows: The ids of its workflows that write the table, or run those that do.
        definitions: Their rendered texts.
        scripts: The SQL, Python and R files that it runs.
        more_scripts: How many more of these there are.
    """

    environment: str
    number: int
    package: str
    repository: str
    commit: str | None
    workflows: tuple[str, ...]
    definitions: tuple[SourceText, ...]
    scripts: tuple[SourceText, ...]
    more_scripts: int = 0


def definitions_of(registry: Registry, environment: str, table: str) -> list[DeployedDefinition]:
    """Return the packages of an environment that write a table, with their texts.

    Args:
        registry: Where they are.
        environment: The deployment.
        table: The table, without its catalog.

    Raises:
        DataflowError: The registry, or a bundle in it, can't be read.
    """
    place = deployments.current(registry, environment)
    return [] if place is None else list(_definitions(registry, place, table))


def _definitions(registry: Registry, place: Deployment, table: str) -> Iterator[DeployedDefinition]:
    found = 0
    for key, package in sorted(place.revision.packages.items()):
        if not any(f".{table_names.plain(it)}".endswith(f".{table}") for it in package.writes):
            continue  # its bundle need not be read: with or without a catalog in front, it is another table
        bundle = load_bundle(registry, package.bundle)
        catalog = bundle.environment.environment().catalog_name
        if not any(plain_name(it, catalog) == table for it in package.writes):
            continue
        found += 1
        if found > _MOST_PACKAGES:
            return
        mine = {file: it for file, it in bundle.own_workflows.items() if _writes(it.writes, table, catalog)}
        mine = mine or bundle.own_workflows
        raw = [it for it in bundle.assets if it.is_raw]
        yield DeployedDefinition(
            place.name,
            place.number,
            key.rpartition(":")[2],
            package.repository,
            package.commit,
            tuple(it.id for it in mine.values()),
            tuple(_text(file, it.text) for file, it in mine.items()),
            tuple(_scripts(registry, bundle)),
            max(0, len(raw) - _MOST_SCRIPTS),
        )


def _writes(written: tuple[str, ...], table: str, catalog: str) -> bool:
    return any(plain_name(it, catalog) == table for it in written)


def _scripts(registry: Registry, bundle: Bundle) -> Iterator[SourceText]:
    for asset in [it for it in bundle.assets if it.is_raw][:_MOST_SCRIPTS]:
        yield _text(asset.path or asset.name, registry.get(asset.sha256).decode(errors="replace"))


def _text(name: str, text: str) -> SourceText:
    return SourceText(name, text[:_LONGEST], len(text) > _LONGEST)
