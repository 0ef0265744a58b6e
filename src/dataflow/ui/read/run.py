"""A run: what ran when, what it brought, and what it printed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.state.run_records import UNENDED
from dataflow.state.utc import now
from dataflow.ui.problem import Part, part
from dataflow.ui.read.definition import Ran, what_ran
from dataflow.ui.read.log import LogPart, log_part
from dataflow.ui.read.results import AuditLine, TableResult, day_of, inside, results_of, seconds_between
from dataflow.ui.read.rows import FirstRows, first_rows

if TYPE_CHECKING:
    from dataflow.ui.page import Asked
    from dataflow.ui.source import Source

_TABLES_SHOWN = 3


@dataclass(frozen=True)
class Bar:
    """Something that took its time: a job, or a run in a run.

    Attributes:
        name: What it is called.
        status: How it goes, or ended.
        started: When it began; None where it never did.
        seconds: How long it took so far; None where it never began.
        left: Where it begins, in thousandths of the run.
        width: How long it is, in thousandths of the run; at least two.
        detail: What it says of itself, or what went wrong.
        run: The run that it is; empty for a job.
        attempt: The attempt of a job.
    """

    name: str
    status: str
    started: dt.datetime | None
    seconds: float | None
    left: float
    width: float
    detail: str
    run: str = ""
    attempt: int = 0


@dataclass(frozen=True)
class Asset:
    """Something that a bundle ran.

    Attributes:
        id: Its id.
        path: Its file.
        commit: The commit that it was built from.
    """

    id: str
    path: str
    commit: str


@dataclass(frozen=True)
class RunPage:
    """A run.

    Attributes:
        id: Its id.
        workflow: The workflow.
        owner: Whose that is.
        user: Who started it.
        host: Where.
        environment: In which environment.
        file: The definition.
        day: The day that it is for; empty for none.
        status: How it goes, or ended.
        started: When it began.
        ended: When it ended; None while it goes on.
        seconds: How long it took; None while it goes on.
        error: What went wrong.
        parent: The run that it is part of; empty for none.
        bundle: The bundle that it was run from; empty for none.
        params: Its parameters.
        versions: What it ran with.
        is_live: Whether it goes on.
        jobs: Its jobs, in order, each attempt by itself.
        dates: The runs in it.
        audits: Its audits, and those of the runs in it.
        tables: The tables that it published.
        reads: The tables that it read, each with its snapshot.
        rows: The first rows of its tables.
        assets: What its bundle ran.
        ran: Its steps and its SQL.
        log: What it printed.
    """

    id: str
    workflow: str
    owner: str
    user: str
    host: str
    environment: str
    file: str
    day: str
    status: str
    started: dt.datetime
    ended: dt.datetime | None
    seconds: float | None
    error: str
    parent: str
    bundle: str
    params: Mapping[str, str]
    versions: Mapping[str, str]
    is_live: bool
    jobs: Sequence[Bar]
    dates: Sequence[Bar]
    audits: Sequence[AuditLine]
    tables: Sequence[TableResult]
    reads: Sequence[tuple[str, int | None]]
    rows: Sequence[tuple[str, Part[FirstRows]]]
    assets: Part[Sequence[Asset]]
    ran: Part[Ran]
    log: Part[LogPart]


def run_page(source: Source, asked: Asked) -> RunPage:
    """Return a run by its id, or the beginning of one.

    Raises:
        UsageError: There is no such run.
    """
    found = source.records.run(asked.subject["run"])
    contained = inside(source, found["run_id"])
    audits, tables = results_of(source, found, contained)
    ended = found["ended"] or now()
    span = max((ended - found["started"]).total_seconds(), 0.001)
    return RunPage(
        id=found["run_id"],
        workflow=found["workflow_id"],
        owner=found["owner"] or "",
        user=found["user"] or "",
        host=found["host"] or "",
        environment=found["environment"] or "",
        file=found["file"] or "",
        day=str((found["params"] or {}).get("EXECUTION_DATE", "")),
        status=found["status"],
        started=found["started"],
        ended=found["ended"],
        seconds=seconds_between(found["started"], found["ended"]),
        error=found["error"] or "",
        parent=found["parent_run_id"] or "",
        bundle=found["bundle"] or "",
        params=found["params"] or {},
        versions=found["versions"] or {},
        is_live=found["status"] in UNENDED,
        jobs=[_job(it, found["started"], span) for it in found["jobs"]],
        dates=[_date(it, found["started"], span) for it in contained],
        audits=audits,
        tables=tables,
        reads=sorted({(it["source"], it["snapshot"]) for it in found["reads"]}, key=str),
        rows=_rows(source, tables),
        assets=part(lambda: _assets(source, found["bundle"])),
        ran=part(lambda: what_ran(source, found)),
        log=part(lambda: log_part(found)),
    )


def run_state(source: Source, asked: Asked) -> str | None:
    """Return what changes while a run goes on; None once it has ended.

    Raises:
        UsageError: There is no such run.
    """
    found = source.records.run(asked.subject["run"])
    if found["status"] not in UNENDED:
        return None
    inner = [(it["run_id"], it["status"]) for it in found["children"]]
    return f"{found['status']} {len(found['jobs'])} {len(found['audits'])} {inner}"


def _rows(source: Source, tables: Sequence[TableResult]) -> list[tuple[str, Part[FirstRows]]]:
    def look(it: TableResult) -> Part[FirstRows]:
        partition = it.partition if it.count == 1 else ""
        return part(lambda: first_rows(source, it.table, it.snapshot, partition))

    return [(it.table, look(it)) for it in tables[:_TABLES_SHOWN]]


def _assets(source: Source, bundle: str | None) -> list[Asset]:
    from dataflow.deploy.deployed_run import assets_of

    if not bundle:
        return []
    return [Asset(it["id"], it["path"], it["commit"] or "") for it in assets_of(source.registry, bundle)]


def _job(job: Mapping[str, Any], start: dt.datetime, span: float) -> Bar:
    detail = job["error"] or job["detail"] or ""
    bar = _bar(job["job_id"], job["status"], job["started"], job["ended"], start, span)
    return Bar(**{**vars(bar), "detail": detail, "attempt": job["attempt"]})


def _date(row: Mapping[str, Any], start: dt.datetime, span: float) -> Bar:
    bar = _bar(f"{day_of(row)} {row['workflow_id']}", row["status"], row["started"], row["ended"], start, span)
    return Bar(**{**vars(bar), "detail": (row["error"] or "").partition("\n")[0], "run": row["run_id"]})


def _bar(
    name: str, status: str, begun: dt.datetime | None, ended: dt.datetime | None, start: dt.datetime, span: float
) -> Bar:
    if begun is None or status == "skipped":
        return Bar(name, status, None, None, 0, 0, "")
    seconds = ((ended or now()) - begun).total_seconds()
    left = min(998.0, max(0.0, 1000 * (begun - start).total_seconds() / span))
    return Bar(name, status, begun, seconds, left, max(2.0, min(1000 - left, 1000 * seconds / span)), "")
