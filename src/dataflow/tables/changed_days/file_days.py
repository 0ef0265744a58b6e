"""Which days the rows of a data file belong to: by its partition, by its bounds, or by the column itself."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflow.tables.changed_days.day_values import UTC, DayColumn, DayRange, Zone, day_of_instant, days_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.io import FileIO
    from pyiceberg.partitioning import PartitionSpec

    from dataflow.tables.changed_days.manifests import FileEntry

Rows = Mapping[dt.date, int | None]
"""How many rows of each day; None where only the range is known."""

_FIELD_ID = b"PARQUET:field_id"


class UnreadableFileError(Exception):
    """A file's column can't be read here: its format, its encryption, or it is gone."""


@dataclass
class FileDays:
    """Tells the days of a table's files.

    Attributes:
        io: Reads the table's files.
        specs: The table's partition specs, by their ids.
        column: The column that says which day a row belongs to.
        notes: What could only be told roughly, in words, each once.
    """

    io: FileIO
    specs: Mapping[int, PartitionSpec]
    column: DayColumn
    notes: dict[str, None] = field(default_factory=dict)

    def of_data(self, entry: FileEntry) -> Rows | None:
        """Return the days of a data file's rows; None where nobody can tell."""
        if not entry.rows:
            return {}
        known = self.roughly(entry)
        if known is not None and (known.is_one or not known.days()):
            return dict.fromkeys(known.days(), entry.rows - entry.nulls.get(self.column.id, 0))
        try:
            return self.counts(self.values(entry.path, entry.format))
        except UnreadableFileError as error:
            return self.range_of(entry, known, error)

    def counts(self, values: pa.ChunkedArray) -> Rows:
        """Count values of the column by the day that they stand for."""
        return Counter(day_counts(values, self.column.zone))

    def roughly(self, entry: FileEntry) -> DayRange | None:
        """Return the days that a file's rows lie within, as its partition and its bounds say."""
        within = self.column.partition(self.specs[entry.spec], entry.partition)
        if within is not None and (within.is_one or not within.days()):
            return within
        bounds = self.column.bounds(entry)
        return within if bounds is None else bounds.within(within)

    def range_of(self, entry: FileEntry, known: DayRange | None, error: Exception) -> Rows | None:
        """Return all days that a file may have rows of, and note so; None where nothing is known of them."""
        if known is None:
            return None
        self.notes[f"all days from {known.first} to {known.last}, as {entry.path} can't be read: {error}"] = None
        return dict.fromkeys(known.days())

    def values(self, path: str, format_: str) -> pa.ChunkedArray:
        """Read the column of a data file.

        Raises:
            UnreadableFileError: It can't be read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        if format_ != "PARQUET":
            raise UnreadableFileError(f"{format_} files are read by Spark alone")
        try:
            with self.io.new_input(path).open() as stream:
                file = pq.ParquetFile(stream)
                found = _path_of(file, self.column)
                if found is None:
                    return _defaults(self.column, file.metadata.num_rows)
                return _leaf(file.read(columns=[".".join(found)]), found)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise UnreadableFileError(str(error).partition("\n")[0]) from error


def add_rows(found: dict[dt.date, int | None], more: Rows) -> None:
    """Add rows to those of the same days; a number that nobody knows makes the sum unknown."""
    for day, rows in more.items():
        before = found.get(day, 0)
        found[day] = None if before is None or rows is None else before + rows


def day_counts(values: pa.ChunkedArray, zone: Zone = UTC) -> dict[dt.date, int]:
    """Count values by the day that they stand for, of instants in a time zone; those of no day are left out."""
    import pyarrow as pa

    if pa.types.is_timestamp(values.type) and values.type.tz is not None and zone is not UTC:
        return _local_day_counts(values, zone)
    if pa.types.is_timestamp(values.type):  # of an instant, the day in UTC, as partitions have it
        values = values.cast(pa.timestamp(values.type.unit)).cast(pa.date32(), safe=False)
    if pa.types.is_date(values.type):
        counted = values.cast(pa.date32()).value_counts()
        return {it["values"].as_py(): it["counts"].as_py() for it in counted if it["values"].is_valid}
    kind = "long" if pa.types.is_integer(values.type) else "string"
    counts: Counter[dt.date] = Counter()
    for it in values.value_counts():
        days = days_of(kind, it["values"].as_py())
        for day in days.days() if days else ():
            counts[day] += it["counts"].as_py()
    return counts


def _local_day_counts(values: pa.ChunkedArray, zone: Zone) -> dict[dt.date, int]:
    """Count instants by their day where clocks are; these are asked once for each minute that there is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = values.cast(pa.timestamp(values.type.unit))
    minutes = pc.floor_temporal(plain, unit="minute").cast(pa.timestamp("s"), safe=False).cast(pa.int64())
    counts: Counter[dt.date] = Counter()
    for it in minutes.value_counts():
        if it["values"].is_valid:
            counts[day_of_instant(it["values"].as_py(), zone)] += it["counts"].as_py()
    return counts


def _path_of(file: pq.ParquetFile, column: DayColumn) -> tuple[str, ...] | None:
    """Return where a file has a column: by its field's id, or by its name where no field has one."""
    schema = file.schema_arrow
    if found := _by_id(schema, column.id):
        return found
    has_ids = any(_FIELD_ID in (it.metadata or {}) for it in schema)
    return None if has_ids or column.name not in schema.names else (column.name,)


def _by_id(fields: Any, id_: int) -> tuple[str, ...] | None:
    import pyarrow as pa

    for it in fields:
        if (it.metadata or {}).get(_FIELD_ID) == str(id_).encode():
            return (it.name,)
        if pa.types.is_struct(it.type) and (inner := _by_id(it.type, id_)):
            return (it.name, *inner)
    return None


def _leaf(table: pa.Table, path: tuple[str, ...]) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    column = table.column(path[0])
    return pc.struct_field(column, list(path[1:])) if path[1:] else column


def _defaults(column: DayColumn, rows: int) -> pa.ChunkedArray:
    """Return what rows have that are older than the column."""
    import pyarrow as pa

    return pa.chunked_array([pa.array([column.default] * rows)])
