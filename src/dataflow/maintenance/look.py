"""What there is to know of tables without a JVM: whose they are, how large and old, their history, their days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.maintenance.readers import Find
from dataflow.tables.changed_days.day_values import DayColumn, Grain
from dataflow.tables.changed_days.file_days import FileDays, add_rows
from dataflow.tables.changed_days.find import day_column
from dataflow.tables.changed_days.history import live_files
from dataflow.tables.high_water_mark import from_properties
from dataflow.tables.properties import (
    BUNDLE,
    HWM,
    LIFETIME_DAYS,
    MAINTENANCE,
    OWNER,
    PACKAGE_ID,
    PARTITION,
    PRIMARY_KEY,
    ROWS,
    RUN_ID,
    TAGS,
    WORKFLOW,
)
from dataflow.workflow import table_names
from dataflow.workflow.periods import Cadence, Period, period_of

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from dataflow.state.run_records import RunRecords

_MOST = 100_000
"""How many periods are listed at most."""


@dataclass(frozen=True)
class TableFacts:
    """A table.

    Attributes:
        table: Its name.
        owner: Who owns it; None where it does not say.
        package: The package that writes it.
        mark: Up to where it is complete.
        rows: How many rows it has; None where its snapshot does not say.
        bytes: The size of its data files.
        files: How many data files it has.
        changed: When it was written last.
        snapshots: How many snapshots it has.
        references: Its branches and tags, beside main.
        lifetime_days: For how long a partition is kept.
        tags: Its tags.
        key: The columns that identify a row.
        partitioned_by: How it is partitioned.
        location: Its folder.
    """

    table: str
    owner: str | None
    package: str | None
    mark: str | None
    rows: int | None
    bytes: int | None
    files: int | None
    changed: dt.datetime | None
    snapshots: int
    references: tuple[str, ...]
    lifetime_days: int | None
    tags: tuple[str, ...]
    key: tuple[str, ...]
    partitioned_by: tuple[str, ...]
    location: str


def facts_of(name: str, table: Table) -> TableFacts:
    """Return what a table's own metadata says."""
    own, current = table.properties, table.current_snapshot()
    told = _summary(current) if current else {}
    schema, spec = table.schema(), table.spec()
    fields = [(str(it.transform), schema.find_column_name(it.source_id) or "") for it in spec.fields]
    return TableFacts(
        name,
        own.get(OWNER),
        own.get(PACKAGE_ID),
        own.get(HWM),
        _number(told.get("total-records")) if current else 0,
        _number(told.get("total-files-size")) if current else 0,
        _number(told.get("total-data-files")) if current else 0,
        _moment(current) if current else None,
        len(table.metadata.snapshots),
        tuple(sorted(it for it in table.metadata.refs if it != "main")),
        _number(own.get(LIFETIME_DAYS)),
        _listed(own.get(TAGS)),
        _listed(own.get(PRIMARY_KEY)),
        tuple(column if kind == "identity" else f"{kind}({column})" for kind, column in fields if kind != "void"),
        table.metadata.location,
    )


def list_facts(names: Iterable[str], find: Find, database: str | None = None) -> list[TableFacts]:
    """Return the facts of tables.

    Args:
        names: Their names.
        find: Finds a table; one that somebody has just dropped is left out.
        database: Only those of this database.
    """
    wanted = [it for it in names if database is None or table_names.split(it)[:-1] == table_names.split(database)]
    tables = ((name, find(name)) for name in wanted)
    return [facts_of(name, table) for name, table in tables if table is not None]


@dataclass(frozen=True)
class Version:
    """A snapshot of main.

    Attributes:
        snapshot: Its id.
        at: When it was committed.
        what: What was done: `published`, `kept`, a kind of maintenance, or Iceberg's operation.
        partition: The partition that was published.
        rows: How many rows that has since.
        run: The run.
        workflow: The run's workflow.
        bundle: The bundle that ran.
    """

    snapshot: int
    at: dt.datetime
    what: str
    partition: str | None
    rows: int | None
    run: str | None
    workflow: str | None
    bundle: str | None


def history_of(table: Table, limit: int) -> list[Version]:
    """Return the last snapshots of main, the newest first."""
    found: list[Version] = []
    snapshot = table.current_snapshot()
    while snapshot is not None and len(found) < limit:
        told = _summary(snapshot)
        operation = snapshot.summary.operation.value if snapshot.summary else "unknown"
        what = told.get(MAINTENANCE) or told.get("dataflow.outcome") or operation
        rows = _number(told.get(ROWS))
        found.append(
            Version(
                snapshot.snapshot_id,
                _moment(snapshot),
                what,
                told.get(PARTITION),
                rows,
                told.get(RUN_ID),
                told.get(WORKFLOW),
                told.get(BUNDLE),
            )
        )
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    return found


