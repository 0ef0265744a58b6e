"""What comes and what has changed: schedules that are due next, deployments of the week, open campaigns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from dataflow.migration.store import campaigns
from dataflow.state.utc import now

if TYPE_CHECKING:
    from dataflow.ui.source import Source

_SECONDS = 30.0
_WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class Due:
    """When a workflow runs next.

    Attributes:
        workflow: The workflow.
        schedule: Its schedule in words.
        next: When; None where it is not a moment that makes it due.
        by_tables: Whether publications of tables do.
        paused: Whether its schedule does not run, as in sandboxes and branches.
    """

    workflow: str
    schedule: str
    next: dt.datetime | None
    by_tables: bool
    paused: bool


@dataclass(frozen=True)
class Change:
    """A deployment.

    Attributes:
        number: Its number.
        at: When.
        by: By whom.
        action: What was done.
        changed: The packages that changed, or were removed.
    """

    number: int
    at: dt.datetime
    by: str
    action: str
    changed: Sequence[str]


@dataclass(frozen=True)
class OpenCampaign:
    """A campaign that is open.

    Attributes:
        id: Its name.
        table: The table that changes.
        deadline: By when its readers should have moved.
        opened_by: Who began it.
        late: Whether the deadline has passed.
    """

    id: str
    table: str
    deadline: dt.date
    opened_by: str
    late: bool


def due_next(source: Source) -> Mapping[str, Due]:
    """Return when the deployed workflows of an environment run next, by their ids; nothing where nothing is deployed.

    Raises:
        DataflowError: The registry or the run records can't be reached.
    """
    return source.kept("due", _SECONDS, lambda: _due_next(source))


def _due_next(source: Source) -> Mapping[str, Due]:
    from dataflow.deploy import deployments
    from dataflow.deploy.due import scheduled

    name = source.environment.name
    if deployments.current(source.registry, name) is None:
        return {}
    return {
        it.status.workflow: Due(
            it.status.workflow, it.status.schedule or "", it.status.next, it.status.by_tables, it.paused
        )
        for it in scheduled(source.registry, name)
    }


def changes_of_the_week(source: Source) -> Sequence[Change]:
    """Return the deployments of the last seven days, newest first.

    Raises:
        DataflowError: The registry can't be reached.
    """
    return source.kept("changes", _SECONDS, lambda: _changes(source))


def _changes(source: Source) -> Sequence[Change]:
    from dataflow.deploy.history import DeploymentHere, changes

    here = DeploymentHere(source.registry, source.environment.name, lambda *_: True)
    since = now() - _WEEK
    return [
        Change(it["number"], it["at"], it["by"], it["action"], [*it["changed"], *it["removed"]])
        for it in changes(here, 20)
        if it["at"] >= since
    ]


def open_campaigns(source: Source) -> Sequence[OpenCampaign]:
    """Return the open campaigns of an environment, those whose deadline comes first at the front."""
    query = sa.select(campaigns).where(campaigns.c.environment == source.environment.name, campaigns.c.state == "open")
    today = now().date()
    return [
        OpenCampaign(row["id"], row["table_name"], row["deadline"], row["opened_by"], row["deadline"] < today)
        for row in source.database.rows(query.order_by(campaigns.c.deadline, campaigns.c.id))
    ]
