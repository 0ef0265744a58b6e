"""The local backend: deployed workflows run on this machine, on demand or by `dataflow workflow due`.

`due` is made to be called each minute, by cron or a systemd timer, and by as many callers as there are. A moment of a
schedule is claimed in the environment's state database before it runs, so it runs once. Of moments that were missed,
as by a machine that was off, the last one runs: definitions look back by themselves. What was killed while it ran is
taken over by the next call; a run that failed is over until its next moment.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataflow.deploy.backends import RunRequest, WorkflowStatus
from dataflow.deploy.backends.moments import latest_moment, next_moment
from dataflow.deploy.backends.table_triggers import Publication, last_look, looks, publication
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.errors import DataflowError
from dataflow.process import is_alive
from dataflow.state.database import StateDatabase, UtcDateTime, metadata
from dataflow.state.run_records import RunRecords
from dataflow.state.utc import now
from dataflow.tables.catalog import open_catalog
from dataflow.workflow.periods import Cadence, Period

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.manifest import Bundle, Schedule
    from dataflow.deploy.bundle.prepared_package import PreparedPackage
    from dataflow.deploy.deployments import Deployment

_SERVICE = """\
# ~/.config/systemd/user/dataflow-due.service
[Service]
Type=oneshot
{environment}
ExecStart={command}
StandardOutput=append:{log}
StandardError=append:{log}

# ~/.config/systemd/user/dataflow-due.timer; then: systemctl --user enable --now dataflow-due.timer
[Timer]
OnCalendar=minutely
[Install]
WantedBy=timers.target
"""

moments = sa.Table(
    "dataflow_schedule",
    metadata,
    sa.Column("environment", sa.String(200), primary_key=True),
    sa.Column("workflow_id", sa.String(300), primary_key=True),
    sa.Column("moment", sa.String(30), primary_key=True),
    sa.Column("claimed", UtcDateTime, nullable=False),
    sa.Column("host", sa.String(200), nullable=False),
    sa.Column("process", sa.Integer, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
)


Failed = Callable[[str, DataflowError], None]
"""Receives a workflow's id, and why its next run can't be computed."""


@dataclass(frozen=True)
class DueRun:
    """A scheduled run that is due and was not started yet.

    Attributes:
        deployment: Where.
        workflow: The workflow's id.
        moment: When it should have started, in the schedule's time zone.
        publication: What made it due, where tables did.
        cadence: Which periods the workflow runs for.
    """

    deployment: Deployment
    workflow: str
    moment: dt.datetime
    publication: Publication | None = None
    cadence: Cadence = Cadence.DAILY

    @property
    def date(self) -> dt.date:
        """The day that the run is for: that of a publication, or the one before the moment on the schedule's clock."""
        return self.publication.day if self.publication else self.moment.date() - dt.timedelta(days=1)

    @property
    def asked(self) -> dt.date | Period:
        """What the run is asked to run for: the day; or the last hour, week or month that was over at the moment."""
        if self.cadence is Cadence.DAILY:
            return self.date
        moment = self.moment.astimezone(dt.UTC) if self.cadence is Cadence.HOURLY else self.moment
        return self.cadence.last_before(moment.replace(tzinfo=None))

    @property
    def key(self) -> str:
        """What is claimed, so that it runs once."""
        return self.publication.key if self.publication else _text(self.moment)


class LocalBackend:
    """Runs deployed workflows on this machine."""

    def check(self, package: PreparedPackage) -> Sequence[str]:  # noqa: ARG002 - it runs whatever the engine runs
        """Return what of a package can't run here: nothing."""
        return ()

    def render(self, bundle: Bundle) -> Mapping[str, bytes]:  # noqa: ARG002 - it reads bundles as they are
        """Return the files that it needs beside a bundle's own: none."""
        return {}

    def deploy(self, deployment: Deployment, registry: Registry) -> None:
        """Make a revision take effect: `due` reads the registry."""

    def start(self, start: RunRequest, registry: Registry) -> int:
        """Run a workflow to its end, in a process of its own, and return its exit code."""
        command = [sys.executable, "-m", "dataflow", "workflow", "run", "--deployed", start.workflow]
        command += ["--env", start.deployment.name]
        command += ["--date", str(start.date)] if start.date else []
        command += [f"--param={name}={value}" for name, value in start.params.items()]
        environ = {**os.environ, "DATAFLOW_REGISTRY": registry.address}
        return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode

    def status(self, deployment: Deployment, registry: Registry) -> Sequence[WorkflowStatus]:  # noqa: ARG002
        """Return the status of an environment's workflows."""
        with StateDatabase(deployment.revision.state) as database:
            return [_state(deployment, database, id_, schedule) for id_, schedule in _schedules(deployment)]