@dataclass(frozen=True)
class Coverage:
    """The days of a table, or its hours, weeks or months.

    Attributes:
        table: The table.
        column: The column that says which day a row belongs to.
        cadence: What the periods are.
        mark: Up to where it is complete.
        days: Each period from the first to the last that is known: `there`, `empty`, `missing` or `failed`.
        rows: How many rows those have that are there; None where only the range of a file is known.
        failures: Of those whose last run failed, the workflow.
    """

    table: str
    column: str
    cadence: Cadence
    mark: Period | None
    days: Mapping[Period, str]
    rows: Mapping[Period, int | None]
    failures: Mapping[Period, str]


def coverage_of(name: str, table: Table, records: RunRecords, environment: str, column: str | None = None) -> Coverage:
    """Say which days of a table are there, are missing, or failed.

    A day up to the mark without rows is `empty`: a run found nothing for it. One whose last run failed is `failed`,
    whatever rows it has from before.

    Args:
        name: The table, `database.table`.
        table: The table.
        records: The run records of the environment.
        environment: Where runs count.
        column: The column that says which day a row belongs to; what the table is partitioned by when omitted.

    Raises:
        DataflowError: Nobody can tell which column that is.
    """
    water = from_properties(table.properties)
    found = _day_column(name, table, column)
    cadence = next((it.cadence for it in (water.mark, *water.ahead) if it is not None), Cadence.DAILY)
    coarse = cadence if cadence in {Cadence.WEEKLY, Cadence.MONTHLY} else None
    day = DayColumn(found.id, found.name, found.type, found.default, Grain(cadence, coarse))
    rows = _rows(name, table, day)
    failures = _failures(name, records, environment, cadence)
    done = {*water.ahead} | ({water.mark} if water.mark is not None else set())
    known = sorted({*rows, *failures, *done})
    if known and known[0].count_to(known[-1]) > _MOST:
        raise DataflowError(
            f"{name} has {cadence.unit}s from {known[0].label} to {known[-1].label}: they are too many to list"
        )
    days = {}
    for period in known[0].upto(known[-1]) if known else ():
        is_done = period in done or (water.mark is not None and period <= water.mark)
        there = "there" if rows.get(period, 0) != 0 else "empty" if is_done else "missing"
        days[period] = "failed" if period in failures else there
    return Coverage(name, found.name, cadence, water.mark, days, rows, failures)


def spans(days: Mapping[Period, str]) -> Iterator[tuple[Period, Period, str]]:
    """Yield runs of periods with one state: the first, the last, the state."""
    first: Period | None = None
    last: Period | None = None
    state = ""
    for period, it in days.items():
        if first is None or it != state:
            if first is not None and last is not None:
                yield first, last, state
            first, state = period, it
        last = period
    if first is not None and last is not None:
        yield first, last, state


def _day_column(name: str, table: Table, column: str | None) -> DayColumn:
    try:
        return day_column(table.metadata, name, column)
    except DataflowError as error:
        if column is not None:
            raise
        raise DataflowError(error.message, "name it: --day COLUMN", permanent=True) from error


def _rows(name: str, table: Table, day: DayColumn) -> dict[Period, int | None]:
    files, current = FileDays(table.io, table.specs(), day), table.current_snapshot()
    found: dict[Period, int | None] = {}
    for entry in live_files(table.io, current) if current is not None else ():
        rows = files.of_data(entry)
        if rows is None:
            raise DataflowError(f"nobody can tell the days of {entry.path}, a file of {name}: it can't be read")
        add_rows(found, rows)
    return found


def _failures(name: str, records: RunRecords, environment: str, cadence: Cadence) -> dict[Period, str]:
    """Return the periods whose last run of a workflow that publishes to a table failed, with the workflow."""
    found: dict[Period, str] = {}
    for workflow in records.writers_of(name, environment):
        for run in records.days_of(workflow, environment):
            period = period_of(run.day) or cadence.read(run.day)
            if period is None:
                continue
            for part in cadence.range(period, period):
                if run.status in {"failed", "killed", "cancelled"}:
                    found[part] = workflow
                elif run.status == "succeeded":
                    found.pop(part, None)
    return found


def _summary(snapshot: Snapshot) -> Mapping[str, str]:
    return snapshot.summary.additional_properties if snapshot.summary else {}


def _moment(snapshot: Snapshot) -> dt.datetime:
    return dt.datetime.fromtimestamp(snapshot.timestamp_ms / 1000, dt.UTC)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
