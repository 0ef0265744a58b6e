"""Which days of a table changed since a snapshot, and by what: from metadata, and where that can't tell, one column.

Days stand for hours, weeks and months as well: whatever the source is partitioned by, changes are told in the periods
that are asked for.

What counts is what a reader sees by day: rows added, overwritten, deleted, corrected. Compaction (`replace`) leaves the
same rows in other files and does not count. The cost grows with the snapshots since, and not with the table.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, did_you_mean
from dataflow.tables.changed_days.day_values import DAYS, TEMPORAL, UTC, DayColumn, Grain, PeriodRange, Zone
from dataflow.tables.changed_days.delete_days import WholeTableError, deleted_days
from dataflow.tables.changed_days.file_days import FileDays, Rows, add_rows
from dataflow.tables.changed_days.history import changed_files, live_files, snapshots_since
from dataflow.tables.changed_days.item_values import ItemColumn
from dataflow.tables.reader.manifests import ADDED, DATA
from dataflow.workflow.periods import Cadence, Period

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

    from dataflow.tables.reader.manifests import FileEntry

_CALLED_DAY = re.compile(r"(?i)(?:.*_)?(?:date|day|dt|ds|dateint|date_?id)")


@dataclass(frozen=True)
class Change:
    """What one snapshot did to one day.

    Attributes:
        snapshot: The snapshot's id.
        at: When it was committed.
        came: How many rows its new files have of the day; None where only the range of days is known.
        went: How many rows the files that it took away, or its delete files, had of the day; None as before.
    """

    snapshot: int
    at: dt.datetime
    came: int | None = 0
    went: int | None = 0


@dataclass(frozen=True)
class ChangedDays:
    """What changed in a table since a snapshot.

    Attributes:
        head: The snapshot that was looked at: its sequence number and id; None of a table without any.
        days: The days, other periods, or items, each with what snapshots did to it, the newest first.
        snapshots: The snapshots since, the newest first.
        lost: Why nobody can tell what changed; None where it is told.
        notes: Days that could only be told roughly, and where days of instants are cut, in words.
        arrived: The days of rows that came lately, where nobody can tell by snapshots and a column tells it.
    """

    head: tuple[int, int] | None
    days: Mapping[Any, tuple[Change, ...]] = field(default_factory=dict)
    snapshots: tuple[int, ...] = ()
    lost: str | None = None
    notes: tuple[str, ...] = ()
    arrived: tuple[Period, ...] = ()


@dataclass(frozen=True)
class Arrival:
    """What tells, beside snapshots, which rows came lately.

    Attributes:
        column: The column of the time at which a row arrived.
        first: The first day, or other period, that counts as lately.
    """

    column: str
    first: Period


def changed_days(
    table: Table,
    since: int | None,
    column: str | None = None,
    grain: Grain = DAYS,
    *,
    arrival: Arrival | None = None,
) -> ChangedDays:
    """Return the days of a table that changed since a snapshot.

    Args:
        table: The table, as PyIceberg has it.
        since: The snapshot; None where none is remembered.
        column: The column that says which day a row belongs to; the one that the table is partitioned by when omitted.
        grain: In which periods they are told.
        arrival: What tells the days of the rows that came lately, where the snapshot can't.

    Raises:
        DataflowError: There is no such column, or nobody can tell which one it is; or a manifest can't be read.
    """
    metadata = table.metadata
    day = day_column(metadata, ".".join(table.name()[-2:]), column)
    own = grain if _begins_periods(metadata, day) else dataclasses.replace(grain, source=None)
    return _changed(table, since, dataclasses.replace(day, grain=own), arrival)


def changed_items(table: Table, since: int | None, column: str) -> ChangedDays:
    """Return the items of a table that changed since a snapshot: the values of a column, as `changed_days` has days.

    Raises:
        DataflowError: There is no such column, or a manifest can't be read.
    """
    return _changed(table, since, item_column(table, column))


def present_items(table: Table, column: str) -> set[str]:
    """Return the items that a table has, from its metadata where that tells them, else from the column of its files.

    Raises:
        DataflowError: There is no such column, or nobody can tell the items of a file.
    """
    files = FileDays(table.io, table.specs(), item_column(table, column))
    current = table.current_snapshot()
    found: set[str] = set()
    for entry in live_files(table.io, current) if current is not None else ():
        rows = files.of_data(entry)
        if rows is None:
            raise DataflowError(f"nobody can tell which items {entry.path} has: it can't be read")
        found.update(rows)
    return found


def item_column(table: Table, name: str) -> ItemColumn:
    """Return the column that says which item a row belongs to.

    Raises:
        DataflowError: There is no such column.
    """
    column = day_column(table.metadata, ".".join(table.name()[-2:]), name)
    return ItemColumn(column.id, column.name, column.type, column.default)


def _changed(
    table: Table, since: int | None, day: DayColumn | ItemColumn, arrival: Arrival | None = None
) -> ChangedDays:
    metadata = table.metadata
    current = table.current_snapshot()
    came = None
    if arrival is not None and isinstance(day, DayColumn):
        came = time_column(metadata, ".".join(table.name()[-2:]), arrival.column)
        came = dataclasses.replace(came, grain=dataclasses.replace(day.grain, source=None))
    if current is None:
        return ChangedDays(None, lost=None if since is None else f"snapshot {since} is gone: the table has none")
    head = (current.sequence_number or 0, current.snapshot_id)
    files = FileDays(table.io, table.specs(), day)

    def lost(why: str, order: tuple[int, ...] = ()) -> ChangedDays:
        lately = _arrived(files, current, came, arrival.first) if came is not None and arrival is not None else ()
        return ChangedDays(head, snapshots=order, lost=why, notes=_notes(files), arrived=lately)

    if since is None:
        return lost("no snapshot of it is remembered")
    between = snapshots_since(metadata, current.snapshot_id, since)
    if between is None:
        known = any(snapshot.snapshot_id == since for snapshot in metadata.snapshots)
        why = "is not an ancestor of the current one" if known else "has expired"
        return lost(f"snapshot {since}, which the mark remembers, {why}")
    order = tuple(snapshot.snapshot_id for snapshot in between)
    try:
        found = _changes(files, between)
    except _UnknownDayError as error:
        return lost(str(error), order)
    return ChangedDays(head, {it: tuple(found[it]) for it in sorted(found)}, order, notes=_notes(files))


def _notes(files: FileDays) -> tuple[str, ...]:
    """Return what could only be told roughly, and where the days of instants are cut."""
    column = files.column
    if not isinstance(column, DayColumn) or not column.is_instant or column.grain.cadence is Cadence.HOURLY:
        return tuple(files.notes)
    return (f"a {column.unit} of {column.name} is one of {column.grain.zone}", *files.notes)


def _arrived(files: FileDays, current: Snapshot, column: DayColumn, first: Period) -> tuple[Period, ...]:
    """Return the days of the rows in files that came lately, as the column of their arrival says."""
    found: dict[Any, int | None] = {}
    came = FileDays(files.io, files.specs, column)
    for entry in live_files(files.io, current):
        known = came.roughly(entry)
        if not isinstance(known, PeriodRange) or known.last >= first:
            add_rows(found, files.of_data(entry) or {})
    return tuple(sorted(found))


def holds_period(table: Table, period: Period, column: str | None = None, *, zone: Zone = UTC) -> bool:
    """Say whether a table has files that may have rows of a period, as its manifests tell.

    Raises:
        DataflowError: Nobody can tell which column is the day.
    """
    from pyiceberg import expressions

    make: Any = expressions  # its types don't know its own constructors
    found = day_column(table.metadata, ".".join(table.name()[-2:]), column)
    low, high = _bounds(str(found.type), period, zone)
    where = make.And(make.GreaterThanOrEqual(found.name, low), make.LessThan(found.name, high))
    return any(True for _ in table.scan(row_filter=where).plan_files())


def _bounds(kind: str, period: Period, zone: Zone) -> tuple[Any, Any]:
    """Return the first value of a column of a type that may be of a period, and the first that can't be any more."""
    if kind in TEMPORAL and kind != "date":
        if not kind.startswith("timestamptz"):
            return period.start.isoformat(), period.end.isoformat()
        own = dt.UTC if period.cadence is Cadence.HOURLY else zone
        low, high = (it.replace(tzinfo=own).astimezone(dt.UTC).isoformat() for it in (period.start, period.end))
        return low, high
    days = period.start.date(), (period.end - dt.timedelta(microseconds=1)).date() + dt.timedelta(days=1)
    if kind in {"date", "string"}:
        return str(days[0]), str(days[1])
    first, following = (int(f"{day:%Y%m%d}") for day in days)
    return first, following


