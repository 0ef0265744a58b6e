"""How deployed workflows stand: when each of their triggers made them due last, and when it does next."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING

from dataflow.deploy.backends import TriggerStatus, WorkflowStatus
from dataflow.deploy.backends.claims import Claims
from dataflow.deploy.backends.looks import last_look
from dataflow.deploy.backends.triggers import belongs, following
from dataflow.errors import DataflowError
from dataflow.state.database import StateDatabase
from dataflow.state.run_records import RunRecords
from dataflow.state.utc import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflow.deploy.bundle.manifest import Schedule, ScheduledTrigger
    from dataflow.deploy.deployments import Deployment


def statuses(deployment: Deployment) -> list[WorkflowStatus]:
    """Return the status of an environment's workflows, as the run records have it."""
    with StateDatabase(deployment.revision.state) as database:
        return [
            workflow_status(deployment, database, id_, schedule)
            for package in deployment.revision.packages.values()
            for id_, schedule in package.workflows.items()
        ]


def coming(deployment: Deployment) -> list[WorkflowStatus]:
    """Return when an environment's workflows run next, without a look at what has run."""
    found, at = [], now()
    for package in deployment.revision.packages.values():
        for id_, schedule in package.workflows.items():
            triggers = () if schedule is None else schedule.triggers
            moments = [it for it in (_next(deployment, id_, trigger, at) for trigger in triggers) if it is not None]
            by_tables = any(it.tables for it in triggers)
            text = None if schedule is None else schedule.text
            found.append(WorkflowStatus(id_, text, min(moments, key=_as_utc, default=None), by_tables=by_tables))
    return found


def _next(deployment: Deployment, workflow: str, trigger: ScheduledTrigger, after: dt.datetime) -> dt.datetime | None:
    """Return when a trigger makes a workflow due next; None where it never does, or nobody can tell."""
    if trigger.cron and not deployment.revision.isolated:
        with contextlib.suppress(DataflowError):  # it never comes
            return following(workflow, trigger, after)
    return None


def _as_utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC)


def workflow_status(
    deployment: Deployment, database: StateDatabase, workflow: str, schedule: Schedule | None
) -> WorkflowStatus:
    """Return the status of a deployed workflow."""
    last = RunRecords(database).last_of(workflow)
    found: tuple[TriggerStatus, ...] = ()
    if schedule is not None:
        claimed = {row["moment"]: row["status"] for row in Claims(database, deployment.name, workflow).rows()}
        looking = _Looking(deployment, database, workflow, claimed)
        found = tuple(looking.status(it) for it in schedule.triggers)
    moments = [it.next for it in found if it.next is not None]
    return WorkflowStatus(
        workflow,
        schedule.text if schedule else None,
        min(moments, key=_as_utc, default=None),
        last["run_id"] if last else None,
        last["status"] if last else None,
        last["started"] if last else None,
        by_tables=schedule is not None and bool(schedule.joins),
        triggers=found,
    )


class _Looking:
    """Looks at the triggers of one workflow."""

    def __init__(
        self, deployment: Deployment, database: StateDatabase, workflow: str, claimed: Mapping[str, str]
    ) -> None:
        self._deployment, self._database, self._workflow, self._claimed = deployment, database, workflow, claimed

    def status(self, trigger: ScheduledTrigger) -> TriggerStatus:
        """Return when a trigger made the workflow due last, and when it does next."""
        last, status = self._last_moment(trigger) if trigger.cron else self._last_look(trigger)
        moment = _next(self._deployment, self._workflow, trigger, now())
        return TriggerStatus(trigger.own_text, bool(trigger.tables), moment, last, status)

    def _last_moment(self, trigger: ScheduledTrigger) -> tuple[dt.datetime | None, str | None]:
        with contextlib.suppress(DataflowError):
            for key, status in self._claimed.items():
                if not key.startswith("+") and belongs(trigger, moment := dt.datetime.fromisoformat(key)):
                    return moment, status
        return None, None

    def _last_look(self, trigger: ScheduledTrigger) -> tuple[dt.datetime | None, str | None]:
        own = {"environment": self._deployment.name, "workflow_id": self._workflow}
        look = last_look(self._database, own, trigger.tables)
        if look is None or not look.serves(trigger.tables):
            return None, None
        return look.claimed, self._claimed.get(look.key)
