"""How workflows have been: a mark for each day, the last failure, and since when they are green."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataflow.state.run_records import UNENDED, audits, runs
from dataflow.state.utc import now

if TYPE_CHECKING:
    from dataflow.ui.source import Source

DAYS = 14
"""How many days a strip has."""

_LOOKBACK = 35
"""How many days back runs may have begun that are looked at."""

_MOST = 20_000
"""How many runs are looked at: a backfill of years has as many as it likes."""


@dataclass(frozen=True)
class DayMark:
    """A day of a workflow.

    Attributes:
        day: The day that runs were for; the day on which they began, where they were for none.
        state: How the last one ended, `warning` where an audit that does not block found something; empty for none.
        run: Its id.
    """

    day: dt.date
    state: str = ""
    run: str = ""


@dataclass(frozen=True)
class Failure:
    """A run that failed.

    Attributes:
        run: Its id.
        at: When it began.
        error: The first line of why.
    """

    run: str
    at: dt.datetime
    error: str


@dataclass(frozen=True)
class Health:
    """How a workflow has been.

    Attributes:
        days: Its last days, the oldest first.
        failure: Its last failure; None where there was none.
        green_since: When its first success after that began; None where none followed.
        warnings: How many audits of its last days warn.
    """

    days: Sequence[DayMark]
    failure: Failure | None = None
    green_since: dt.datetime | None = None
    warnings: int = 0


def health_of(source: Source, workflows: Collection[str], *, whole: bool = False) -> Mapping[str, Health]:
    """Return how workflows have been.

    Args:
        source: Where to look.
        workflows: Their ids.
        whole: Whether only outermost runs count.
    """
    names = sorted(set(workflows))
    if not names:
        return {}
    rows = _runs(source, names, whole=whole)
    warnings = _warnings(source, names)
    last = max((_day(row) for row in rows), default=None)
    today = now().date()
    end = min(today, max(last or today, today - dt.timedelta(days=1)))
    failures = _failures(source, names)
    green = _green_since(source, names)
    found = {}
    for name in names:
        mine = {_day(row): row for row in rows if row["workflow_id"] == name}
        days = [_mark(end - dt.timedelta(days=back), mine, warnings) for back in reversed(range(DAYS))]
        found[name] = Health(
            days, failures.get(name), green.get(name), sum(warnings.get(it.run, 0) for it in days if it.run)
        )
    return found


def _runs(source: Source, names: Sequence[str], *, whole: bool) -> list[dict[str, Any]]:
    """Return the runs of the last weeks, the oldest first."""
    date = runs.c.params["EXECUTION_DATE"].as_string().label("date")
    columns = (runs.c.run_id, runs.c.workflow_id, runs.c.status, runs.c.started, runs.c.host, runs.c.process)
    query = sa.select(*columns, date).where(
        runs.c.workflow_id.in_(names),
        runs.c.environment == source.environment.name,
        runs.c.started >= now() - dt.timedelta(days=_LOOKBACK),
    )
    if whole:
        query = query.where(runs.c.parent_run_id.is_(None))
    records = source.records
    found = records.database.rows(query.order_by(runs.c.started.desc(), runs.c.run_id.desc()).limit(_MOST))
    return records.with_true_status(found[::-1])


def _day(row: Mapping[str, Any]) -> dt.date:
    try:
        return dt.date.fromisoformat(row["date"] or "")
    except ValueError:
        started: dt.datetime = row["started"]
        return started.date()


def _mark(day: dt.date, runs_by_day: Mapping[dt.date, Mapping[str, Any]], warnings: Mapping[str, int]) -> DayMark:
    row = runs_by_day.get(day)
    if row is None:
        return DayMark(day)
    warns = row["status"] == "succeeded" and row["run_id"] in warnings
    return DayMark(day, "warning" if warns else row["status"], row["run_id"])


def _warnings(source: Source, names: Sequence[str]) -> Mapping[str, int]:
    """Return how many audits that do not block found something, by run."""
    query = (
        sa.select(audits.c.run_id, sa.func.count().label("number"))
        .join(runs, runs.c.run_id == audits.c.run_id)
        .where(
            runs.c.workflow_id.in_(names),
            runs.c.environment == source.environment.name,
            runs.c.started >= now() - dt.timedelta(days=_LOOKBACK),
            audits.c.passed.is_(False),
            audits.c.blocking.is_(False),
        )
        .group_by(audits.c.run_id)
    )
    return {row["run_id"]: row["number"] for row in source.database.rows(query)}


def _failures(source: Source, names: Sequence[str]) -> Mapping[str, Failure]:
    last = _last_failures(source, names)
    query = sa.select(runs.c.run_id, runs.c.workflow_id, runs.c.started, runs.c.error).join(
        last, (last.c.workflow_id == runs.c.workflow_id) & (last.c.at == runs.c.started)
    )
    query = query.where(runs.c.status == "failed", runs.c.environment == source.environment.name)
    rows = source.database.rows(query)
    return {
        row["workflow_id"]: Failure(row["run_id"], row["started"], (row["error"] or "").partition("\n")[0])
        for row in rows
    }


def _green_since(source: Source, names: Sequence[str]) -> Mapping[str, dt.datetime]:
    last = _last_failures(source, names)
    query = (
        sa.select(runs.c.workflow_id, sa.func.min(runs.c.started).label("since"))
        .outerjoin(last, last.c.workflow_id == runs.c.workflow_id)
        .where(
            runs.c.workflow_id.in_(names),
            runs.c.environment == source.environment.name,
            runs.c.status == "succeeded",
            sa.or_(last.c.at.is_(None), runs.c.started > last.c.at),
        )
        .group_by(runs.c.workflow_id)
    )
    return {row["workflow_id"]: row["since"] for row in source.database.rows(query)}


def _last_failures(source: Source, names: Sequence[str]) -> sa.Subquery:
    return (
        sa.select(runs.c.workflow_id, sa.func.max(runs.c.started).label("at"))
        .where(runs.c.workflow_id.in_(names), runs.c.environment == source.environment.name, runs.c.status == "failed")
        .group_by(runs.c.workflow_id)
        .subquery()
    )


def failures_since(source: Source, since: dt.datetime, most: int) -> list[dict[str, Any]]:
    """Return the outermost runs that failed since a moment, newest first; not more than so many."""
    query = sa.select(runs).where(
        runs.c.environment == source.environment.name,
        runs.c.started >= since,
        runs.c.parent_run_id.is_(None),
        runs.c.status.in_(("failed", *UNENDED)),
    )
    records = source.records
    rows = records.with_true_status(records.database.rows(query.order_by(runs.c.started.desc()).limit(most * 10)))
    return [row for row in rows if row["status"] in {"failed", "killed"}][:most]
