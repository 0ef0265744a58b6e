"""Telling that a scheduled run is late: it has not succeeded by the time that its definition expects."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from dataflow.deploy.backends.moments import latest_moment
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.deployed_run import read_workflows
from dataflow.errors import DataflowError
from dataflow.state.database import StateDatabase, UtcDateTime, metadata
from dataflow.state.run_records import runs
from dataflow.state.utc import now as moment_now

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.manifest import Schedule
    from dataflow.deploy.deployments import Deployment
    from dataflow.workflow.resolved import Workflow

told = sa.Table(
    "dataflow_lateness",
    metadata,
    sa.Column("environment", sa.String(200), primary_key=True),
    sa.Column("workflow_id", sa.String(300), primary_key=True),
    sa.Column("moment", UtcDateTime, primary_key=True),
    sa.Column("told", UtcDateTime, nullable=False),
)
"""The moments that were reported late, each by the first process that claimed it."""


@dataclass(frozen=True)
class LateRun:
    """A scheduled run that should have succeeded by now.

    Attributes:
        workflow: The workflow's id.
        moment: When it should have started.
        deadline: By when it was expected.
        status: What its last run came to since; None where there was none.
        run_id: That run.
    """

    workflow: str
    moment: dt.datetime
    deadline: dt.datetime
    status: str | None = None
    run_id: str | None = None


def tell_late(place: Deployment, registry: Registry, now: dt.datetime) -> Iterator[str]:
    """Tell once of each run of an environment that is late.

    Args:
        place: The environment; of a sandbox or a branch nothing is expected.
        registry: Where it is deployed from.
        now: This moment.

    Yields:
        Who was told, or why nobody could be.

    Raises:
        DataflowError: The run records can't be reached, or the bundle can't be read.
    """
    if place.revision.isolated:
        return
    expecting = [
        (id_, schedule, package)
        for package in place.revision.packages.values()
        for id_, schedule in package.workflows.items()
        if schedule is not None and schedule.cron is not None and schedule.expected_by is not None
    ]
    if not expecting:
        return
    with StateDatabase(place.revision.state) as database:
        for id_, schedule, package in expecting:
            late = _late(database, place.name, id_, schedule, since=package.since or place.revision.at, now=now)
            if late is not None and _claim(database, place.name, late):
                notes, reached = _tell(registry, package.bundle, late)
                if not reached:
                    _forget(database, place.name, late)
                yield f"{id_} is late: {'; '.join(notes)}"


def _late(
    database: StateDatabase,
    environment: str,
    workflow: str,
    schedule: Schedule,
    *,
    since: dt.datetime,
    now: dt.datetime,
) -> LateRun | None:
    moment = latest_moment(schedule, now)
    deadline = deadline_of(schedule, moment)
    if now < deadline:  # the one before may be late still
        moment = latest_moment(schedule, moment - dt.timedelta(seconds=1))
        deadline = deadline_of(schedule, moment)
    if moment <= since or now < deadline:
        return None
    mine = (runs.c.workflow_id == workflow, runs.c.environment == environment, runs.c.started >= moment)
    columns = (runs.c.run_id, runs.c.status)
    found = database.rows(sa.select(*columns).where(*mine).order_by(runs.c.started))
    if any(run["status"] == "succeeded" for run in found):
        return None
    last = found[-1] if found else {}
    return LateRun(workflow, moment, deadline, last.get("status"), last.get("run_id"))


def deadline_of(schedule: Schedule, moment: dt.datetime) -> dt.datetime:
    """Return the first time of day that is expected after a moment, where the schedule's clock is."""
    zone = zoneinfo.ZoneInfo(schedule.timezone)
    hour, minute = map(int, (schedule.expected_by or "00:00").split(":"))
    begun = moment.astimezone(zone)
    for days in (0, 1):
        day = begun.date() + dt.timedelta(days=days)
        found = dt.datetime.combine(day, dt.time(hour, minute), zone)
        if found.astimezone(dt.UTC) > begun.astimezone(dt.UTC):
            return found
    raise AssertionError("the next day has it")


def _claim(database: StateDatabase, environment: str, late: LateRun) -> bool:
    row = {"environment": environment, "workflow_id": late.workflow, "moment": late.moment, "told": moment_now()}
    try:
        database.insert(told, row)
    except DataflowError as error:
        if isinstance(error.__cause__, sa.exc.IntegrityError):
            return False
        raise
    return True


def _forget(database: StateDatabase, environment: str, late: LateRun) -> None:
    """Let the next call try again."""
    mine = (told.c.environment == environment, told.c.workflow_id == late.workflow, told.c.moment == late.moment)
    with database.begin() as connection:
        connection.execute(told.delete().where(*mine))


def _tell(registry: Registry, bundle: str, late: LateRun) -> tuple[list[str], bool]:
    """Tell the recipients; return the notes, and whether anybody was reached."""
    from dataflow.jobs.notification import tell

    with read_workflows(registry, load_bundle(registry, bundle), bundle) as (_, found):
        workflow: Workflow = next(it for it in found if it.id == late.workflow)
    environment = workflow.environment
    state = f"run {late.run_id} is {late.status}" if late.run_id else "no run of it has started"
    facts = {
        "scheduled": f"{late.moment:%Y-%m-%d %H:%M %Z}",
        "expected by": f"{late.deadline:%Y-%m-%d %H:%M %Z}",
        "since then": state,
        "more": f"dataflow workflow runs --workflow {late.workflow} --env {environment.name}",
    }
    width = max(map(len, facts))
    notes = tell(
        workflow.notifications.late_recipients,
        f"{late.workflow} is late in {environment.name}",
        "\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()),
        environment=environment,
        owner=workflow.owner,
    )
    return notes, any(note.startswith("notified ") for note in notes)