BACKEND = LocalBackend()


def due(deployment: Deployment, at: dt.datetime, failed: Failed | None = None) -> list[DueRun]:
    """Return the runs of an environment that are due and not started by anybody; none where it is paused.

    Args:
        deployment: The environment.
        at: The moment to look at, with its time zone.
        failed: Receives a workflow whose next run can't be computed, while others still run; raised when omitted.
    """
    if deployment.revision.isolated:
        return []
    found = []
    with StateDatabase(deployment.revision.state) as database:
        for id_, schedule in _schedules(deployment):
            try:
                found.append(_due(deployment, database, id_, schedule, at) if schedule and schedule.cron else None)
            except DataflowError as error:
                if failed is None:
                    raise
                failed(id_, error)
    return [it for it in found if it is not None]


def due_by_tables(deployment: Deployment, registry: Registry, at: dt.datetime, failed: Failed) -> list[DueRun]:
    """Return the runs of an environment that publications made due, and that nobody started; none where it is paused.

    Args:
        deployment: The environment.
        registry: Where its bundles are, which say where its tables are.
        at: The moment to look at.
        failed: Receives a workflow whose tables can't be looked at, while others still run.
    """
    found: list[DueRun] = []
    if deployment.revision.isolated:
        return found
    with StateDatabase(deployment.revision.state) as database:
        for package in deployment.revision.packages.values():
            for id_, schedule in package.workflows.items():
                if schedule is not None and schedule.tables:
                    since = package.since or deployment.revision.at
                    try:
                        environment = load_bundle(registry, package.bundle).environment.environment()
                        catalog = open_catalog(environment)
                        found += _due_by_tables(deployment, database, id_, catalog, schedule, since, at)
                    except DataflowError as error:
                        failed(id_, error)
    return found


def run_due(
    found: DueRun, registry: Registry, start: Callable[[RunRequest, Registry], int] = BACKEND.start
) -> int | None:
    """Claim a moment and run it.

    Args:
        found: What is due.
        registry: Where it is deployed from.
        start: Runs it.

    Returns:
        The exit code; None when somebody else has claimed it.
    """
    with StateDatabase(found.deployment.revision.state) as database:
        if not _claim(database, found):
            return None
        status = "failed"
        try:
            code = start(RunRequest(found.deployment, found.workflow, found.asked), registry)
            status = "succeeded" if code == 0 else "failed"
        finally:
            _finish(database, found, status)
    return code


def install_hint(env: str | None, variables: Mapping[str, str], log: Path) -> str:
    """Return the line for cron, and the units for systemd, that call `due` each minute.

    Args:
        env: The one environment to look at; None for all.
        variables: The environment variables that it needs, as neither has those of a shell.
        log: Where what it says is added to.
    """
    words = [sys.executable, "-m", "dataflow", "workflow", "due", *(["--env", env] if env else [])]
    command = shlex.join(words)
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    line = f"{given} {command} >> {shlex.quote(str(log))} 2>&1".replace("%", "\\%")  # cron's newline
    lines = [f"Environment={_for_systemd(f'{name}={value}')}" for name, value in variables.items()]
    service = _SERVICE.format(environment="\n".join(lines), command=command.replace("%", "%%"), log=log)
    return f"# crontab -e\n* * * * * {line}\n\n{service}"