def time_column(metadata: TableMetadata, table: str, name: str) -> DayColumn:
    """Return a column of time by its name, without regard to case.

    Raises:
        DataflowError: There is none, or it has no times.
    """
    found = day_column(metadata, table, name)
    if str(found.type) not in TEMPORAL:
        raise DataflowError(
            f"column '{name}' of {table} is not a time of arrival: it is {found.type}",
            "'column' is the time at which rows arrive, 'day' what says which day they are of",
            permanent=True,
        )
    return found


def day_column(metadata: TableMetadata, table: str, name: str | None = None) -> DayColumn:
    """Return the column that says which day a row of a table belongs to.

    Args:
        metadata: The table's metadata.
        table: What messages call the table.
        name: The column's name, without regard to case; the one that the table is partitioned by when omitted.

    Raises:
        DataflowError: There is none of that name; or the partition has no such column, or several.
    """
    schema = metadata.schema()
    if name is not None:
        try:
            found = schema.find_field(name, case_sensitive=False)
        except ValueError:
            near = did_you_mean(name, schema.column_names)
            raise DataflowError(f"{table} has no column '{name}'{near}", permanent=True) from None
        return DayColumn(found.field_id, name, found.field_type, found.initial_default)
    ids = _partition_columns(metadata)
    if len(ids) == 1:
        found = schema.find_field(ids[0])
        return DayColumn(found.field_id, schema.find_column_name(ids[0]) or "", found.field_type, found.initial_default)
    names = [schema.find_column_name(id_) or "" for id_ in ids]
    why = f"its partition has several: {', '.join(names)}" if names else "its partition has none"
    raise DataflowError(
        f"nobody can tell which column of {table} is the day of a row: {why}",
        f"name it: changed: [{{table: {table}, day: COLUMN}}]",
        permanent=True,
    )


