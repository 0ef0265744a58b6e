"""One table as its page shows it: what it holds, whose it is, what it promises, where it comes from, who reads it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from dataflow.errors import DataflowError, first_line
from dataflow.tables import properties as names
from dataflow.tables.column_migration import migrating_columns
from dataflow.tables.high_water_mark import HighWater, Sources, from_properties
from dataflow.tables.item_marks import item_marks
from dataflow.tables.pyiceberg_catalog import find_table, split_name
from dataflow.tables.schema.columns import of_iceberg
from dataflow.tables.schema.ddl import key_of
from dataflow.tables.schema.statement import create_statement, partitioning
from dataflow.ui.read.calendar import Calendar, try_calendar
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from dataflow.tables.schema.columns import Column

T = TypeVar("T")

_MOST_SNAPSHOTS = 50
_MOST_ITEMS = 200


@dataclass(frozen=True)
class ColumnRow:
    """A column, or a field inside of one.

    Attributes:
        name: Its name.
        depth: How many columns it lies within.
        type: Its type, as Spark SQL spells it.
        nullable: Whether it may have nulls.
        comment: What is said of it.
        is_key: Whether it is a part of the primary key.
        moves: The column that a migration writes in its place; empty where it goes; None where it stays.
    """

    name: str
    depth: int
    type: str
    nullable: bool
    comment: str
    is_key: bool
    moves: str | None = None


@dataclass(frozen=True)
class SnapshotRow:
    """A snapshot of the table's history.

    Attributes:
        id: Its id.
        at: When it was committed.
        operation: `append`, `overwrite`, `delete` or `replace`.
        added: How many rows its new files have; None where it does not say.
        removed: How many rows are gone; None where it does not say.
        rows: How many rows the table had then; None where it does not say.
        bytes: How large its files were.
        partition: What a run published by it; None where none did.
        run_id: That run.
        workflow: Its workflow.
        refs: The branches and tags that point to it.
    """

    id: int
    at: dt.datetime
    operation: str
    added: int | None
    removed: int | None
    rows: int | None
    bytes: int | None
    partition: str | None
    run_id: str | None
    workflow: str | None
    refs: tuple[str, ...]


@dataclass(frozen=True)
class Mark:
    """Up to where the table is complete.

    Attributes:
        label: The last complete period.
        unit: What that is: a day, an hour, a week or a month.
        timezone: The zone that it is meant in; None where nobody said.
        ahead: The periods that were finished beyond a gap.
    """

    label: str
    unit: str
    timezone: str | None
    ahead: tuple[str, ...]


@dataclass(frozen=True)
class TableDetail:
    """A table as the catalog has it.

    Attributes:
        name: What it is called, without its catalog.
        catalog: The catalog's name.
        comment: What is said of it.
        owner: Whose it is; None where nobody said.
        package: The package that made it.
        tags: Its tags.
        lifetime_days: How long its rows are kept; None where nobody said.
        key: Its primary key.
        columns: Its columns, each followed by the fields inside.
        partitioned_by: What it is partitioned by.
        rows: How many rows it has; None where nobody knows.
        bytes: How large its files are.
        files: How many files.
        mark: Up to where it is complete; None where nothing is.
        calendar: Which days it has; None where nobody can tell.
        why_no_calendar: Why not.
        items: The items that are complete, of a table that is ordered by no time.
        more_items: How many more of these there are.
        snapshots: Its history, the latest first.
        more_snapshots: How many earlier snapshots there are.
        ddl: The statement that would make it anew.
        location: Where its files are.
        is_personal: What is said of personal data in it.
    """

    name: str
    catalog: str
    comment: str
    owner: str | None
    package: str | None
    tags: tuple[str, ...]
    lifetime_days: int | None
    key: tuple[str, ...]
    columns: tuple[ColumnRow, ...]
    partitioned_by: tuple[str, ...]
    rows: int | None
    bytes: int | None
    files: int | None
    mark: Mark | None
    calendar: Calendar | None
    why_no_calendar: str
    items: tuple[str, ...]
    more_items: int
    snapshots: tuple[SnapshotRow, ...]
    more_snapshots: int
    ddl: str
    location: str
    is_personal: str | None


def table_detail(catalog: Catalog, name: str, today: dt.date) -> TableDetail | None:
    """Return a table as the catalog has it; None where there is none of this name.

    Args:
        catalog: The catalog.
        name: The table, with or without the catalog's name.
        today: The day that is not over yet.

    Raises:
        DataflowError: Its metadata can't be read.
    """
    try:
        found = find_table(catalog, name)
    except Exception as error:  # each kind of catalog raises its own
        raise DataflowError(f"table {name} can't be read: {first_line(error)}") from error
    plain = table_names.joined(split_name(catalog.name, name))
    return None if found is None else _detail(catalog.name, plain, found, today)


def _detail(catalog: str, name: str, table: Table, today: dt.date) -> TableDetail:
    told = table.properties
    water = _readable(lambda: from_properties(told), HighWater())
    shown, why = try_calendar(table, water, today)
    items = sorted(_readable(lambda: item_marks(told), dict[str, Sources]()))
    current = table.current_snapshot()
    summary = _summary(current) if current is not None else {}
    key = key_of(told.get(names.PRIMARY_KEY, ""))
    snapshots = _history(table)
    return TableDetail(
        name,
        catalog,
        told.get("comment", ""),
        told.get(names.OWNER),
        told.get(names.PACKAGE_ID),
        tuple(filter(None, (it.strip() for it in told.get(names.TAGS, "").split(",")))),
        _number(told.get(names.LIFETIME_DAYS)),
        key,
        tuple(_columns(table, key)),
        partitioning(table),
        _number(summary.get("total-records")) if current is not None else 0,
        _number(summary.get("total-files-size")) if current is not None else 0,
        _number(summary.get("total-data-files")) if current is not None else 0,
        _mark(water, told.get(names.HWM_TIMEZONE)),
        shown,
        why,
        tuple(items[:_MOST_ITEMS]),
        max(0, len(items) - _MOST_ITEMS),
        tuple(_snapshot_rows(table, snapshots[:_MOST_SNAPSHOTS])),
        max(0, len(snapshots) - _MOST_SNAPSHOTS),
        create_statement(name, table),
        table.location(),
        told.get(names.PERSONAL_DATA),
    )


def _columns(table: Table, key: Sequence[str]) -> Iterator[ColumnRow]:
    pairs = _readable(lambda: migrating_columns(table.properties), dict[str, str | None]())
    moving = {old.lower(): new for old, new in pairs.items()}
    in_key = {it.lower() for it in key}
    for field in table.schema().fields:
        column = of_iceberg(field)
        name = column.name.lower()
        moves = (moving[name] or "") if name in moving else None
        yield _column_row(column, 0, is_key=name in in_key, moves=moves)
        yield from _parts(column, 1)


def _parts(column: Column, depth: int) -> Iterator[ColumnRow]:
    for part in column.parts:
        yield _column_row(part, depth)
        yield from _parts(part, depth + 1)


def _column_row(column: Column, depth: int, *, is_key: bool = False, moves: str | None = None) -> ColumnRow:
    type_ = column.kind if column.parts else column.type
    return ColumnRow(column.name, depth, type_, column.nullable, column.comment, is_key, moves)


def _mark(water: HighWater, timezone: str | None) -> Mark | None:
    if water.mark is None:
        return None
    ahead = tuple(it.label for it in sorted(water.ahead))
    return Mark(water.mark.label, water.mark.cadence.unit, timezone, ahead)


def _history(table: Table) -> list[Snapshot]:
    """Return the snapshots that led to the current one, the latest first."""
    by_id = {it.snapshot_id: it for it in table.metadata.snapshots}
    found: list[Snapshot] = []
    at = table.current_snapshot()
    while at is not None:
        found.append(at)
        at = by_id.get(at.parent_snapshot_id) if at.parent_snapshot_id is not None else None
    return found


def _snapshot_rows(table: Table, snapshots: Sequence[Snapshot]) -> Iterator[SnapshotRow]:
    refs: dict[int, list[str]] = {}
    for name, ref in table.metadata.refs.items():
        refs.setdefault(ref.snapshot_id, []).append(name)
    for it in snapshots:
        told = _summary(it)
        yield SnapshotRow(
            it.snapshot_id,
            dt.datetime.fromtimestamp(it.timestamp_ms / 1000, dt.UTC),
            it.summary.operation.value if it.summary is not None else "",
            _number(told.get("added-records")),
            _number(told.get("deleted-records")),
            _number(told.get("total-records")),
            _number(told.get("total-files-size")),
            told.get(names.PARTITION),
            told.get(names.RUN_ID),
            told.get(names.WORKFLOW),
            tuple(sorted(refs.get(it.snapshot_id, ()))),
        )


def _summary(snapshot: Snapshot) -> Mapping[str, str]:
    return snapshot.summary.additional_properties if snapshot.summary is not None else {}


def _readable(read: Callable[[], T], otherwise: T) -> T:
    """Return what a property says; what others wrote there may say anything, and counts for nothing then."""
    try:
        return read()
    except (ValueError, TypeError, AttributeError):
        return otherwise


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
