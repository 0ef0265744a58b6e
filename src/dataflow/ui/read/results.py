"""What a run brought: its audits with their figures, and its tables with their rows, each beside earlier ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from dataflow.state.run_records import audits, publications, runs

if TYPE_CHECKING:
    from dataflow.ui.source import Source

EARLIER = 30
"""How many earlier runs a line has."""

MOST = 1500
"""How many runs inside a run are looked at."""


@dataclass(frozen=True)
class Point:
    """A figure of a run.

    Attributes:
        label: The day that the run was for, or when it began.
        figure: The figure; None where there was none.
        state: `passed`, `failed`, or `warning` where it did not block.
        run: The run.
    """

    label: str
    figure: float | None
    state: str
    run: str


@dataclass(frozen=True)
class AuditLine:
    """An audit, with its figures over runs or days.

    Attributes:
        name: What it audits.
        job: The step that it belongs to.
        function: Its function.
        blocking: Whether it keeps its table from being published.
        expected: What was expected.
        state: The worst of this run.
        findings: What it found in this run, for each day where that is not all; at most ten.
        points: The figures, the oldest first: of this run's days, or of it and earlier runs.
        passed: In how many runs of this one it passed.
        of: In how many it was looked at.
    """

    name: str
    job: str
    function: str
    blocking: bool
    expected: str
    state: str
    findings: Sequence[tuple[str, str]]
    points: Sequence[Point]
    passed: int
    of: int


@dataclass(frozen=True)
class TableResult:
    """A table that a run published.

    Attributes:
        table: The table.
        partition: The partition; of many the first and the last.
        rows: How many rows this run published.
        snapshot: The last snapshot.
        count: How many partitions.
        points: Rows over days, or over it and earlier runs, the oldest first.
    """

    table: str
    partition: str
    rows: int
    snapshot: int | None
    count: int
    points: Sequence[Point]


@dataclass(frozen=True)
class _Runs:
    """The runs that count as one.

    Attributes:
        ids: The run, and those in it.
        days: The day of each.
        names: Their workflows.
        is_one: Whether it is for one day, so that earlier runs are what there is to compare.
    """

    ids: Collection[str]
    days: Mapping[str, str]
    names: Collection[str]
    is_one: bool


def inside(source: Source, run_id: str) -> list[dict[str, Any]]:
    """Return the runs inside a run, at any depth, in the order in which they began; not all of them beyond `MOST`."""
    tree = sa.select(runs.c.run_id).where(runs.c.parent_run_id == run_id).cte("inside", recursive=True)
    tree = tree.union(sa.select(runs.c.run_id).where(runs.c.parent_run_id == tree.c.run_id))
    query = sa.select(runs).where(runs.c.run_id.in_(sa.select(tree.c.run_id)))
    records = source.records
    rows = records.database.rows(query.order_by(runs.c.started, runs.c.run_id).limit(MOST))
    return records.with_true_status(rows)


def day_of(row: Mapping[str, Any]) -> str:
    """Return the day that a run was for, or when it began."""
    return str((row["params"] or {}).get("EXECUTION_DATE") or f"{row['started']:%Y-%m-%d %H:%M}")


def results_of(
    source: Source, run: Mapping[str, Any], contained: Sequence[Mapping[str, Any]]
) -> tuple[list[AuditLine], list[TableResult]]:
    """Return the audits and the tables of a run and those in it."""
    every = [run, *contained]
    days = {row["run_id"]: day_of(row) for row in every}
    with_days = {row["params"]["EXECUTION_DATE"] for row in every if (row["params"] or {}).get("EXECUTION_DATE")}
    these = _Runs(list(days), days, {row["workflow_id"] for row in every}, len(with_days) < 2)
    return _audits(source, run, these), _tables(source, run, these)


def _audits(source: Source, run: Mapping[str, Any], these: _Runs) -> list[AuditLine]:
    own = sa.select(audits).where(audits.c.run_id.in_(these.ids)).order_by(audits.c.run_id, audits.c.attempt)
    groups: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in source.database.rows(own.order_by(audits.c.position)):
        groups.setdefault((row["job_id"], row["name"]), {})[row["run_id"]] = row  # of attempts the last one counts
    history = _audit_history(source, run, these, {name for _, name in groups}) if these.is_one else {}
    return sorted(
        (_audit(rows, history.get(key, []), these) for key, rows in groups.items()),
        key=lambda it: (("failed", "warning", "passed").index(it.state), it.job, it.name),
    )


def _audit(rows: Mapping[str, Mapping[str, Any]], history: Sequence[Point], these: _Runs) -> AuditLine:
    states = {run: _state(row) for run, row in rows.items()}
    first = next(iter(rows.values()))
    points = [Point(these.days[run], row["figure"], states[run], run) for run, row in rows.items()]
    found = [(these.days[run], row["finding"] or "") for run, row in rows.items() if not row["passed"]]
    return AuditLine(
        name=first["name"],
        job=first["job_id"],
        function=first["function"],
        blocking=first["blocking"],
        expected=first["expected"] or "",
        state=next((it for it in ("failed", "warning") if it in states.values()), "passed"),
        findings=found[:10],
        points=sorted([*history, *points], key=lambda it: it.label),
        passed=sum(it == "passed" for it in states.values()),
        of=len(rows),
    )


def _state(row: Mapping[str, Any]) -> str:
    return "passed" if row["passed"] else "failed" if row["blocking"] else "warning"


def _audit_history(
    source: Source, run: Mapping[str, Any], these: _Runs, names: Collection[str]
) -> dict[tuple[str, str], list[Point]]:
    """Return the figures of the same audits in earlier runs of the same workflows, by job and name."""
    earlier = _earlier(source, run, these)
    if not names or not earlier:
        return {}
    query = sa.select(audits).where(audits.c.run_id.in_(earlier), audits.c.name.in_(sorted(names)))
    found: dict[tuple[str, str], dict[str, Point]] = {}
    for row in source.database.rows(query.order_by(audits.c.run_id, audits.c.attempt)):
        point = Point(earlier[row["run_id"]], row["figure"], _state(row), row["run_id"])
        found.setdefault((row["job_id"], row["name"]), {})[row["run_id"]] = point
    return {key: list(points.values()) for key, points in found.items()}


def _earlier(source: Source, run: Mapping[str, Any], these: _Runs) -> dict[str, str]:
    """Return the days of the runs of the same workflows before a run, by their ids; of each day the last one."""
    date = runs.c.params["EXECUTION_DATE"].as_string().label("date")
    query = sa.select(runs.c.run_id, runs.c.workflow_id, runs.c.started, date).where(
        runs.c.workflow_id.in_(sorted(these.names)),
        runs.c.environment == source.environment.name,
        runs.c.started < run["started"],
        runs.c.run_id.not_in(these.ids),
    )
    rows = source.database.rows(query.order_by(runs.c.started.desc()).limit(EARLIER * 3 * len(these.names)))
    found: dict[tuple[str, str], str] = {}
    own = set(these.days.values())
    for row in rows:
        day = row["date"] or f"{row['started']:%Y-%m-%d %H:%M}"
        if day not in own:
            found.setdefault((row["workflow_id"], day), row["run_id"])
    kept: dict[str, str] = {}
    for name in these.names:
        mine = [(day, id_) for (workflow, day), id_ in found.items() if workflow == name]
        kept |= {id_: day for day, id_ in mine[:EARLIER]}
    return kept


def _tables(source: Source, run: Mapping[str, Any], these: _Runs) -> list[TableResult]:
    own = sa.select(publications).where(publications.c.run_id.in_(these.ids)).order_by(publications.c.partition)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in source.database.rows(own):
        groups.setdefault(row["table_name"], []).append(row)
    history: dict[str, list[Point]] = {}
    if these.is_one and groups and (earlier := _earlier(source, run, these)):
        query = sa.select(publications).where(
            publications.c.run_id.in_(earlier), publications.c.table_name.in_(sorted(groups))
        )
        for row in source.database.rows(query):
            point = Point(earlier[row["run_id"]], row["rows"], "passed", row["run_id"])
            history.setdefault(row["table_name"], []).append(point)
    return [_table(table, rows, history.get(table, []), these) for table, rows in sorted(groups.items())]


def _table(table: str, rows: Sequence[Mapping[str, Any]], history: Sequence[Point], these: _Runs) -> TableResult:
    points = [Point(these.days[row["run_id"]], row["rows"], "passed", row["run_id"]) for row in rows]
    first, last = rows[0]["partition"], rows[-1]["partition"]
    return TableResult(
        table=table,
        partition=first if first == last else f"{first} to {last}",
        rows=sum(row["rows"] for row in rows),
        snapshot=max((row["snapshot"] for row in rows if row["snapshot"] is not None), default=None),
        count=len(rows),
        points=sorted([*history, *points], key=lambda it: it.label),
    )


def seconds_between(start: dt.datetime | None, end: dt.datetime | None) -> float | None:
    """Return how long something took; None where it has not begun or not ended."""
    return None if start is None or end is None else (end - start).total_seconds()