def _for_systemd(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{quoted}"'


def _schedules(deployment: Deployment) -> Iterator[tuple[str, Schedule | None]]:
    for package in deployment.revision.packages.values():
        yield from package.workflows.items()


def _due(
    deployment: Deployment, database: StateDatabase, workflow: str, schedule: Schedule, at: dt.datetime
) -> DueRun | None:
    moment = latest_moment(schedule, at)
    package = deployment.revision.packages[deployment.revision.workflows[workflow]]
    since = package.since or deployment.revision.at
    if moment <= since:
        return None
    claimed = _claims(database, deployment, workflow)
    if _is_running(database, deployment, workflow):
        return None  # never two runs of a workflow at once: its next call looks again
    done = [it for it in claimed if it["moment"] >= _text(moment)]
    if any(it["status"] != "running" for it in done):
        return None
    return DueRun(deployment, workflow, moment, cadence=schedule.cadence)


def _due_by_tables(
    deployment: Deployment,
    database: StateDatabase,
    workflow: str,
    catalog: Catalog,
    schedule: Schedule,
    since: dt.datetime,
    at: dt.datetime,
) -> list[DueRun]:
    if _is_running(database, deployment, workflow):
        return []
    last = last_look(database, deployment.name, workflow)
    if last is not None and _was_killed(database, deployment, workflow, last[0]):
        return [DueRun(deployment, workflow, at, Publication(last[1], at, last[2]), schedule.cadence)]
    found = publication(catalog, schedule, since, None if last is None else last[2], at)
    return [] if found is None else [DueRun(deployment, workflow, found.at, found, schedule.cadence)]


def _was_killed(database: StateDatabase, deployment: Deployment, workflow: str, key: str) -> bool:
    """Say whether a run that tables made due was killed: it is taken over."""
    mine = (moments.c.environment == deployment.name) & (moments.c.workflow_id == workflow) & (moments.c.moment == key)
    with database.begin() as connection:
        row = connection.execute(sa.select(moments).where(mine)).mappings().first()
    return row is not None and row["status"] == "running" and not _holder_is_alive(dict(row))


def _is_running(database: StateDatabase, deployment: Deployment, workflow: str) -> bool:
    """Say whether a run of a workflow is still going on."""
    mine = (moments.c.environment == deployment.name) & (moments.c.workflow_id == workflow)
    with database.begin() as connection:
        rows = connection.execute(sa.select(moments).where(mine, moments.c.status == "running")).mappings().all()
    return any(_holder_is_alive(dict(row)) for row in rows)


def _claims(database: StateDatabase, deployment: Deployment, workflow: str) -> list[dict[str, Any]]:
    """Return the last moments of a workflow that were claimed, the last one first."""
    mine = (moments.c.environment == deployment.name) & (moments.c.workflow_id == workflow)
    query = sa.select(moments).where(mine).order_by(moments.c.moment.desc()).limit(10)
    with database.begin() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _claim(database: StateDatabase, found: DueRun) -> bool:
    """Claim a moment that nobody holds, or whose holder has died. Only one caller gets it."""
    key = {"environment": found.deployment.name, "workflow_id": found.workflow, "moment": found.key}
    own = {"claimed": now(), "host": socket.gethostname(), "process": os.getpid(), "status": "running"}
    try:
        with database.begin() as connection:
            connection.execute(moments.insert(), {**key, **own})
            if (seen := found.publication) is not None:
                look = {"claimed": own["claimed"], "day": seen.day.isoformat(), "seen": dict(seen.seen)}
                connection.execute(looks.insert(), {**key, **look})
            return True
    except DataflowError as error:
        if not isinstance(error.__cause__, sa.exc.IntegrityError):
            raise
    mine = [moments.c[name] == value for name, value in key.items()]
    with database.begin() as connection:
        row = connection.execute(sa.select(moments).where(*mine)).mappings().one()
        if row["status"] != "running" or _holder_is_alive(dict(row)):
            return False
        same = [moments.c[name] == row[name] for name in ("host", "process", "status")]
        return connection.execute(moments.update().where(*mine, *same).values(**own)).rowcount == 1


def _finish(database: StateDatabase, found: DueRun, status: str) -> None:
    key = {"environment": found.deployment.name, "workflow_id": found.workflow, "moment": found.key}
    mine = [moments.c[name] == value for name, value in key.items()]
    with database.begin() as connection:
        connection.execute(moments.update().where(*mine).values(status=status))


def _holder_is_alive(row: Mapping[str, Any]) -> bool:
    """Say whether the process of a claim may still run; one on another machine is assumed to."""
    claimed: dt.datetime = row["claimed"]
    since = claimed if claimed.tzinfo else claimed.replace(tzinfo=dt.UTC)
    return row["host"] != socket.gethostname() or is_alive(row["process"], since)


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _state(deployment: Deployment, database: StateDatabase, workflow: str, schedule: Schedule | None) -> WorkflowStatus:
    last = next((row for row in RunRecords(database).recent(workflow, 5) if row["workflow_id"] == workflow), None)
    following = None
    if schedule is not None and schedule.cron and not deployment.revision.isolated:
        with contextlib.suppress(DataflowError):  # it never comes
            following = next_moment(schedule, now())
    return WorkflowStatus(
        workflow,
        schedule.text if schedule else None,
        following,
        last["run_id"] if last else None,
        last["status"] if last else None,
        last["started"] if last else None,
        by_tables=schedule is not None and bool(schedule.tables),
    )
