"""Running what the schedules of deployed workflows have made due."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.deploy import deployments
from dataflow.deploy.backends import local
from dataflow.deploy.backends.statuses import statuses
from dataflow.deploy.backends.triggers import following, schedule_of
from dataflow.deploy.deployments import require_current
from dataflow.deploy.lateness import tell_late
from dataflow.errors import DataflowError
from dataflow.report import Report

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.backends import WorkflowStatus
    from dataflow.deploy.backends.local import ClaimedRun, DueRun
    from dataflow.deploy.deployments import Deployment
    from dataflow.workflow.resolved import Workflow


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
        is_over: Whether what is due after it has to wait for another call.
    """

    environment: str
    workflow: str
    status: str
    moment: dt.datetime | None = None
    date: dt.date | None = None
    error: DataflowError | None = None
    is_over: bool = False


@dataclass(frozen=True)
class Scheduled:
    """A deployed workflow with a schedule.

    Attributes:
        environment: The deployment.
        paused: Whether its schedules don't run, as those of sandboxes and branches.
        status: The workflow, when it ran last, and when it runs next.
        backend: What runs it on its schedule.
    """

    environment: str
    paused: bool
    status: WorkflowStatus
    backend: str = "local"


def scheduled(
    registry: Registry, env: str | None, look: Callable[[Deployment], list[WorkflowStatus]] = statuses
) -> list[Scheduled]:
    """Return the deployed workflows that have a schedule, what runs next first, what is paused last.

    Args:
        registry: Where deployments are.
        env: The one deployment to look at; None for all.
        look: Tells how the workflows of one stand; `coming` without a look at what has run.

    Raises:
        UsageError: There is no such deployment.
        DataflowError: The run records of one can't be reached.
    """
    places = [require_current(registry, env)] if env else list(deployments.all_current(registry))
    found = [
        Scheduled(place.name, place.revision.isolated, status, place.revision.backend)
        for place in places
        for status in look(place)
        if status.schedule is not None
    ]
    return sorted(found, key=lambda it: (it.status.next or _NEVER, it.environment, it.status.workflow))


def next_of_triggers(workflow: Workflow, now: dt.datetime) -> list[dt.datetime | None]:
    """Return when each trigger of a workflow would make it due next, were it deployed; None for tables."""
    schedule = schedule_of(workflow)
    found = schedule.triggers if schedule is not None else ()
    return [following(workflow.id, it, now) if it.cron else None for it in found]


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
    registry: Registry,
    env: str | None,
    now: dt.datetime,
    report: Report,
    *,
    dry_run: bool,
    workflow: str | None = None,
) -> Iterator[DueOutcome]:
    """Run what is due, one after the other; what can't be looked at keeps nothing else from running.

    What Airflow runs on its schedule is not due here; what tables make due is, where a workflow is named: the DAG that
    they wake does so.

    Args:
        registry: Where deployments are.
        env: The one deployment to look at; None for all.
        now: This moment.
        report: Receives what is about to run.
        dry_run: Whether to run nothing.
        workflow: The one workflow to look at; None for all.

    Raises:
        UsageError: There is no such deployment, or it has no such workflow.
    """
    for place in [require_current(registry, env)] if env else list(deployments.all_current(registry)):
        if not dry_run:
            try:
                for line in tell_late(place, registry, now):
                    report(line)
            except DataflowError as error:
                yield DueOutcome(place.name, "", "failed", error=error)
                continue
        only = None if workflow is None else place.workflow(workflow)
        if place.revision.backend == "local" or only is not None:
            found, failures = _due(registry, place, now)
            found = [it for it in found if only in (None, it.workflow)]
            yield from (it for it in failures if only in (None, it.workflow) or not it.workflow)
            for _, group in itertools.groupby(found, key=lambda it: it.workflow):
                runs = list(group)
                yield from (_as_run(it, "due") for it in runs) if dry_run else _run_all(registry, runs, report)


def _due(registry: Registry, place: Deployment, now: dt.datetime) -> tuple[list[DueRun], list[DueOutcome]]:
    failures: list[DueOutcome] = []

    def failed(workflow: str, error: DataflowError) -> None:
        failures.append(DueOutcome(place.name, workflow, "failed", error=error))

    try:
        by_schedule = local.due(place, now, failed) if place.revision.backend == "local" else []
        found = _each_day_once(by_schedule, local.due_by_tables(place, registry, now, failed))
        return sorted(found, key=lambda it: it.workflow), failures
    except DataflowError as error:  # its run records can't be reached
        failed("", error)
        return [], failures


def _each_day_once(by_schedule: Sequence[DueRun], by_tables: Sequence[DueRun]) -> list[DueRun]:
    """Return what is due; where a schedule and tables make a workflow due for one day, that is one run.

    What tables published for other days comes when what the schedule made due is over: the next call looks again.
    """
    news = {(it.workflow, it.date): it.publication for it in by_tables if it.publication and not it.publication.key}
    scheduled = [dataclasses.replace(it, serves=news.pop((it.workflow, it.date), None)) for it in by_schedule]
    mine = {it.workflow for it in by_schedule}
    return [*scheduled, *(it for it in by_tables if it.workflow not in mine)]


def _run_all(registry: Registry, found: Sequence[DueRun], report: Report) -> Iterator[DueOutcome]:
    """Run what is due of one workflow, in order, as many at once as may be."""
    at_once = found[0].at_once
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        free = threading.Semaphore(at_once)
        begun: list[Future[DueOutcome]] = []
        for it in found:
            free.acquire()
            report(f"{it.workflow} is due since {it.moment:%Y-%m-%d %H:%M %Z}")
            claimed = _claim(it)
            if isinstance(claimed, DueOutcome):
                yield claimed
                if claimed.is_over:
                    break
                free.release()
            elif at_once == 1:
                yield _run(registry, claimed, free)
            else:
                begun.append(pool.submit(_run, registry, claimed, free))
        yield from (it.result() for it in begun)


def _claim(found: DueRun) -> ClaimedRun | DueOutcome:
    """Claim what is due; what can't be claimed keeps what follows it from beginning, unless another has claimed it."""
    try:
        claimed = local.claim(found)
    except DataflowError as error:
        return dataclasses.replace(_as_run(found, "failed", error), is_over=True)
    if isinstance(claimed, local.ClaimedRun):
        return claimed
    return dataclasses.replace(_as_run(found, "taken by another"), is_over=claimed == "full")


def _run(registry: Registry, claimed: ClaimedRun, free: threading.Semaphore) -> DueOutcome:
    try:
        code = claimed.run(registry)
    except DataflowError as error:
        return _as_run(claimed.found, "failed", error)
    finally:
        free.release()
    return _as_run(claimed.found, "succeeded" if code == 0 else "failed")


def _as_run(found: DueRun, status: str, error: DataflowError | None = None) -> DueOutcome:
    return DueOutcome(found.deployment.name, found.workflow, status, found.moment, found.date, error)
