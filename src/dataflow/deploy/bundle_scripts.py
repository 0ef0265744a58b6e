"""The scripts of deployed workflows, read out of their bundles: of any repository, whether it lies here or not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.lineage import GONE, bundle_lineage, deployed_schema
from dataflow.errors import DataflowError
from dataflow.lineage.model import Origin, Producer
from dataflow.lineage.script_texts import WorkflowScripts, text_on_disk

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.checkout import BundleCheckout
    from dataflow.deploy.deployments import Deployment
    from dataflow.lineage.static import ScriptLineage, WorkflowLineage
    from dataflow.lineage.store.reader import LineageStore


class BundleScripts:
    """The scripts of what is deployed; a bundle is read when one of its workflows is asked for, and once.

    Args:
        registry: Where the bundles are.
        store: Knows which workflow is deployed where.
    """

    def __init__(self, registry: Registry, store: LineageStore) -> None:
        self._registry = registry
        self._store = store
        self._deployments: dict[str, Deployment | None] = {}
        self._read: dict[tuple[str, str], Mapping[str, WorkflowScripts]] = {}

    def of_workflow(self, workflow: str) -> WorkflowScripts | None:
        """Return the scripts of a deployed workflow; None where it is not deployed, or can't be read."""
        return self._first_of(workflow, self._store.of_workflows([workflow]))

    def readers(self, table: str) -> Iterator[WorkflowScripts]:
        """Yield the scripts of the deployed workflows that read a table."""
        by_workflow: dict[str, list[Producer]] = {}
        for _, producers in self._store.readers({table}):
            for producer in producers:
                by_workflow.setdefault(producer.workflow, []).append(producer)
        for workflow, producers in sorted(by_workflow.items()):
            if (scripts := self._first_of(workflow, producers)) is not None:
                yield scripts

    def _first_of(self, workflow: str, producers: Iterable[Producer]) -> WorkflowScripts | None:
        """Return the scripts of the latest deployment among what is known of a workflow."""
        found = [it for it in producers if it.origin is Origin.DEPLOYED and it.target != GONE and it.environment]
        for producer in sorted(found, key=lambda it: it.seen, reverse=True):
            if (scripts := self._of_bundle(producer).get(workflow)) is not None:
                return scripts
        return None

    def _of_bundle(self, producer: Producer) -> Mapping[str, WorkflowScripts]:
        environment, sha256 = str(producer.environment), str(producer.bundle)
        if (environment, sha256) not in self._read:
            found: Mapping[str, WorkflowScripts] = {}
            with contextlib.suppress(
                DataflowError, OSError
            ):  # where it can't be read, its lineage is known all the same
                found = self._scripts(environment, sha256)
            self._read[environment, sha256] = found
        return self._read[environment, sha256]

    def _scripts(self, environment: str, sha256: str) -> Mapping[str, WorkflowScripts]:
        if environment not in self._deployments:
            self._deployments[environment] = deployments.current(self._registry, environment)
        deployment = self._deployments[environment]
        if deployment is None:
            return {}
        key = next((key for key, it in deployment.revision.packages.items() if it.bundle == sha256), None)
        if key is None:
            return {}
        return {scripts.entry.workflow: scripts for _, scripts in read_scripts(self._registry, deployment, key)}


def read_scripts(
    registry: Registry, deployment: Deployment, key: str
) -> Iterator[tuple[ScriptLineage, WorkflowScripts]]:
    """Yield what each workflow of a deployed package reads and writes, with its scripts, which can be read later too.

    Args:
        registry: Where its bundle is.
        deployment: The environment, as it is or was.
        key: The package in it.

    Raises:
        DataflowError: An object is missing or corrupted.
    """
    package = deployment.revision.packages[key]
    bundle = load_bundle(registry, package.bundle)
    schema = deployed_schema(registry, deployment, bundle)
    label = f"{package.repository} at {package.commit[:8]}" if package.commit else package.repository
    for lineage, checkout in bundle_lineage(registry, bundle, package.bundle, schema):
        entry, texts = _in_repository(lineage, checkout)
        producer = Producer(
            Origin.DEPLOYED,
            entry.workflow,
            "",
            owner=entry.owner,
            environment=deployment.name,
            bundle=package.bundle,
            file=entry.file,
            seen=deployment.revision.at,
        )
        yield lineage, WorkflowScripts(entry, producer, _reader(texts), str, label, schema)


def _reader(texts: Mapping[str, str]) -> Callable[[str], str]:
    return lambda file: texts.get(file, "")


def _in_repository(lineage: ScriptLineage, checkout: BundleCheckout) -> tuple[WorkflowLineage, dict[str, str]]:
    """Return lineage whose files are named by their paths in the repository, and their texts."""
    entry = lineage.entry()
    paths = {str(file): checkout.path_of(file) for file in (lineage.file, *lineage.files, *map(Path, entry.programs))}

    def path(file: str) -> str:
        return paths.get(file, file)

    renamed = replace(
        entry,
        file=path(entry.file),
        references=[replace(it, file=path(it.file)) for it in entry.references],
        select_stars=[replace(it, file=path(it.file)) for it in entry.select_stars],
        programs=[path(it) for it in entry.programs],
    )
    return renamed, {path: text_on_disk(file) for file, path in paths.items()}
