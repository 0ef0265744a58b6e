"""Taking over what another repository deployed: of before there were ids, or handed over."""

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
    """What would be taken over.

    Attributes:
        environment: Where.
        packages: The packages of others, by key.
        known: Whether the project's id is another repository's so far, and this one takes its place.
    """

    environment: str
    packages: dict[str, DeployedPackage]
    known: bool


def plan_adoption(source: DeploySource, repository: str | None) -> AdoptionPlan:
    """Say what would be taken over.

    Args:
        source: The project that takes over, and where.
        repository: Whose packages; those that have an id or a workflow of the project's own when None.

    Raises:
        UsageError: There is nothing of that name, or nothing that could be meant.
    """
    if source.ownership.id is None:
        raise UsageError("this project has no id that it could be known by", "git fetch --unshallow; or pin `id:`")
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
            raise UsageError(f"{source.target.name} runs nothing of another repository '{repository}'{near}")
    if not found and not known:
        raise UsageError(f"{source.target.name} runs nothing that could be meant", "name the repository that it is of")
    if known:
        found |= {key: it for key, it in deployed.items() if key not in others}
    return AdoptionPlan(source.target.name, found, known)


def _ours(source: DeploySource, package: DeployedPackage) -> DeployedPackage:
    """Return a package as one of the project's; a commit that it does not have says nothing of it any more."""
    commit = package.commit if package.commit and source.ownership.has(package.commit) else None
    return package.model_copy(update={"project": source.ownership.id, "commit": commit})


def adopt(source: DeploySource, planned: AdoptionPlan) -> Deployment | None:
    """Take over: what runs stays as it is, and is this project's from now on; None where nothing runs.

    Raises:
        DataflowError: Somebody deployed meanwhile.
    """
    before = source.current
    source.ownership.note(source.registry, over=planned.known)
    if before is None or not planned.packages:
        return before

    def make(found: Deployment | None) -> Revision:
        if found is None or found.number != before.number:
            raise DataflowError(f"somebody changed {before.name} just now: nothing was taken over", permanent=True)
        ours = {key: _ours(source, it) for key, it in planned.packages.items()}
        update = {"action": "adopt", "at": dt.datetime.now(dt.UTC), "by": current_user(), "restores": None}
        return found.revision.model_copy(update={**update, "packages": {**found.revision.packages, **ours}})

    return deployments.revise(source.registry, before.name, make)