def _partition_columns(metadata: TableMetadata) -> list[int]:
    """Return the columns of time that a table is partitioned by, or was last, or else those called as a day is."""
    current = metadata.default_spec_id
    specs = sorted(metadata.partition_specs, key=lambda spec: (spec.spec_id == current, spec.spec_id), reverse=True)
    return next((found for spec in specs if (found := _columns_of(metadata, spec))), [])


def _columns_of(metadata: TableMetadata, spec: PartitionSpec) -> list[int]:
    schema, fields = metadata.schema(), spec.fields
    sources = dict.fromkeys(
        it.source_id for it in fields if str(it.transform) in {"identity", "hour", "day", "month", "year"}
    )
    types = {id_: str(schema.find_type(id_)) for id_ in sources if schema.find_column_name(id_)}
    temporal = [id_ for id_, type_ in types.items() if type_ in TEMPORAL]
    return temporal or [
        id_
        for id_, type_ in types.items()
        if type_ in {"string", "int", "long"} and _CALLED_DAY.fullmatch(schema.find_column_name(id_) or "")
    ]


def _begins_periods(metadata: TableMetadata, column: DayColumn) -> bool:
    """Say whether a column's values may be the beginnings of weeks or months: no transform cuts them into others."""
    return any(it.source_id == column.id and str(it.transform) == "identity" for it in metadata.spec().fields)


class _UnknownDayError(Exception):
    """The days of a file can't be told, not even roughly."""


def _changes(files: FileDays, between: Sequence[Snapshot]) -> dict[Any, list[Change]]:
    """Return what the snapshots did to each day, the newest first.

    Raises:
        _UnknownDayError: Nobody can tell.
    """
    found: dict[Any, list[Change]] = {}
    for snapshot, entries in changed_files(files.io, between):
        data = [entry for entry in entries if entry.content == DATA]
        came = _sum(files, [entry for entry in data if entry.status == ADDED])
        went = _sum(files, [entry for entry in data if entry.status != ADDED])
        try:
            add_rows(went, deleted_days(files, [entry for entry in entries if entry.content != DATA]))
        except WholeTableError as error:
            add_rows(went, _whole_table(files, snapshot, error))
        at = dt.datetime.fromtimestamp(snapshot.timestamp_ms / 1000, dt.UTC)
        for day in {**came, **went}:
            change = Change(snapshot.snapshot_id, at, came.get(day, 0), went.get(day, 0))
            found.setdefault(day, []).append(change)
    return found


def _sum(files: FileDays, entries: Sequence[FileEntry]) -> dict[Any, int | None]:
    found: dict[Any, int | None] = {}
    for entry in entries:
        days = files.of_data(entry)
        if days is None:
            raise _UnknownDayError(f"nobody can tell the days of {entry.path}: it has no bounds, and can't be read")
        add_rows(found, days)
    return found


def _whole_table(files: FileDays, snapshot: Snapshot, why: Exception) -> Rows:
    """Return all days that a table has, for deletes that may be about any of its rows."""
    whole: Any = None
    for entry in live_files(files.io, snapshot):
        known = files.roughly(entry)
        if known is None:
            raise _UnknownDayError(f"{why}, and {entry.path} has no bounds")
        whole = known if whole is None else known.with_(whole)
    files.notes[f"all {files.unit}s of the table: {why}"] = None
    return dict.fromkeys(whole.periods()) if whole else {}
