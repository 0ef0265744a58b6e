"""Lineage of deployed workflows, stored in the state database: a bundle never changes, so it is read once.

The registry has the deployed revisions. The revision of each environment up to which lineage was read is stored beside
the lineage, so that one query shows whether it is up to date, even if the process that deployed has died.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataflow.deploy import deployments
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.errors import first_line
from dataflow.lineage.model import Origin, Producer, TableWrite, plain_name
from dataflow.lineage.static import read_script_lineage
from dataflow.lineage.store.writer import delete_workflows, dialect_insert, store_lineage
from dataflow.state.database import StateDatabase, metadata
from dataflow.workflow.identity import current_user

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.checkout import BundleCheckout
    from dataflow.deploy.bundle.manifest import Bundle
    from dataflow.deploy.deployments import DeployedPackage, Deployment
    from dataflow.lineage.static import ScriptLineage

_ATTEMPTS = 10

GONE = ""
"""The target of workflows that are no longer deployed: a campaign does not wait for their last run."""

deployed = sa.Table(
    "dataflow_settled",
    metadata,
    sa.Column("registry", sa.String(500), primary_key=True),
    sa.Column("environment", sa.String(200), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("whole", sa.Boolean, nullable=False),
    sa.Column("packages", sa.JSON, nullable=False),
)

BundleWrites = dict[tuple[str, str], tuple[Producer, TableWrite]]
"""The writes of a bundle, by workflow and table."""


@dataclass(frozen=True)
class _SyncState:
    """The stored state of an environment.

    Attributes:
        number: The revision up to which lineage was read; 0 where none was.
        packages: The bundle of each package, and the workflows with lineage in it.
    """

    number: int = 0
    packages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def workflows(self, package: str) -> set[str]:
        return set(self.packages[package]["workflows"]) if package in self.packages else set()


def sync_deployed_lineage(
    registry: Registry,
    state: str | None,
    behind: Mapping[str, int],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[str]:
    """Update the lineage in a state database to the bundles that are deployed now.

    Only packages with a new bundle are read. Lineage of workflows that run elsewhere, or no longer, is deleted.

    Args:
        registry: The registry with the deployments.
        state: The URL of the state database.
        behind: The environments to update, with their latest revision.
        progress: Reports how many of how many bundles were read.

    Returns:
        A line for each package that could not be read.

    Raises:
        DataflowError: The registry or the state can't be reached.
    """
    told = []
    with StateDatabase(state) as database:
        for name, number in behind.items():
            told += _LineageSync(registry, state, database, name, number, progress).run()
    return told


@dataclass
class _LineageSync:
    registry: Registry
    state: str | None
    database: StateDatabase
    name: str
    number: int
    progress: Callable[[int, int], None]

    def run(self) -> list[str]:
        for _ in range(_ATTEMPTS):
            deployment = deployments.current(self.registry, self.name)
            number = deployment.number if deployment else self.number
            before = self._kept()
            if before is not None and before.number > number:
                return []  # somebody else saw a later switch
            here = deployment if deployment is not None and _records_at(deployment, self.state) else None
            told: list[str] = []
            elsewhere = deployment is not None and here is None
            if self._attempt(here, number, before, told, left=not elsewhere):
                return told
        return []  # others are at it, and what they leave is as true

    def _attempt(
        self, here: Deployment | None, number: int, before: _SyncState | None, told: list[str], *, left: bool
    ) -> bool:
        """Take an environment's lineage from what is kept to what stands; False when somebody else did meanwhile.

        What does not stand any more has `left` the environment, or its runs are recorded elsewhere.
        """
        standing: Mapping[str, DeployedPackage] = here.revision.packages if here else {}
        kept = before or _SyncState()
        same = {key for key, it in standing.items() if kept.packages.get(key, {}).get("bundle") == it.bundle}
        stale = {name for key in kept.packages if key not in same for name in kept.workflows(key)}
        found: dict[str, BundleWrites] = {}
        self._read(here, sorted(standing.keys() - same), found, told)
        stale |= {workflow for written in found.values() for workflow, _ in written}
        # A workflow that several packages call is told of by each: those that stay say their word on it again.
        again = {key for key in same if kept.workflows(key) & stale}
        self._read(here, sorted(again), found, told)
        packages = {key: dict(kept.packages[key]) for key in same - again}
        for key, written in found.items():
            packages[key] = {"bundle": standing[key].bundle, "workflows": sorted({name for name, _ in written})}
        row = {"number": number, "whole": packages.keys() == standing.keys(), "packages": packages}
        with self.database.begin() as connection:
            if not self._take(connection, before, row):
                return False
            delete_workflows(connection, Origin.DEPLOYED, self.name, sorted(stale))
            merged = _merged(found, standing)
            store_lineage(connection, [written for key, written in merged.items() if key[0] in stale])
            running = {id_ for it in standing.values() for id_ in it.workflows} | {workflow for workflow, _ in merged}
            if left:
                at = here.revision.at if here else dt.datetime.now(dt.UTC)
                store_lineage(
                    connection,
                    [self._gone(workflow, at) for workflow in sorted(stale - running)],
                )
        return True

    def _gone(self, workflow: str, at: dt.datetime) -> tuple[Producer, TableWrite]:
        return Producer(Origin.DEPLOYED, workflow, GONE, environment=self.name, seen=at), TableWrite(GONE, frozenset())

    def _read(
        self, here: Deployment | None, keys: Sequence[str], found: dict[str, BundleWrites], told: list[str]
    ) -> None:
        if here is None:
            return
        for number, key in enumerate(keys):
            self.progress(number, len(keys))
            try:
                found[key] = read_bundle(self.registry, here, key)
            except Exception as error:  # one package that can't be read is no reason to know nothing of the others
                told.append(f"the lineage of {key} in {self.name} can't be read: {first_line(error)}")

    def _kept(self) -> _SyncState | None:
        with self.database.begin() as connection:
            row = connection.execute(sa.select(deployed).where(*self._mine)).mappings().one_or_none()
        return None if row is None else _SyncState(row["number"], row["packages"])

    def _take(self, connection: sa.Connection, before: _SyncState | None, row: Mapping[str, object]) -> bool:
        """Write down what is kept from now on, unless somebody else did since it was looked at."""
        if before is None:
            key = {"registry": self.registry.address, "environment": self.name}
            inserted = dialect_insert(connection, deployed).values({**key, **row}).on_conflict_do_nothing()
            # How many rows such an insert wrote, PostgreSQL's driver does not say.
            return connection.execute(inserted.returning(deployed.c.number)).first() is not None
        changed = deployed.update().where(*self._mine, deployed.c.number == before.number).values(row)
        return bool(connection.execute(changed).rowcount == 1)

    @property
    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (deployed.c.registry == self.registry.address, deployed.c.environment == self.name)


def read_bundle(registry: Registry, deployment: Deployment, package: str) -> BundleWrites:
    """Read what the workflows of a deployed package write, and from where, out of its bundle alone.

    Args:
        registry: Where it is from.
        deployment: The environment.
        package: The package, by the name that it has there.

    Raises:
        DataflowError: An object is missing or corrupted.
    """
    sha256 = deployment.revision.packages[package].bundle
    bundle = load_bundle(registry, sha256)
    found: BundleWrites = {}
    for texts, checkout in bundle_lineage(registry, bundle, sha256, deployed_schema(registry, deployment, bundle)):
        if texts.is_incomplete:  # to say what it reads would be to say what it does not
            continue
        for target, write in texts.writes.items():
            producer = Producer(
                Origin.DEPLOYED,
                texts.workflow,
                target,
                owner=texts.owner,
                environment=deployment.name,
                bundle=sha256,
                file=checkout.path_of(texts.file),
                seen=deployment.revision.at,
            )
            first, before = found.get((texts.workflow, target), (producer, write))
            found[texts.workflow, target] = (first, before | write)
    return found


def bundle_lineage(
    registry: Registry, bundle: Bundle, sha256: str, schema: Mapping[str, Sequence[str]]
) -> Iterator[tuple[ScriptLineage, BundleCheckout]]:
    """Yield what the scripts of a bundle's own workflows say, with the checkout that they lie in meanwhile.

    Raises:
        DataflowError: An object is missing or corrupted.
    """
    from dataflow.deploy.deployed_run import read_workflows

    with read_workflows(registry, bundle, sha256) as (checkout, workflows):
        for workflow in workflows:
            for texts in read_script_lineage(workflow, schema, schema.keys()):
                yield texts, checkout


def deployed_schema(registry: Registry, deployment: Deployment, bundle: Bundle) -> dict[str, list[str]]:
    """Return the columns of the tables that a bundle makes, and of those it reads that other packages there make.

    The catalog is not asked: it may be far away from whoever deploys.
    """
    catalog = bundle.environment.environment().catalog_name
    found = _columns(bundle, catalog)
    read = {plain_name(table, catalog) for workflow in bundle.workflows.values() for table in workflow.reads}
    missing = read - found.keys()
    for other in deployment.revision.packages.values():
        if missing & {plain_name(it, catalog) for it in other.writes}:
            found = _columns(load_bundle(registry, other.bundle), catalog) | found
    return found


def _columns(bundle: Bundle, catalog: str) -> dict[str, list[str]]:
    return {plain_name(table, catalog): list(it.columns) for table, it in bundle.schemas.items() if it.columns}


def _merged(found: Mapping[str, BundleWrites], standing: Mapping[str, DeployedPackage]) -> BundleWrites:
    """Join what packages tell; of a workflow that several call, its own package has the last word."""
    merged: BundleWrites = {}
    for package, written in found.items():
        for key, told in written.items():
            if key not in merged or key[0] in standing[package].workflows:
                merged[key] = told
    return merged


def _records_at(deployment: Deployment, state: str | None) -> bool:
    """Say whether a deployment's runs are recorded at a state address.

    Without an address it is the Dataflow home of whoever runs it, and a sandbox or a branch is run by its owner.
    """
    switch = deployment.revision
    return switch.state == state and (state is not None or not switch.isolated or switch.by == current_user())
