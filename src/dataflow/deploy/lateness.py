"""Telling that a scheduled run is late: it has not succeeded by the time that its definition expects."""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from dataflow.deploy.backends.claims import moments
from dataflow.deploy.backends.looks import looks
from dataflow.deploy.backends.moments import latest_moment
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.deploy.deployed_run import read_workflows
from dataflow.errors import DataflowError
from dataflow.state.database import StateDatabase, UtcDateTime, metadata
from dataflow.state.run_records import runs
from dataflow.state.utc import as_utc
from dataflow.state.utc import now as moment_now

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.manifest import Schedule
    from dataflow.deploy.deployments import Deployment
    from dataflow.workflow.resolved import Workflow

_SECOND = dt.timedelta(seconds=1)

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
        moment: When it should have started; of one that tables make due, when the day began.
        deadline: By when it was expected.
        waits_for: When it starts, in words, where no schedule says it.
        status: What its last run came to since; None where there was none.
        run_id: That run.
    """

    workflow: str
    moment: dt.datetime
    deadline: dt.datetime
    status: str | None = None
    run_id: str | None = None
    waits_for: str | None = None


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
        if schedule is not None and schedule.expected_by is not None
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
    passed = _passed(schedule, now)
    if schedule.crons:
        moment = max((latest_moment(it, passed - _SECOND) for it in schedule.crons), key=as_utc)
        deadline = deadline_of(schedule, moment)
    else:  # every day, whether or not the tables came
        moment, deadline = dt.datetime.combine(passed.date(), dt.time(), passed.tzinfo), passed
    if as_utc(moment) <= since or now < deadline:
        return None
    mine = (runs.c.workflow_id == workflow, runs.c.environment == environment, runs.c.started >= moment)
    columns = (runs.c.run_id, runs.c.status)
    found = database.rows(sa.select(*columns).where(*mine).order_by(runs.c.started))
    if any(run["status"] == "succeeded" for run in found):
        return None
    if not schedule.crons and _has_run_for(database, environment, workflow, moment.date() - dt.timedelta(days=1)):
        return None
    last = found[-1] if found else {}
    waits_for = None if schedule.crons else schedule.text
    return LateRun(workflow, moment, deadline, last.get("status"), last.get("run_id"), waits_for)


def _has_run_for(database: StateDatabase, environment: str, workflow: str, day: dt.date) -> bool:
    """Say whether tables have led to a run that succeeded for a day or a later one, though it began the day before."""
    same = [looks.c[name] == moments.c[name] for name in ("environment", "workflow_id", "moment")]
    mine = (looks.c.environment == environment, looks.c.workflow_id == workflow, looks.c.day >= day.isoformat())
    query = sa.select(moments.c.moment).where(*same, *mine, moments.c.status == "succeeded").limit(1)
    return bool(database.rows(query))


def _passed(schedule: Schedule, now: dt.datetime) -> dt.datetime:
    """Return the last time of day by which something was expected, where the schedule's clock is."""
    zone = zoneinfo.ZoneInfo(schedule.timezone)
    today = now.astimezone(zone).date()
    times = (_expected(schedule, today - dt.timedelta(days=days)) for days in itertools.count())
    return next(it for it in times if as_utc(it) <= as_utc(now))


def _expected(schedule: Schedule, day: dt.date) -> dt.datetime:
    """Return by when a run is expected on a day."""
    hour, minute = map(int, (schedule.expected_by or "00:00").split(":"))
    return dt.datetime.combine(day, dt.time(hour, minute), zoneinfo.ZoneInfo(schedule.timezone))


def deadline_of(schedule: Schedule, moment: dt.datetime) -> dt.datetime:
    """Return the first time of day that is expected after a moment, where the schedule's clock is."""
    day = moment.astimezone(zoneinfo.ZoneInfo(schedule.timezone)).date()
    times = (_expected(schedule, day + dt.timedelta(days=days)) for days in itertools.count())
    return next(it for it in times if as_utc(it) > as_utc(moment))


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
        "scheduled": late.waits_for or f"{late.moment:%Y-%m-%d %H:%M %Z}",
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
