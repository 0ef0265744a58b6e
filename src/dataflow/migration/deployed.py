"""Lineage of what is deployed: a bundle never changes, so it is read once and its lineage kept at the state address."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.engine.flows import deployed_bundles, forget, remember
from dataflow.engine.records import Records
from dataflow.errors import DataflowError
from dataflow.migration.lineage import Columns
from dataflow.migration.static import read_texts
from dataflow.workflow.flow import Flow, Origin, Producer

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle import Bundle
    from dataflow.workflow.tree import Workflow

Kept = list[tuple[Producer, frozenset[Flow]]]

GONE = ""
"""Stands for the table that a workflow writes which is deployed no more: it reads nothing, since then."""


def follow(
    registry: Registry, name: str, state: str | None, report: Callable[[int, int], None] = lambda _done, _all: None
) -> list[str]:
    """Bring the lineage of a deployment up to what it runs now; what was read before is not read again.

    Args:
        registry: Where it is deployed.
        name: The deployment, such as `production`.
        state: The address at which its runs are recorded.
        report: Told how many of how many packages were read.

    Returns:
        What could not be read, a line each.

    Raises:
        DataflowError: The registry or the state can't be opened.
    """
    found = deployments.current(registry, name)
    packages = {} if found is None else found.switch.packages
    now = dt.datetime.now(dt.UTC) if found is None else found.switch.at
    running = {id_ for package in packages.values() for id_ in package.workflows}
    trouble: list[str] = []
    with contextlib.closing(Records(state)) as records:
        with records.begin() as connection:
            known = deployed_bundles(connection, name)
        new = [it for it in packages.values() if not any(it.bundle in known.get(id_, ()) for id_ in it.workflows)]
        for number, package in enumerate(new):
            report(number, len(new))
            try:
                kept = _read(registry, package.bundle, name, now)
            except DataflowError as error:
                trouble.append(f"{package.package_id}: {error.message}")
                continue
            _keep(records, kept, package.workflows)
        gone = {workflow for workflow, bundles in known.items() if workflow not in running and bundles != {GONE}}
        _keep(records, [(_gone(workflow, name, now), frozenset()) for workflow in sorted(gone)], gone)
    return trouble


def _keep(records: Records, kept: Kept, workflows: Collection[str]) -> None:
    """Keep what workflows read and write instead of what those of the same names did before, all at once."""
    targets: dict[str, set[str]] = {id_: set() for id_ in workflows}
    for producer, _ in kept:
        targets.setdefault(producer.workflow, set()).add(producer.target)
    with records.begin() as connection:
        remember(connection, kept)
        for workflow, written in targets.items():
            forget(connection, Origin.DEPLOYED, workflow, but=written)


def _gone(workflow: str, name: str, now: dt.datetime) -> Producer:
    return Producer(Origin.DEPLOYED, workflow, GONE, environment=name, bundle=GONE, seen=now)


def _read(registry: Registry, sha256: str, name: str, now: dt.datetime) -> Kept:
    from dataflow.deploy.bundle import load_bundle

    bundle = load_bundle(registry, sha256)
    workflows = dict(_workflows(registry, bundle, sha256))
    schema: dict[str, Sequence[str]] = {table: list(it.columns) for table, it in bundle.schemas.items() if it.columns}
    first = [texts for it in workflows.values() for texts in read_texts(it, schema)]
    columns_of = Columns(bundle.environment.environment())
    for table in sorted({table for texts in first for table in texts.tables()} - schema.keys()):
        if columns := columns_of(table):
            schema[table] = columns
    files = {workflow.id: file for file, workflow in workflows.items()}
    found: dict[Producer, set[Flow]] = {}
    for texts in (it for workflow in workflows.values() for it in read_texts(workflow, schema, schema.keys())):
        if texts.workflow in files:  # else another package's, whose own bundle tells
            for target, flows in (texts.writes or {GONE: set()}).items():
                producer = Producer(
                    Origin.DEPLOYED,
                    texts.workflow,
                    target,
                    owner=texts.owner,
                    environment=name,
                    bundle=sha256,
                    file=files[texts.workflow],
                    seen=now,
                )
                found.setdefault(producer, set()).update(flows)
    return [(producer, frozenset(flows)) for producer, flows in found.items()]


def _workflows(registry: Registry, bundle: Bundle, sha256: str) -> Iterator[tuple[str, Workflow]]:
    """Yield a package's own definitions and workflows, loaded as they run, from the scripts that its bundle holds."""
    from dataflow.deploy.materialize import materialize
    from dataflow.workflow.load import Request, load_workflow

    laid_out = materialize(registry, bundle, sha256, built=False)
    request = Request(environment=bundle.environment.environment(), user=bundle.user, bundle=sha256)
    for file in bundle.workflows:
        if PurePosixPath(file).parent.as_posix() == bundle.path:
            yield file, load_workflow(laid_out.definition(file), request)
