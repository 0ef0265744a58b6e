"""What runs deployed workflows: one module for each, behind one protocol.

The core renders, bundles and switches. A backend says what it can't run, adds files of its own to the bundle, makes
a switch take effect where it schedules, starts runs, and tells how they went. It reads bundles and the registry, and
nothing of a checkout.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle import Bundle
    from dataflow.deploy.deployments import Deployment
    from dataflow.deploy.prepared_package import PreparedPackage


@dataclass(frozen=True)
class RunRequest:
    """A run to be started.

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
class WorkflowStatus:
    """How a workflow stands.

    Attributes:
        workflow: The workflow's id.
        schedule: When it runs by itself, in words; None when nothing starts it.
        next: When it runs next.
        last: The id of its last run.
        status: How that went.
    """

    workflow: str
    schedule: str | None = None
    next: dt.datetime | None = None
    last: str | None = None
    status: str | None = None


class Backend(Protocol):
    """What runs deployed workflows."""

    def check(self, package: PreparedPackage) -> Sequence[str]:
        """Say what of a package can't be run here; nothing when all can."""

    def render(self, bundle: Bundle) -> Mapping[str, bytes]:
        """Return the files that this backend needs beside a bundle's own, by name; the same bundle, the same bytes."""

    def deploy(self, deployment: Deployment, registry: Registry) -> None:
        """Make a switch take effect; called again for one that did already, it does nothing."""

    def start(self, start: RunRequest, registry: Registry) -> int:
        """Run a workflow to its end, and return the exit code."""

    def status(self, deployment: Deployment, registry: Registry) -> Sequence[WorkflowStatus]:
        """Tell how an environment's workflows stand."""


def backend(name: str) -> Backend:
    """Return the backend that an environment names."""
    return cast("Backend", import_module(f"dataflow.deploy.backends.{name}").BACKEND)
