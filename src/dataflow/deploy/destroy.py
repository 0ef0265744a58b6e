"""Destroying sandboxes and branch deployments: listed first, and only what is recorded as theirs.

A table is dropped when it is in the deployment's own database and carries the id of a package that was deployed there
(in a sandbox: of any package, as plain runs write there too). Other tables of the database are named and kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.deploy.deployments import Revision
from dataflow.deploy.effect import settings_of, take_effect
from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.workflow import table_names
from dataflow.workflow.identity import current_user
from dataflow.workflow.project import SANDBOX, Environment

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from dataflow.assets.registry import Registry
    from dataflow.deploy.deployments import Deployment


@dataclass(frozen=True)
class DestroyPlan:
    """What would be destroyed.

    Attributes:
        environment: The deployment's name.
        deployment: The deployment; None for a sandbox to which nothing was ever deployed.
        settings: Its settings.
        database: Its database.
        tables: The tables that would be dropped.
        left: Other tables of the database, which are kept.
        expired: When it expired, where a sweep destroys it.
    """

    environment: str
    deployment: Deployment | None
    settings: Environment
    database: str
    tables: tuple[str, ...]
    left: tuple[str, ...]
    expired: dt.datetime | None = None

    @property
    def workflows(self) -> tuple[str, ...]:
        """The workflows that would no longer be deployed."""
        return tuple(sorted(self.deployment.revision.workflows)) if self.deployment else ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to destroy."""
        return self.deployment is None and not self.tables


def plan_destroy(registry: Registry, name: str, settings: Environment) -> DestroyPlan:
    """Return what destroying a deployment would remove.

    Args:
        registry: The registry.
        name: The deployment.
        settings: The settings of its environment, for a deployment without a bundle.

    Raises:
        UsageError: It is a shared environment.
    """
    deployment = deployments.current(registry, name)
    if deployment is not None:
        if not deployment.revision.isolated:
            raise UsageError(f"{name} is a shared environment: only sandboxes and branch deployments can be destroyed")
        settings = settings_of(registry, deployment) or settings
    if not settings.isolated:
        raise UsageError(f"{name} is a shared environment: only sandboxes and branch deployments can be destroyed")
    database = settings.params["TARGET_DB"]
    tables, left = _tables(registry, name, settings, database, every=name.startswith(f"{SANDBOX}-"))
    return DestroyPlan(name, deployment, settings, database, tables, left)


def plan_sweep(registry: Registry, at: dt.datetime) -> list[DestroyPlan]:
    """Return what destroying the expired sandboxes and branch deployments would remove.

    Of a sandbox only what was deployed to it is removed: the rest is the user's own.
    """
    found = []
    for deployment in deployments.all_current(registry):
        expires = deployment.revision.expires
        settings = settings_of(registry, deployment)
        if deployment.revision.isolated and expires is not None and expires <= at and settings is not None:
            database = str(deployment.revision.database)
            tables, left = _tables(registry, deployment.name, settings, database, every=False)
            found.append(DestroyPlan(deployment.name, deployment, settings, database, tables, left, expires))
    return found


def destroy(registry: Registry, planned: DestroyPlan, report: Callable[[str], None] = lambda _: None) -> None:
    """Destroy a deployment. Its record is removed last, so that an interrupted destroy can be repeated.

    Raises:
        DataflowError: A table can't be dropped, or somebody deployed there meanwhile.
    """
    from dataflow.tables.catalog import open_catalog

    take_effect(registry, None, planned.deployment)  # nothing runs any more when tables go
    catalog = open_catalog(planned.settings)
    for table in planned.tables:
        _drop(catalog, table)
        report(f"dropped {table}")
    if planned.tables and not planned.left:
        _drop_database(catalog, planned.database)
    if planned.deployment is None:
        return
    number = planned.deployment.number

    def make(found: deployments.Deployment | None) -> Revision | None:
        if found is None:
            return None  # somebody else has just done the same
        if found.number != number:
            raise DataflowError(
                f"{planned.environment} has just been changed by somebody else: nothing was destroyed", permanent=True
            )
        return Revision(action="destroy", at=dt.datetime.now(dt.UTC), by=current_user(), database=planned.database)

    deployments.revise(registry, planned.environment, make)


def isolated_names(registry: Registry, user: str | None = None) -> list[str]:
    """Return the names of sandboxes and branch deployments, of one user or all."""
    names = [it.name for it in deployments.all_current(registry) if it.revision.isolated]
    return [name for name in names if user is None or name.endswith(f"-{user}")]


def was_ever_deployed(registry: Registry, name: str) -> bool:
    """Say whether anything was ever deployed under a name, which may be destroyed twice."""
    return bool(registry.numbers(f"{deployments.PREFIX}/{name}"))


def not_deployed_error(registry: Registry, name: str, user: str) -> UsageError:
    """Return the error for a deployment that does not exist."""
    known = isolated_names(registry, user)
    return UsageError(f"there is no deployment '{name}'{did_you_mean(name, known)}")


def _tables(
    registry: Registry, name: str, settings: Environment, database: str, *, every: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tables of a deployment's database that are its own, and the others."""
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    from dataflow.tables.catalog import open_catalog
    from dataflow.tables.properties import PACKAGE

    catalog = open_catalog(settings)
    past = deployments.history(registry, name)
    uuids = {package.uuid for it in past for package in it.revision.packages.values()}
    written = {table for it in past for package in it.revision.packages.values() for table in package.writes}
    sandbox = name.startswith(f"{SANDBOX}-")
    ours: list[str] = []
    left: list[str] = []
    try:
        listed = catalog.list_tables(table_names.split(database))
    except NoSuchNamespaceError:
        listed = []
    for parts in sorted(listed):
        table = table_names.joined(parts)
        try:
            mark = catalog.load_table(parts).properties.get(PACKAGE)
        except NoSuchTableError:  # somebody has just dropped it
            continue
        is_ours = mark is not None and (every or (mark in uuids and (not sandbox or table in written)))
        (ours if is_ours else left).append(table)
    return tuple(ours), tuple(left)


def _drop(catalog: Catalog, table: str) -> None:
    from pyiceberg.exceptions import NoSuchTableError

    try:
        catalog.purge_table(table_names.split(table))
    except NoSuchTableError:
        return
    except NotImplementedError:
        catalog.drop_table(table_names.split(table))
    except Exception as error:  # each kind of catalog raises its own
        raise DataflowError(f"{table} can't be dropped: {error}") from error


def _drop_database(catalog: Catalog, database: str) -> None:
    from pyiceberg.exceptions import NamespaceNotEmptyError, NoSuchNamespaceError

    try:
        catalog.drop_namespace(table_names.split(database))
    except (NamespaceNotEmptyError, NoSuchNamespaceError):
        return
