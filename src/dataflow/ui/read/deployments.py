"""Deployments as the pages show them: what runs where, who changed it when, and how two revisions differ."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.bundle_diff import BundleDiff, bundle_diff
from dataflow.deploy.history import change, last_revisions
from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.deployments import DeployedPackage, Deployment

_MOST = 50
"""How many revisions of a deployment are listed, of the latest."""


@dataclass(frozen=True)
class DeploymentSummary:
    """A deployment, as it is now.

    Attributes:
        name: The environment.
        number: The number of its last revision.
        action: What that did.
        at: When.
        by: Who did it.
        packages: How many packages it runs; 0 where all were destroyed.
        workflows: How many workflows.
        database: The one database that it writes, where it is isolated.
        expires: When it expires.
        backend: What runs its workflows.
    """

    name: str
    number: int
    action: str
    at: dt.datetime
    by: str
    packages: int
    workflows: int
    database: str | None
    expires: dt.datetime | None
    backend: str


@dataclass(frozen=True)
class RevisionRow:
    """A revision in the history of a deployment.

    Attributes:
        number: Its number.
        at: When it was made.
        by: By whom.
        action: What was done, in words.
        commit: The commits that were deployed; empty where none is known.
        changed: The packages that got another bundle, with the beginning of its checksum.
        removed: The packages that are gone.
    """

    number: int
    at: dt.datetime
    by: str
    action: str
    commit: str
    changed: Mapping[str, str]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class PackageDiff:
    """How a package differs between two revisions.

    Attributes:
        key: The package.
        path: Its folder in the repository.
        action: `added`, `changed` or `removed`.
        before: The beginning of its earlier bundle's checksum; empty where there is none.
        after: That of its later one.
        before_commit: The commit of the earlier one; None where none is known.
        after_commit: The commit of the later one.
        diff: All that differs; None where a bundle can't be read.
        why: Why it can't be read; empty where it can.
    """

    key: str
    path: str
    action: str
    before: str
    after: str
    before_commit: str | None
    after_commit: str | None
    diff: BundleDiff | None
    why: str = ""


@dataclass(frozen=True)
class RevisionDetail:
    """A revision with all that it changed.

    Attributes:
        name: The environment.
        row: What the history says of it.
        packages: The packages that it changed.
        unchanged: How many it left as they were.
        has_before: Whether there is an earlier revision.
        has_after: Whether there is a later one.
    """

    name: str
    row: RevisionRow
    packages: tuple[PackageDiff, ...]
    unchanged: int
    has_before: bool
    has_after: bool


@dataclass(frozen=True)
class DeploymentHistory:
    """The latest revisions of a deployment.

    Attributes:
        summary: The deployment as it is now.
        rows: Its revisions, the latest first.
        earlier: How many earlier ones are not listed.
    """

    summary: DeploymentSummary
    rows: tuple[RevisionRow, ...]
    earlier: int = 0


def deployment_names(registry: Registry) -> list[str]:
    """Return the environments that anything was ever deployed to."""
    return registry.folders(deployments.PREFIX)


def deployment_list(registry: Registry) -> list[DeploymentSummary]:
    """Return all deployments, as they are now: those that were destroyed last.

    Raises:
        DataflowError: The registry can't be read.
    """
    found = [_summary(it) for name in deployment_names(registry) for it in deployments.history(registry, name, 1)]
    return sorted(found, key=lambda it: (it.packages == 0, it.database is not None, it.name))


def deployment_history(registry: Registry, name: str, most: int = _MOST) -> DeploymentHistory | None:
    """Return the latest revisions of a deployment; None where nothing was ever deployed there.

    Raises:
        DataflowError: The registry can't be read.
    """
    found = last_revisions(registry, name, most)
    if not found:
        return None
    last = found[0][1]
    return DeploymentHistory(
        _summary(last), tuple(_row(now, before) for before, now in found), last.number - len(found)
    )


def revision(registry: Registry, name: str, number: int) -> RevisionDetail | None:
    """Return a revision with all that it changed; None where there is none of this number.

    Raises:
        DataflowError: The registry can't be read.
    """
    now = deployments.revision_numbered(registry, name, number)
    if now is None:
        return None
    before = deployments.revision_numbered(registry, name, number - 1)
    packages = tuple(_packages(registry, before, now))
    changed = sum(it.action in {"changed", "added"} for it in packages)
    has_after = deployments.revision_numbered(registry, name, number + 1) is not None
    return RevisionDetail(
        name, _row(now, before), packages, len(now.revision.packages) - changed, before is not None, has_after
    )


def _packages(registry: Registry, before: Deployment | None, now: Deployment) -> Iterator[PackageDiff]:
    old = before.revision.packages if before is not None else {}
    new = now.revision.packages
    for key in sorted({*old, *new}):
        was, then = old.get(key), new.get(key)
        if was is None or then is None or was.bundle != then.bundle:
            yield _package(registry, key, was, then)


def _package(registry: Registry, key: str, was: DeployedPackage | None, then: DeployedPackage | None) -> PackageDiff:
    action = "removed" if then is None else "changed" if was is not None else "added"
    diff, why = None, ""
    try:
        diff = bundle_diff(registry, *(None if it is None else load_bundle(registry, it.bundle) for it in (was, then)))
    except DataflowError as error:
        why = str(error)
    return PackageDiff(
        key,
        key.rpartition(":")[2],
        action,
        was.bundle[:12] if was is not None else "",
        then.bundle[:12] if then is not None else "",
        was.commit if was is not None else None,
        then.commit if then is not None else None,
        diff,
        why,
    )


def _summary(found: Deployment) -> DeploymentSummary:
    it = found.revision
    return DeploymentSummary(
        found.name,
        found.number,
        it.action,
        it.at,
        it.by,
        len(it.packages),
        len(it.workflows),
        it.database,
        it.expires,
        it.backend,
    )


def _row(now: Deployment, before: Deployment | None) -> RevisionRow:
    found = change(now, before)
    return RevisionRow(**{**found, "removed": tuple(found["removed"])})
