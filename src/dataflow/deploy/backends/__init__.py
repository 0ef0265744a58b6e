"""What runs deployed workflows: one module for each, behind one protocol.

The core renders, bundles and adds revisions. A backend reports what it can't run, adds files of its own to the bundle,
makes a revision take effect where it schedules, starts runs, and reports their status. It reads bundles and the
registry, and nothing of a checkout.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.manifest import Bundle
    from dataflow.deploy.bundle.prepared_package import PreparedPackage
    from dataflow.deploy.deployments import Deployment


@dataclass(frozen=True)
class RunRequest:
    """A run to start.

    Attributes:
        deployment: Where.
        workflow: The workflow's id.
        date: The day that it is for; None for its own default.
        params: Parameters that it is given.
    """

    deployment: Deployment
    workflow: str
    date: dt.date | None = None
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TriggerStatus:
    """One of the triggers of a deployed workflow.

    Attributes:
        text: When it makes the workflow due, in words.
        by_tables: Whether publications do.
        next: When it does next; None where that is not known.
        last: When it did last, among the newest claims.
        status: What became of the run.
    """

    text: str
    by_tables: bool = False
    next: dt.datetime | None = None
    last: dt.datetime | None = None
    status: str | None = None


@dataclass(frozen=True)
class WorkflowStatus:
    """The status of a deployed workflow.

    Attributes:
        workflow: The workflow's id.
        schedule: Its schedule as text, or None.
        next: When it runs next.
        by_tables: Whether publications make it due.
        last: The id of its last run.
        status: The status of that run.
        started: When it started.
        triggers: Its triggers, each by itself.
    """

    workflow: str
    schedule: str | None = None
    next: dt.datetime | None = None
    last: str | None = None
    status: str | None = None
    started: dt.datetime | None = None
    by_tables: bool = False
    triggers: tuple[TriggerStatus, ...] = ()


class Backend(Protocol):
    """What runs deployed workflows."""

    def check(self, package: PreparedPackage) -> Sequence[str]:
        """Return what of a package can't run here; empty when all can."""

    def render(self, bundle: Bundle) -> Mapping[str, bytes]:
        """Return the files that this backend needs beside a bundle's own, by name; the same bundle, the same bytes."""

    def deploy(self, deployment: Deployment, registry: Registry) -> None:
        """Make a revision take effect; called again for the same one, it does nothing."""

    def start(self, start: RunRequest, registry: Registry) -> int:
        """Run a workflow to its end, and return the exit code."""

    def status(self, deployment: Deployment, registry: Registry) -> Sequence[WorkflowStatus]:
        """Return the status of an environment's workflows."""


def backend(name: str) -> Backend:
    """Return the backend that an environment names."""
    return cast("Backend", import_module(f"dataflow.deploy.backends.{name}").BACKEND)
