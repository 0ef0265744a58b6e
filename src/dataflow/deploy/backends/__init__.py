"""What runs deployed workflows: one module for each, behind one protocol.

The core renders, bundles and adds revisions. A backend reports what it can't run, makes a revision take effect where it
schedules, and starts runs. It reads bundles and the registry, and nothing of a checkout.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.outline import WorkflowOutline
    from dataflow.deploy.deployments import Deployment
    from dataflow.errors import Problem
    from dataflow.workflow.periods import Period
    from dataflow.workflow.project import Environment
    from dataflow.workflow.render import Rendering
    from dataflow.workflow.resolved import Workflow
    from dataflow.workflow.yamlfile import YamlFile


@dataclass(frozen=True)
class RunRequest:
    """A run to start.

    Attributes:
        deployment: Where.
        workflow: The workflow's id.
        date: The day, or other period, that it is for; None for its own default.
        params: Parameters that it is given.
    """

    deployment: Deployment
    workflow: str
    date: dt.date | Period | str | None = None
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

    def outline(
        self, workflow: Workflow, rendering: Rendering, file: YamlFile
    ) -> tuple[WorkflowOutline | None, Sequence[Problem]]:
        """Return what it has to know of a workflow beside its text, and what of the definition can't run here."""

    def check(self, name: str, environment: Environment, workflows: Iterable[str]) -> Sequence[str]:
        """Return why workflows can't be deployed under a name here; empty when they can."""

    def follow(self, name: str, environment: Environment, registry: Registry, *, leaves: bool = False) -> None:
        """Make what a deployment runs now take effect; called again, it does what is left.

        Args:
            name: The deployment.
            environment: Its settings.
            registry: Where it is deployed.
            leaves: Whether it runs nothing here any more.
        """

    def start(self, start: RunRequest, registry: Registry) -> int:
        """Run a workflow to its end, and return the exit code."""


def backend(name: str) -> Backend:
    """Return the backend that an environment names."""
    return cast("Backend", import_module(f"dataflow.deploy.backends.{name}").BACKEND)
