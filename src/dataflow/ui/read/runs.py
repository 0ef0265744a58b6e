"""Runs: those of an environment, newest first, a part of the list at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataflow.state.run_records import runs

if TYPE_CHECKING:
    from dataflow.ui.page import Asked
    from dataflow.ui.source import Source

PART = 50
"""How many runs a page lists."""


@dataclass(frozen=True)
class RunLine:
    """A run in a list.

    Attributes:
        id: Its id.
        workflow: The workflow.
        owner: Whose that is.
        day: The day that it is for; empty where it is for none.
        status: How it goes, or ended.
        started: When it began.
        seconds: How long it took; None while it goes on.
        error: The first line of why it failed.
    """

    id: str
    workflow: str
    owner: str
    day: str
    status: str
    started: dt.datetime
    seconds: float | None
    error: str


@dataclass(frozen=True)
class RunList:
    """A part of the runs of an environment.

    Attributes:
        lines: The runs, newest first.
        part: Which part it is, from 1.
        parts: How many parts there are; one more than this while there are further runs.
        workflow: The text that a workflow's id has to contain.
        status: The only status that is listed; empty for all.
    """

    lines: Sequence[RunLine]
    part: int
    parts: int
    workflow: str
    status: str


def line_of(row: Mapping[str, Any]) -> RunLine:
    """Return a run as lists show it."""
    return RunLine(
        row["run_id"],
        row["workflow_id"],
        row["owner"] or "",
        str((row["params"] or {}).get("EXECUTION_DATE", "")),
        row["status"],
        row["started"],
        (row["ended"] - row["started"]).total_seconds() if row["ended"] else None,
        (row["error"] or "").partition("\n")[0],
    )


def runs_of(source: Source, asked: Asked) -> RunList:
    """Return the part of the runs that is asked for."""
    part = asked.number("part")
    query = sa.select(runs).where(runs.c.environment == source.environment.name, runs.c.parent_run_id.is_(None))
    if workflow := asked.option("workflow"):
        query = query.where(runs.c.workflow_id.contains(workflow, autoescape=True))
    if status := asked.option("status"):
        query = query.where(runs.c.status == status)
    query = query.order_by(runs.c.started.desc(), runs.c.run_id.desc()).offset((part - 1) * PART).limit(PART + 1)
    records = source.records
    found = records.with_true_status(records.database.rows(query))
    more = len(found) > PART
    return RunList([line_of(row) for row in found[:PART]], part, part + more, workflow, status)
