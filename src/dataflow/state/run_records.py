"""The run records: what ran, with which parameters and versions, how long, and what its audits found.

A row is written before the success it stands for is reported.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from dataflow.errors import UsageError, did_you_mean
from dataflow.process import is_alive
from dataflow.state.campaign_table import campaigns
from dataflow.state.database import StateDatabase, UtcDateTime, clock, metadata
from dataflow.state.lease_tables import live

runs = sa.Table(
    "dataflow_runs",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("parent_run_id", sa.String(100), index=True),
    sa.Column("workflow_id", sa.String(300), index=True, nullable=False),
    sa.Column("package", sa.String(100)),
    sa.Column("file", sa.Text),
    sa.Column("environment", sa.String(100)),
    sa.Column("user", sa.String(100)),
    sa.Column("host", sa.String(200)),
    sa.Column("process", sa.Integer),
    sa.Column("params", sa.JSON),
    sa.Column("versions", sa.JSON),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("started", UtcDateTime, index=True, nullable=False),
    sa.Column("ended", UtcDateTime),
    sa.Column("error", sa.Text),
    sa.Column("log", sa.Text),
    sa.Column("bundle", sa.String(64)),
    sa.Column("owner", sa.String(200)),
    sa.Column("step", sa.String(300)),
    sa.Column("asked", sa.JSON),
    sa.Column("definitions", sa.String(64)),
    sa.Column("accelerator", sa.JSON),
)
jobs = sa.Table(
    "dataflow_jobs",
    metadata,
    sa.Column("run_id", sa.String(100), sa.ForeignKey(runs.c.run_id), primary_key=True),
    sa.Column("job_id", sa.String(200), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("started", UtcDateTime),
    sa.Column("ended", UtcDateTime),
    sa.Column("detail", sa.Text),
    sa.Column("error", sa.Text),
)
publications = sa.Table(
    "dataflow_publications",
    metadata,
    sa.Column("run_id", sa.String(100), sa.ForeignKey(runs.c.run_id), primary_key=True),
    sa.Column("job_id", sa.String(200), primary_key=True),
    sa.Column("table_name", sa.String(500), index=True, nullable=False),
    sa.Column("partition", sa.String(500), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("snapshot", sa.BigInteger),
)
audits = sa.Table(
    "dataflow_audits",
    metadata,
    sa.Column("run_id", sa.String(100), sa.ForeignKey(runs.c.run_id), primary_key=True),
    sa.Column("job_id", sa.String(200), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("function", sa.String(100), nullable=False),
    sa.Column("blocking", sa.Boolean, nullable=False),
    sa.Column("passed", sa.Boolean, nullable=False),
    sa.Column("figure", sa.Float),
    sa.Column("expected", sa.Text),
    sa.Column("finding", sa.Text),
    sa.Column("sample", sa.JSON),
)
reads = sa.Table(
    "dataflow_reads",
    metadata,
    sa.Column("run_id", sa.String(100), sa.ForeignKey(runs.c.run_id), primary_key=True),
    sa.Column("written", sa.String(500), primary_key=True),
    sa.Column("source", sa.String(500), primary_key=True),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("snapshot", sa.BigInteger),
)

UNENDED = ("running", "waiting")
"""The statuses of runs that have not ended."""

_RUNS_LOOKED_AT = 50

_LONG_SILENCE = dt.timedelta(minutes=5)
"""How long the heart of a run elsewhere may be silent before it is called killed."""


@contextlib.contextmanager
def open_run_records(address: str | None) -> Iterator[RunRecords]:
    """Open the run records at a state address, and close them at the end.

    Args:
        address: A SQLAlchemy URL; None is the SQLite file in the Dataflow home.

    Raises:
        DataflowError: The address can't be opened.
    """
    with StateDatabase(address) as database:
        yield RunRecords(database)


@dataclass(frozen=True)
class DayRun:
    """A run of a whole workflow for a day.

    Attributes:
        day: The day.
        status: How it ended.
        definitions: The checksum of what it was made from; None where an earlier version recorded it.
        seconds: How long it took; None where it has not ended.
    """

    day: str
    status: str
    definitions: str | None
    seconds: float | None


class RunRecords:
    """The run records in a state database.

    Attributes:
        database: The database.
    """

    def __init__(self, database: StateDatabase) -> None:
        self.database = database

    def insert(self, table: sa.Table, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Add rows to a table of the records, all of them or none."""
        self.database.insert(table, rows)

    def update_run(self, run_id: str, **values: object) -> None:
        """Change values of a run's record."""
        with self.database.begin() as connection:
            connection.execute(runs.update().where(runs.c.run_id == run_id).values(**values))

    def recent(
        self, workflow: str | None, limit: int, *, children: bool = False, environment: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the last runs, newest first.

        Args:
            workflow: Only runs whose workflow id contains this text.
            limit: At most so many.
            children: Whether runs that another run started are listed too.
            environment: Only runs in this environment.
        """
        query = sa.select(runs).order_by(runs.c.started.desc(), runs.c.run_id.desc()).limit(limit)
        if workflow:
            query = query.where(runs.c.workflow_id.contains(workflow, autoescape=True))
        if environment:
            query = query.where(runs.c.environment == environment)
        if not children:
            query = query.where(runs.c.parent_run_id.is_(None))
        return self.with_true_status(self.database.rows(query))

    def last_of(self, workflow_id: str) -> dict[str, Any] | None:
        """Return the last run of a workflow that no other run started; None where it never ran."""
        mine = (runs.c.workflow_id == workflow_id, runs.c.parent_run_id.is_(None))
        query = sa.select(runs).where(*mine).order_by(runs.c.started.desc(), runs.c.run_id.desc()).limit(1)
        return next(iter(self.with_true_status(self.database.rows(query))), None)

    def run(self, run_id: str) -> dict[str, Any]:
        """Return everything that is recorded of a run; a prefix of its id, or `last`, is enough.

        Raises:
            UsageError: There is no such run, or several.
        """
        found = self._one_run(run_id)
        own = found["run_id"]
        for key, table in (("jobs", jobs), ("publications", publications), ("audits", audits), ("reads", reads)):
            rows = self.database.rows(sa.select(table).where(table.c.run_id == own).order_by(*_order(table)))
            found[key] = [{k: v for k, v in row.items() if k != "run_id"} for row in rows]
        children = sa.select(runs).where(runs.c.parent_run_id == own).order_by(runs.c.started, runs.c.run_id)
        found["children"] = self.with_true_status(self.database.rows(children))
        return found

    def sources_of(self, workflow_id: str, written: str) -> list[str]:
        """Return the tables that a workflow's last successful run read to write a table; names carry their catalog."""
        mine = sa.select(runs.c.run_id).join(reads, reads.c.run_id == runs.c.run_id)
        mine = mine.where(runs.c.workflow_id == workflow_id, runs.c.status == "succeeded", reads.c.written == written)
        last = self.database.rows(mine.order_by(runs.c.started.desc()).limit(1))
        if not last:
            return []
        own = (reads.c.run_id == last[0]["run_id"], reads.c.written == written, reads.c.source != written)
        return [
            row["source"] for row in self.database.rows(sa.select(reads.c.source).where(*own).order_by(reads.c.source))
        ]

    def days_of(self, workflow_id: str, environment: str) -> list[DayRun]:
        """Return the runs of a workflow for a day, the oldest first; not those of single jobs."""
        columns = ("run_id", "host", "process", "params", "status", "definitions", "started", "ended", "asked")
        query = sa.select(*(runs.c[name] for name in columns)).order_by(runs.c.started, runs.c.run_id)
        rows = self.database.rows(query.where(runs.c.workflow_id == workflow_id, runs.c.environment == environment))
        return [
            DayRun(
                row["params"]["EXECUTION_DATE"],
                row["status"],
                row["definitions"],
                (row["ended"] - row["started"]).total_seconds() if row["ended"] else None,
            )
            for row in rows
            if "EXECUTION_DATE" in (row["params"] or {}) and not (row["asked"] or {}).get("job")
        ]

    def accelerated(self, workflow_id: str, environment: str, definitions: str) -> list[dict[str, Any]]:
        """Return what Comet did in the last run of a workflow that it was at work in, and in the runs within.

        Args:
            workflow_id: The workflow.
            environment: Where it ran.
            definitions: The checksum of what it was made from.
        """
        mine = (runs.c.workflow_id == workflow_id, runs.c.environment == environment, runs.c.definitions == definitions)
        last = sa.select(runs.c.run_id, runs.c.accelerator).where(*mine, runs.c.status == "succeeded")
        rows = self.database.rows(last.order_by(runs.c.started.desc()).limit(_RUNS_LOOKED_AT))
        run = next((row["run_id"] for row in rows if (row["accelerator"] or {}).get("name")), None)
        if run is None:
            return []
        within = sa.select(runs.c.accelerator).where(runs.c.run_id.startswith(run, autoescape=True))
        return [row["accelerator"] for row in self.database.rows(within) if row["accelerator"]]

    def has_ended(self, workflows: Collection[str], environment: str, since: dt.datetime) -> bool:
        """Say whether a run of one of some workflows has ended since a moment."""
        mine = (runs.c.workflow_id.in_(sorted(workflows)), runs.c.environment == environment, runs.c.ended >= since)
        return bool(self.database.rows(sa.select(runs.c.run_id).where(*mine).limit(1)))

    def is_live(self, run_ids: Sequence[str]) -> bool:
        """Say whether the run with the longest of these ids may still be working; True when none is on record."""
        rows = self.database.rows(sa.select(runs).where(runs.c.run_id.in_(run_ids)))
        last = max(rows, key=lambda row: len(row["run_id"]), default=None)
        return last is None or self.with_true_status([last])[0]["status"] in UNENDED

    def branch_run(self, name: str) -> Literal["live", "over", "unknown"]:
        """Say of a branch, named without its prefix, whether its run may still be working."""
        parts = name.split("_")  # the run's id, then the step's
        ids = ["_".join(parts[:n]) for n in range(1, len(parts))]
        if not self.database.rows(sa.select(runs.c.run_id).where(runs.c.run_id.in_(ids)).limit(1)):
            return "unknown"
        return "live" if self.is_live(ids) else "over"

    def readers_of(self, source: str) -> dict[str, int]:
        """Return the tables that were computed from a table, each with the last snapshot of it that a run read.

        Args:
            source: The table with its catalog, without regard to case.
        """
        mine = sa.select(reads.c.written, reads.c.snapshot).join(runs, runs.c.run_id == reads.c.run_id)
        found = mine.where(sa.func.lower(reads.c.source) == source.lower(), reads.c.written != reads.c.source)
        return {row["written"]: row["snapshot"] for row in self.database.rows(found.order_by(runs.c.started))}

    def open_campaign(self, table: str, environment: str) -> tuple[str, dt.datetime] | None:
        """Return the name of the campaign that is open on a table, and since when; None where there is none."""
        mine = (campaigns.c.table_name == table, campaigns.c.environment == environment, campaigns.c.state == "open")
        rows = self.database.rows(sa.select(campaigns.c.id, campaigns.c.opened).where(*mine))
        return (rows[0]["id"], rows[0]["opened"]) if rows else None

    def writers_of(self, table: str, environment: str) -> list[str]:
        """Return the workflows that published to a table."""
        mine = sa.select(runs.c.workflow_id).join(publications, publications.c.run_id == runs.c.run_id).distinct()
        found = mine.where(publications.c.table_name == table, runs.c.environment == environment)
        return [row["workflow_id"] for row in self.database.rows(found.order_by(runs.c.workflow_id))]

    def one(self, run_id: str) -> dict[str, Any]:
        """Return a run's own record; a prefix of its id, or `last`, is enough.

        Raises:
            UsageError: There is no such run, or several.
        """
        return self._one_run(run_id)

    def root_of(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outermost run that a run is part of; itself where it is part of none."""
        row = dict(found)
        while row["parent_run_id"] is not None:
            row = self._one_run(row["parent_run_id"])
        return row

    def with_true_status(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Call runs `killed` whose records say that they go on, but whose process is gone, or silent for minutes."""
        unended = [row["run_id"] for row in rows if row["status"] in UNENDED]
        silent = self._silent(unended) if unended else ()
        return [
            {**row, "status": "killed"} if row["run_id"].startswith(silent) and row["status"] in UNENDED else row
            for row in map(_with_true_status, rows)
        ]

    def _silent(self, run_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the runs around those of these ids whose hearts have not beaten for minutes."""
        around = {
            "_".join(parts[:n]) for id_ in run_ids for parts in [id_.split("_")] for n in range(1, len(parts) + 1)
        }
        with self.database.begin() as connection:
            since = clock(connection) - _LONG_SILENCE
            found = sa.select(live.c.run_id).where(live.c.run_id.in_(sorted(around)), live.c.beat < since)
            return tuple(connection.execute(found).scalars())

    def _one_run(self, run_id: str) -> dict[str, Any]:
        if run_id == "last":
            found = self.recent(None, 1)
        else:
            found = self.database.rows(sa.select(runs).where(runs.c.run_id == run_id)) or self.database.rows(
                sa.select(runs).where(runs.c.run_id.startswith(run_id, autoescape=True)).limit(5)
            )
        if len(found) > 1:  # a run's id is the beginning of those of the runs that it contains
            found = [row for row in found if row["parent_run_id"] is None] or found
        if len(found) == 1:
            return self.with_true_status(found)[0]
        if not found:
            known = [row["run_id"] for row in self.recent(None, 50)]
            raise UsageError(f"no run '{run_id}'{did_you_mean(run_id, known, limit=3)}", "see `dataflow workflow runs`")
        listed = ", ".join(row["run_id"] for row in found)
        raise UsageError(f"'{run_id}' could be any of {listed}")


def _order(table: sa.Table) -> list[sa.Column[Any]]:
    if table is jobs:
        return [jobs.c.position, jobs.c.attempt]
    return list(table.primary_key.columns)


def _with_true_status(row: Mapping[str, Any]) -> dict[str, Any]:
    """Call a run `killed` when its record says running, but its process on this machine is gone."""
    found = dict(row)
    is_ours = found["status"] in UNENDED and found["host"] == socket.gethostname()
    if is_ours and not is_alive(found["process"], found["started"]):
        found["status"] = "killed"
    return found
