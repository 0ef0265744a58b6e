"""Schedules as the page shows them: when each trigger of a workflow led to a run last, and when it does next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.deploy.backends.statuses import workflow_status
from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.backends import TriggerStatus, WorkflowStatus
    from dataflow.deploy.deployments import DeployedPackage, Deployment
    from dataflow.state.database import StateDatabase

_NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)

OpenState = Callable[[str | None], AbstractContextManager["StateDatabase"]]
"""Opens a state address for who only looks; raises where it can't be read, or is of an earlier version."""


@dataclass(frozen=True)
class TriggerRow:
    """One of the triggers of a workflow.

    Attributes:
        text: When it makes the workflow due, in words.
        by_tables: Whether publications of tables do.
        last: When it led to a run last; None where it never did, among the newest.
        status: What became of that run.
        next: When it does next; None where nobody knows.
    """

    text: str
    by_tables: bool
    last: dt.datetime | None
    status: str | None
    next: dt.datetime | None


@dataclass(frozen=True)
class ScheduleRow:
    """A deployed workflow with a schedule.

    Attributes:
        environment: The deployment.
        workflow: Its id.
        package: The folder of its package in the repository.
        repository: The repository that it was deployed from.
        backend: What runs it.
        is_paused: Whether its schedule does not run, as those of branches.
        expected_by: The time of day by which a run should have succeeded; None where nothing is expected.
        last_run: The id of its last run.
        last_status: What became of that.
        last_started: When that started.
        next: When it runs next; None where nobody knows.
        triggers: Its triggers, each by itself.
    """

    environment: str
    workflow: str
    package: str
    repository: str
    backend: str
    is_paused: bool
    expected_by: str | None
    last_run: str | None
    last_status: str | None
    last_started: dt.datetime | None
    next: dt.datetime | None
    triggers: tuple[TriggerRow, ...]

    @property
    def waits(self) -> str:
        """Why there is no moment at which it runs next, in words; empty where there is one."""
        if self.is_paused:
            return "paused"
        if self.next is not None:
            return ""
        return "on publication" if any(it.by_tables for it in self.triggers) else "never"


@dataclass(frozen=True)
class Unreadable:
    """A deployment whose run records can't be read.

    Attributes:
        environment: The deployment.
        why: Why not, in words.
    """

    environment: str
    why: str


@dataclass(frozen=True)
class Schedules:
    """The schedules of what is deployed.

    Attributes:
        rows: The workflows: what runs next first, what is paused last.
        unreadable: The deployments whose run records can't be read.
        deployed: How many deployments were looked at.
    """

    rows: tuple[ScheduleRow, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    deployed: int = 0


def schedules(registry: Registry, environment: str | None, open_state: OpenState) -> Schedules:
    """Return the schedules of what is deployed.

    Args:
        registry: Where deployments are.
        environment: The one deployment to look at; None for all.
        open_state: Opens the state address of a deployment.

    Raises:
        DataflowError: The registry can't be read.
    """
    rows: list[ScheduleRow] = []
    unreadable: list[Unreadable] = []
    places = _places(registry, environment)
    for place in places:
        try:
            with open_state(place.revision.state) as database:
                rows += _rows(place, database)
        except DataflowError as error:
            unreadable.append(Unreadable(place.name, str(error)))
    rows.sort(key=lambda it: (it.is_paused, it.next or _NEVER, it.environment, it.workflow))
    return Schedules(tuple(rows), tuple(unreadable), len(places))


def _places(registry: Registry, environment: str | None) -> list[Deployment]:
    if environment is None:
        return list(deployments.all_current(registry))
    found = deployments.current(registry, environment)
    return [] if found is None else [found]


def _rows(place: Deployment, database: StateDatabase) -> Iterator[ScheduleRow]:
    for key, package in place.revision.packages.items():
        for id_, schedule in package.workflows.items():
            if schedule is not None:
                yield _row(place, workflow_status(place, database, id_, schedule), key, package)


def _row(place: Deployment, status: WorkflowStatus, key: str, package: DeployedPackage) -> ScheduleRow:
    schedule = package.workflows[status.workflow]
    return ScheduleRow(
        place.name,
        status.workflow,
        key.rpartition(":")[2],
        package.repository,
        place.revision.backend,
        place.revision.isolated,
        schedule.expected_by if schedule is not None else None,
        status.last,
        status.status,
        status.started,
        status.next,
        tuple(map(_trigger, status.triggers)),
    )


def _trigger(found: TriggerStatus) -> TriggerRow:
    return TriggerRow(found.text, found.by_tables, found.last, found.status, found.next)
