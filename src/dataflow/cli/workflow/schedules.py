"""`dataflow workflow schedules`: when deployed workflows ran last, and when they run next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from dataflow.cli.console import RUN_STYLES, cell, out, print_narrowed
from dataflow.cli.options import env_option
from dataflow.cli.output import TEXT, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.deploy.backends import TriggerStatus, WorkflowStatus
    from dataflow.deploy.due import Scheduled


def schedules(
    env: Annotated[str | None, env_option("all that are deployed to")] = None,
    output: OutputOption = TEXT,
) -> None:
    """List the schedules of what is deployed: last run and next.

    A workflow with several triggers has a row for each, with the moment that it led to last.

    Examples:
        dataflow workflow schedules --env production
    """
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.due import scheduled
    from dataflow.workflow.project import find_project

    output.show(_Schedules(scheduled(open_registry(find_project(Path.cwd())), env)))


@dataclass(frozen=True)
class _Schedules(Result):
    found: Sequence[Scheduled]

    def text(self) -> None:
        if self.found:
            print_narrowed([row for it in self.found for row in _rows(it)], ("schedule", "environment"))
        else:
            out().print("no deployed workflow has a schedule: a `trigger:` in its *.sch.yaml gives it one")

    def data(self) -> object:
        return [
            {
                "environment": it.environment,
                "workflow": it.status.workflow,
                "schedule": it.status.schedule,
                "paused": it.paused,
                "last": it.status.last,
                "last_started": it.status.started,
                "last_status": it.status.status,
                "next": it.status.next,
                "triggers": [
                    {"when": one.text, "last": one.last, "last_status": one.status, "next": one.next}
                    for one in it.status.triggers
                ],
            }
            for it in self.found
        ]


def _rows(it: Scheduled) -> list[dict[str, object]]:
    """Return a row for a workflow; of several triggers each has one, with the moment that it led to last."""
    status = it.status
    name = {"workflow": status.workflow, "environment": it.environment}
    if len(status.triggers) < 2:
        return [{**name, "schedule": status.schedule, **_times(it, status.started, status.status, status)}]
    return [{**name, "schedule": one.text, **_times(it, one.last, one.status, one)} for one in status.triggers]


def _times(
    it: Scheduled, last: dt.datetime | None, status: str | None, coming: WorkflowStatus | TriggerStatus
) -> dict[str, object]:
    return {
        "last": "never" if last is None else _moment(last.astimezone()),
        "status": cell(status or "", RUN_STYLES.get(status or "", "")),
        "next": "paused" if it.paused else _next(coming),
    }


def _next(status: WorkflowStatus | TriggerStatus) -> str:
    if status.next is None:
        return "on publication" if status.by_tables else "never"
    return _moment(status.next)


def _moment(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"
