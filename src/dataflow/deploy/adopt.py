"""Adopting what another repository deployed: from before there were ids, or handed over."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.deploy.deployments import DeployedPackage, Revision
from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.workflow.identity import current_user

if TYPE_CHECKING:
    from dataflow.deploy.deployments import Deployment
    from dataflow.deploy.source import DeploySource


@dataclass(frozen=True)
class AdoptionPlan:
    """What would be adopted.

    Attributes:
        environment: Where.
        packages: The packages of others, by key.
        known: Whether the project's id belongs to another repository so far, whose place this one takes.
    """

    environment: str
    packages: dict[str, DeployedPackage]
    known: bool


def plan_adoption(source: DeploySource, repository: str | None) -> AdoptionPlan:
    """Return what would be adopted.

    Args:
        source: The project that adopts, and its target.
        repository: Whose packages; when None, those that have an id or a workflow of the project's own.

    Raises:
        UsageError: No package matches.
    """
    if source.ownership.id is None:
        raise UsageError("this project has no id", "git fetch --unshallow; or pin `id:`")
    deployed = source.current.revision.packages if source.current else {}
    others = {key: it for key, it in deployed.items() if not source.owns(key, it)}
    try:
        source.ownership.refuse_copy(source.registry, {k: it for k, it in deployed.items() if k not in others})
        known = False
    except DataflowError:
        known = True
    if repository is None:
        prepared = source.prepared().values()
        ids = {it.package.uuid for it in prepared} | {w.id for it in prepared for w in it.own_workflows.values()}
        found = {key: it for key, it in others.items() if it.uuid in ids or not ids.isdisjoint(it.workflows)}
    else:
        found = {key: it for key, it in others.items() if it.repository.casefold() == repository.casefold()}
        if not found:
            near = did_you_mean(repository, sorted({it.repository for it in others.values()}))
            raise UsageError(f"{source.target.name} runs no package of another repository '{repository}'{near}")
    if not found and not known:
        raise UsageError(
            f"{source.target.name} runs no package that matches this project", "name the repository that deployed it"
        )
    if known:
        found |= {key: it for key, it in deployed.items() if key not in others}
    return AdoptionPlan(source.target.name, found, known)


def _ours(source: DeploySource, package: DeployedPackage) -> DeployedPackage:
    """Return a package as the project's own; a commit that the project does not have is removed from it."""
    commit = package.commit if package.commit and source.ownership.has(package.commit) else None
    return package.model_copy(update={"project": source.ownership.id, "commit": commit})


def adopt(source: DeploySource, planned: AdoptionPlan) -> Deployment | None:
    """Adopt packages: what runs stays unchanged and belongs to this project; None where nothing is deployed.

    Raises:
        DataflowError: Somebody deployed meanwhile.
    """
    before = source.current
    source.ownership.register(source.registry, over=planned.known)
    if before is None or not planned.packages:
        return before

    def make(found: Deployment | None) -> Revision:
        if found is None or found.number != before.number:
            raise DataflowError(
                f"{before.name} has just been changed by somebody else: nothing was adopted", permanent=True
            )
        ours = {key: _ours(source, it) for key, it in planned.packages.items()}
        update = {"action": "adopt", "at": dt.datetime.now(dt.UTC), "by": current_user(), "restores": None}
        return found.revision.model_copy(update={**update, "packages": {**found.revision.packages, **ours}})

    return deployments.revise(source.registry, before.name, make)
