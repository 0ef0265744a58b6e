"""What was deployed where, and what each deployment changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.assets.registry import open_registry
from dataflow.deploy import deployments
from dataflow.deploy.ownership import ProjectOwnership
from dataflow.deploy.source import project_in
from dataflow.deploy.targets import target_of
from dataflow.repository.checkout import read_checkout
from dataflow.repository.tree import tree_of_disk

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.deployments import DeployedPackage, Deployment


@dataclass(frozen=True)
class DeploymentHere:
    """A deployment, as a project sees it.

    Attributes:
        registry: Where deployments are.
        name: Its name.
        owns: Says whether a package of it is of this project.
    """

    registry: Registry
    name: str
    owns: Callable[[str, DeployedPackage], bool]


def deployment_here(folder: Path, env: str | None) -> DeploymentHere:
    """Return the deployment that is named, or that of the branch that is checked out in a folder."""
    checkout = read_checkout(folder)
    project, scope = project_in(checkout, folder)
    whose = ProjectOwnership(checkout, tree_of_disk(checkout.root), scope, project.id)
    return DeploymentHere(open_registry(project), env or target_of(checkout, project).name, whose.owns)


def changes(here: DeploymentHere, limit: int) -> list[dict[str, Any]]:
    """Return what the last deployments changed, the last one first, as plain data."""
    return [change(now, before) for before, now in last_revisions(here.registry, here.name, limit)]


def last_revisions(registry: Registry, name: str, limit: int) -> list[tuple[Deployment | None, Deployment]]:
    """Return the last revisions of an environment, each behind the one before it, the last one first.

    Those that are older are not read, however many there are.
    """
    found = deployments.history(registry, name, limit + 1)
    before = [None, *found] if len(found) <= limit else found
    return list(zip(before, found[-limit:], strict=False))[::-1]


def change(now: Deployment, before: Deployment | None) -> dict[str, Any]:
    """Return what a revision changed, as plain data."""
    old = before.revision.packages if before else {}
    changed = {
        key.rpartition(":")[2]: it.bundle[:12]
        for key, it in now.revision.packages.items()
        if not _same(old.get(key), it)
    }
    revision = now.revision
    action = f"{revision.action} to #{revision.restores}" if revision.restores else revision.action
    commits = {it.commit[:8] for key, it in revision.packages.items() if it.commit and not _same(old.get(key), it)}
    return {
        "number": now.number,
        "at": revision.at,
        "by": revision.by,
        "action": action,
        "commit": ", ".join(sorted(commits)) if revision.action == "deploy" else "",
        "changed": changed,
        "removed": sorted(key.rpartition(":")[2] for key in old if key not in revision.packages),
    }


def _same(one: DeployedPackage | None, other: DeployedPackage) -> bool:
    return one is not None and one.bundle == other.bundle
