"""Running what the schedules of deployed workflows have made due."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.deploy.backends import backend, local
from dataflow.deploy.deployments import require_current
from dataflow.deploy.lateness import tell_late
from dataflow.errors import DataflowError
from dataflow.report import Report

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.backends import WorkflowStatus
    from dataflow.deploy.backends.local import DueRun
    from dataflow.deploy.deployments import Deployment


_NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(frozen=True)
class DueOutcome:
    """A moment that was due, and what became of it.

    Attributes:
        environment: The deployment.
        workflow: The workflow's id; empty where the deployment could not be looked at.
        status: `due`, `succeeded`, `failed` or `taken by another`.
        moment: When it should have started; None where its schedule could not be read.
        date: The day that the run is for.
        error: Why it could not be run.
    """

    environment: str
    workflow: str
    status: str
    moment: dt.datetime | None = None
    date: dt.date | None = None
    error: DataflowError | None = None


@dataclass(frozen=True)
class Scheduled:
    """A deployed workflow with a schedule.

    Attributes:
        environment: The deployment.
        paused: Whether its schedules don't run, as those of sandboxes and branches.
        status: The workflow, when it ran last, and when it runs next.
    """

    environment: str
    paused: bool
    status: WorkflowStatus


def scheduled(registry: Registry, env: str | None) -> list[Scheduled]:
    """Return the deployed workflows that have a schedule, what runs next first, what is paused last.

    Args:
        registry: Where deployments are.
        env: The one deployment to look at; None for all.

    Raises:
        UsageError: There is no such deployment.
        DataflowError: The run records of one can't be reached.
    """
    places = [require_current(registry, env)] if env else list(deployments.all_current(registry))
    found = [
        Scheduled(place.name, place.revision.isolated, status)
        for place in places
        for status in backend(place.revision.backend).status(place, registry)
        if status.schedule is not None
    ]
    return sorted(found, key=lambda it: (it.status.next or _NEVER, it.environment, it.status.workflow))


def variables_of_due(registry: Registry) -> dict[str, str]:
    """Return the environment variables by which `due` finds what is here: home, user, registry, and Java if any."""
    from dataflow.home import home
    from dataflow.spark.java import find_java
    from dataflow.workflow.identity import current_user

    java: dict[str, str] = {}
    with contextlib.suppress(DataflowError):  # a run will say how to get one
        java["JAVA_HOME"] = str(find_java().home)
    return {
        "DATAFLOW_HOME": str(home()),
        "DATAFLOW_USER": current_user(),
        "DATAFLOW_REGISTRY": registry.address,
        **java,
    }


def is_anything_deployed(registry: Registry) -> bool:
    """Return whether any environment runs something."""
    return next(iter(deployments.all_current(registry)), None) is not None


def run_due(
    registry: Registry, env: str | None, now: dt.datetime, report: Report, *, dry_run: bool
) -> Iterator[DueOutcome]:
    """Run what is due, one after the other; what can't be looked at keeps nothing else from running.

    Args:
        registry: Where deployments are.
        env: The one deployment to look at; None for all.
        now: This moment.
        report: Receives what is about to run.
        dry_run: Whether to run nothing.

    Raises:
        UsageError: There is no such deployment.
    """
    for place in [require_current(registry, env)] if env else list(deployments.all_current(registry)):
        if not dry_run:
            try:
                for line in tell_late(place, registry, now):
                    report(line)
            except DataflowError as error:
                yield DueOutcome(place.name, "", "failed", error=error)
                continue
        if place.revision.backend == "local":
            found, failures = _due(registry, place, now)
            yield from failures
            for it in found:
                yield _as_run(it, "due") if dry_run else _run(registry, it, report)


def _due(registry: Registry, place: Deployment, now: dt.datetime) -> tuple[list[DueRun], list[DueOutcome]]:
    failures: list[DueOutcome] = []

    def failed(workflow: str, error: DataflowError) -> None:
        failures.append(DueOutcome(place.name, workflow, "failed", error=error))

    try:
        by_schedule = local.due(place, now, failed)
        mine = {run.workflow for run in by_schedule}  # which looks at its tables by itself
        by_tables = [run for run in local.due_by_tables(place, registry, now, failed) if run.workflow not in mine]
        return [*by_schedule, *by_tables], failures
    except DataflowError as error:  # its run records can't be reached
        failed("", error)
        return [], failures


def _run(registry: Registry, found: DueRun, report: Report) -> DueOutcome:
    report(f"{found.workflow} is due since {found.moment:%Y-%m-%d %H:%M %Z}")
    try:
        code = local.run_due(found, registry)
    except DataflowError as error:
        return _as_run(found, "failed", error)
    return _as_run(found, "taken by another" if code is None else "succeeded" if code == 0 else "failed")


def _as_run(found: DueRun, status: str, error: DataflowError | None = None) -> DueOutcome:
    return DueOutcome(found.deployment.name, found.workflow, status, found.moment, found.date, error)
