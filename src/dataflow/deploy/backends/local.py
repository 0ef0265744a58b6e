"""The local backend: deployed workflows run on this machine, on demand or by `dataflow workflow due`.

`due` is made to be called each minute, by cron or a systemd timer, and by as many callers as there are. A moment of a
schedule is claimed in the environment's state database before it runs, so it runs once, however many triggers name it.
Of moments that were missed, as by a machine that was off, the last one runs, as definitions look back by themselves;
by its `run_strategy` a workflow runs all of them, each after the other or several at once. What was killed while it ran
is taken over by the next call; a run that failed is over until its next moment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import itertools
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.deploy.backends import RunRequest
from dataflow.deploy.backends.claims import Claimed, ClaimRequest, Claims, new_live_id
from dataflow.deploy.backends.looks import Publication, look_before, looks_at
from dataflow.deploy.backends.moments import latest_moment
from dataflow.deploy.backends.table_triggers import publication
from dataflow.deploy.backends.triggers import latest, missed, on_clock
from dataflow.deploy.bundle.manifest import load_bundle
from dataflow.errors import DataflowError
from dataflow.state.database import StateDatabase
from dataflow.state.heartbeat import beating
from dataflow.state.leases import Leases
from dataflow.tables.reader.catalog_tables import TableReader
from dataflow.workflow.identity import login
from dataflow.workflow.periods import Cadence, Period

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.bundle.manifest import Schedule
    from dataflow.deploy.bundle.outline import WorkflowOutline
    from dataflow.deploy.deployments import Deployment
    from dataflow.errors import Problem
    from dataflow.workflow.project import Environment
    from dataflow.workflow.render import Rendering
    from dataflow.workflow.resolved import Workflow
    from dataflow.workflow.yamlfile import YamlFile

__all__ = ["BACKEND", "DueRun", "LocalBackend", "due", "due_by_tables", "install_hint", "latest_moment", "run_due"]

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

_MOST = 1000
"""How many missed moments one call looks at; the next goes on."""

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
        at_once: How many runs of the workflow may be at work.
        serves: What tables published for the same day, which this run serves as well.
        cadence: Which periods the workflow runs for.
    """

    deployment: Deployment
    workflow: str
    moment: dt.datetime
    publication: Publication | None = None
    at_once: int = 1
    serves: Publication | None = None
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
        return self.publication.key_of(self.publication.day) if self.publication else _text(self.moment)


class LocalBackend:
    """Runs deployed workflows on this machine."""

    def outline(
        self,
        workflow: Workflow,  # noqa: ARG002 - it runs whatever the engine runs
        rendering: Rendering,  # noqa: ARG002
        file: YamlFile,  # noqa: ARG002
    ) -> tuple[WorkflowOutline | None, Sequence[Problem]]:
        """Return what it has to know beside a workflow's text, and what it can't run: nothing."""
        return None, ()

    def check(self, name: str, environment: Environment, workflows: Iterable[str]) -> Sequence[str]:  # noqa: ARG002
        """Return why workflows can't be deployed here: for no reason."""
        return ()

    def follow(self, name: str, environment: Environment, registry: Registry, *, leaves: bool = False) -> None:
        """Make what is deployed take effect: `due` reads the registry."""

    def start(self, start: RunRequest, registry: Registry) -> int:
        """Run a workflow to its end, in a process of its own, and return its exit code."""
        command = [sys.executable, "-m", "dataflow", "workflow", "run"]
        if start.deployment.revision.backend == "local":
            command += ["--deployed", start.workflow, "--env", start.deployment.name]
        else:  # whose name alone would ask that backend to run it
            revision = start.deployment.revision
            bundle = revision.packages[revision.workflows[start.workflow]].bundle
            command += ["--deployed", f"{bundle}:{start.workflow}"]
        command += ["--date", str(start.date)] if start.date else []
        command += [f"--param={name}={value}" for name, value in start.params.items()]
        environ = {**os.environ, "DATAFLOW_REGISTRY": registry.address}
        return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode


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
    found: list[DueRun] = []
    with StateDatabase(deployment.revision.state) as database:
        for id_, schedule in _schedules(deployment):
            try:
                found += _due(deployment, database, id_, schedule, at) if schedule and schedule.crons else []
            except DataflowError as error:
                if failed is None:
                    raise
                failed(id_, error)
    return found


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
                if schedule is not None and schedule.joins:
                    try:
                        environment = load_bundle(registry, package.bundle).environment.environment()
                        tables = TableReader(environment)
                        found += _due_by_tables(deployment, database, id_, tables, schedule, at)
                    except DataflowError as error:
                        failed(id_, error)
    return found


