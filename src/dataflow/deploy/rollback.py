"""Rolling back to earlier bundles: nothing is built; tables return to what those had published, if asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.deployments import DeployedPackage, Revision
from dataflow.deploy.effect import take_effect
from dataflow.errors import DataflowError, UsageError
from dataflow.workflow.identity import current_user

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.deployments import Deployment
    from dataflow.tables.rollback import TableRollback


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback would do.

    Attributes:
        before: The environment as it is.
        to: The revision that it returns to.
        packages: What the packages become, by key; None for one that was not there then.
        tables: What their tables would return to; empty unless asked for.
    """

    before: Deployment
    to: Deployment
    packages: Mapping[str, DeployedPackage | None]
    tables: Sequence[TableRollback] = ()

    def roll_back_tables(self, registry: Registry) -> None:
        """Return the tables, before the switch: what ends it in between is finished by doing it again.

        Raises:
            DataflowError: Somebody else wrote to one meanwhile.
        """
        from dataflow.tables.catalog import open_catalog
        from dataflow.tables.rollback import roll_back

        bundle = next(it.bundle for it in self.packages.values() if it is not None)
        catalog = open_catalog(load_bundle(registry, bundle).environment.environment())
        for table in self.tables:
            roll_back(catalog, table)

    def apply(self, registry: Registry) -> Deployment:
        """Roll back.

        Raises:
            DataflowError: The environment was changed by somebody else meanwhile.
        """

        def make(found: Deployment | None) -> Revision:
            if found is None or found.number != self.before.number:
                raise DataflowError(
                    f"{self.before.name} has just been changed by somebody else: nothing was rolled back",
                    permanent=True,
                )
            packages = {**found.revision.packages, **self.packages}
            kept = {key: it for key, it in sorted(packages.items()) if it is not None}
            return found.revision.model_copy(
                update={
                    "action": "rollback",
                    "at": dt.datetime.now(dt.UTC),
                    "by": current_user(),
                    "packages": kept,
                    "restores": self.to.number,
                }
            )

        after = deployments.revise(registry, self.before.name, make)
        take_effect(registry, after, self.before)
        return after


def plan_rollback(
    registry: Registry,
    env: str,
    *,
    workflow: str | None = None,
    to: str | None = None,
    owns: Callable[[str, DeployedPackage], bool] | None = None,
    with_data: bool = False,
) -> RollbackPlan:
    """Return what a rollback would do.

    Args:
        registry: The registry.
        env: The environment.
        workflow: Only the package of this workflow; all of them when None.
        to: The number of a revision, or the id of a bundle; when None, the last revision that was different.
        owns: Selects the packages that are rolled back; all of them where it selects none.
        with_data: Whether tables are rolled back as well.

    Raises:
        UsageError: There is nothing to return to.
        DataflowError: Tables were written by others since.
    """
    past = deployments.history(registry, env)
    before = deployments.current(registry, env)
    if before is None:
        raise UsageError(f"nothing is deployed to '{env}'")
    keys = _keys(before, past, workflow, owns)
    target = _chosen(past, to, keys) if to else _previous(past, before, keys)
    every = {key: package for it in past for key, package in it.revision.packages.items()}
    packages = {key: _restored(target.revision.packages.get(key), every[key]) for key in keys}
    packages = {key: it for key, it in packages.items() if before.revision.packages.get(key) != it}
    if not packages:
        raise UsageError(f"{env} already runs what #{target.number} ran")
    tables = _tables(registry, before, packages) if with_data else ()
    return RollbackPlan(before, target, packages, tables)


def _restored(package: DeployedPackage | None, last: DeployedPackage) -> DeployedPackage | None:
    """Return a package as it was, with the project that it belongs to now: an adopted package stays adopted."""
    return package.model_copy(update={"project": last.project}) if package else None


def _keys(
    before: Deployment,
    past: Sequence[Deployment],
    workflow: str | None,
    owns: Callable[[str, DeployedPackage], bool] | None,
) -> list[str]:
    if workflow is not None:
        try:
            return [before.revision.workflows[before.workflow(workflow)]]
        except UsageError:
            gone = [it for it in reversed(past) if workflow in it.revision.workflows]  # one that was removed since
            if not gone:
                raise
            return [gone[0].revision.workflows[workflow]]
    every = {key: package for it in past for key, package in it.revision.packages.items()}
    own = [key for key, package in every.items() if owns is not None and owns(key, package)]
    return sorted(own or every)


def _same(one: Deployment, other: Deployment, keys: Sequence[str]) -> bool:
    return all(_bundle(one, key) == _bundle(other, key) for key in keys)


def _bundle(deployment: Deployment, key: str) -> str | None:
    package = deployment.revision.packages.get(key)
    return package.bundle if package else None


def _previous(past: Sequence[Deployment], before: Deployment, keys: Sequence[str]) -> Deployment:
    """Return the last earlier revision that ran something else; revisions that were rolled back are skipped."""
    start = before
    while start.revision.restores is not None:
        start = next(it for it in past if it.number == start.revision.restores)
    for it in reversed(past):
        if it.number < start.number and it.revision.action != "destroy" and not _same(it, before, keys):
            return it
    raise UsageError(
        f"{before.name} has no earlier deployment than #{start.number} to roll back to",
        f"`dataflow project history --env {before.name}` lists what ran",
    )


def _chosen(past: Sequence[Deployment], to: str, keys: Sequence[str]) -> Deployment:
    number = to.removeprefix("#")
    if number.isdecimal() and len(number) < 8:
        found = [it for it in past if it.number == int(number)]
    else:
        found = [it for it in past if any((_bundle(it, key) or "").startswith(to) for key in keys)]
    if not found or found[-1].revision.action == "destroy":
        listed = ", ".join(f"#{it.number}" for it in past[-8:])
        raise UsageError(f"there is no deployment '{to}' to roll back to", f"deployments: {listed}")
    return found[-1]


def _tables(
    registry: Registry, before: Deployment, packages: Mapping[str, DeployedPackage | None]
) -> tuple[TableRollback, ...]:
    from dataflow.tables.catalog import open_catalog
    from dataflow.tables.rollback import plan_table

    found = []
    for key, package in packages.items():
        if package is None:
            raise UsageError(f"{key} was not deployed then: its tables have no earlier state")
        bundle = load_bundle(registry, package.bundle)
        now = before.revision.packages.get(key)
        catalog = open_catalog(bundle.environment.environment())
        for table in sorted({*bundle.writes} & {*(now.writes if now else bundle.writes)}):
            planned = plan_table(catalog, table, package.bundle, package.uuid)
            if planned is not None:
                found.append(planned)
    return tuple(found)