@dataclass
class ClaimedRun:
    """A run that is due and was claimed, by a process that counts as alive until it has run it.

    Attributes:
        found: What is due.
        claims: The claims of its workflow.
        live_id: What this process is called meanwhile.
        held: Ends all that.
    """

    found: DueRun
    claims: Claims
    live_id: str
    held: contextlib.ExitStack

    def run(self, registry: Registry, start: Callable[[RunRequest, Registry], int] = BACKEND.start) -> int:
        """Run it, and return its exit code."""
        with self.held:
            status = "failed"
            try:
                code = start(RunRequest(self.found.deployment, self.found.workflow, self.found.asked), registry)
                status = "succeeded" if code == 0 else "failed"
            finally:
                self.claims.finish(self.found.key, self.live_id, status)
        return code


def claim(found: DueRun) -> ClaimedRun | Claimed:
    """Claim what is due; return why not, where another has it or as many are at work as may be."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(StateDatabase(found.deployment.revision.state))
        live_id, claims = new_live_id(), Claims(database, found.deployment.name, found.workflow)
        stack.enter_context(beating(Leases(database), live_id, login()))
        said = claims.claim(ClaimRequest(found.key, found.at_once, found.publication or found.serves), live_id)
        return said if said != "claimed" else ClaimedRun(found, claims, live_id, stack.pop_all())


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
    claimed = claim(found)
    return claimed.run(registry, start) if isinstance(claimed, ClaimedRun) else None


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


def _since(deployment: Deployment, workflow: str) -> dt.datetime:
    """Return when a workflow was deployed first: what was before makes it due no more."""
    package = deployment.revision.packages[deployment.revision.workflows[workflow]]
    return package.since or deployment.revision.at


def _due(
    deployment: Deployment, database: StateDatabase, workflow: str, schedule: Schedule, at: dt.datetime
) -> list[DueRun]:
    claims = Claims(database, deployment.name, workflow)
    if len(claims.at_work()) >= schedule.at_once:
        return []  # its next call looks again
    if schedule.strategy != "latest only":
        return _all_due(deployment, claims, workflow, schedule, at)
    moment = latest(workflow, schedule, at)
    if moment <= _since(deployment, workflow):
        return []
    if any(status != "running" for status in claims.statuses(_text(moment)).values()):
        return []
    return [DueRun(deployment, workflow, moment, cadence=schedule.cadence)]


def _all_due(
    deployment: Deployment, claims: Claims, workflow: str, schedule: Schedule, at: dt.datetime
) -> list[DueRun]:
    """Return all moments that nobody has run, those that were killed among them, in their order."""
    killed = [_moment(key) for key in claims.left() if not key.startswith("+")]
    newest = next((row["moment"] for row in claims.rows(1) if not row["moment"].startswith("+")), None)
    first = _since(deployment, workflow)
    since = first if newest is None else max(first, _moment(newest))
    coming = itertools.islice(missed(workflow, schedule, since, at), _MOST)
    claimed = claims.statuses(_text(since - dt.timedelta(days=2)))
    open_ = {it for it in coming if it > first and _text(it) not in claimed} | set(killed)
    one = functools.partial(DueRun, deployment, workflow, at_once=schedule.at_once, cadence=schedule.cadence)
    return [one(on_clock(schedule, it)) for it in sorted(open_)]


def _due_by_tables(
    deployment: Deployment,
    database: StateDatabase,
    workflow: str,
    tables: TableReader,
    schedule: Schedule,
    at: dt.datetime,
) -> list[DueRun]:
    claims = Claims(database, deployment.name, workflow)
    if len(claims.at_work()) >= schedule.at_once:
        return []
    own = {"environment": deployment.name, "workflow_id": workflow}
    left = [key for key in claims.left() if key.startswith("+")]
    with database.begin() as connection:
        waiting = looks_at(connection, own, left)
        before = {join.tables: look_before(connection, own, join.tables) for join in schedule.joins}
    if schedule.strategy == "latest only":
        newest = max((last.claimed for last in before.values() if last is not None), default=None)
        waiting = [it for it in waiting if it.claimed == newest]
    if waiting:
        seen = [Publication(it.day, it.claimed, it.seen, {}, [it.day], key=it.key) for it in waiting]
    else:
        found = publication(tables, schedule, _since(deployment, workflow), before, at)
        seen = [] if found is None else [dataclasses.replace(found, day=day) for day in found.days]
    return [DueRun(deployment, workflow, it.at, it, schedule.at_once, cadence=schedule.cadence) for it in seen]


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
