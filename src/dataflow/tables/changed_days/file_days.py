"""Which days the rows of a data file belong to: by its partition, by its bounds, or by the column itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflow.tables.changed_days.day_values import DAYS, UTC, DayColumn, Grain, PeriodRange, periods_of
from dataflow.tables.changed_days.item_values import ItemColumn, Items
from dataflow.tables.reader.files import UnreadableFileError, column_of
from dataflow.workflow.periods import Cadence, Period

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.io import FileIO
    from pyiceberg.partitioning import PartitionSpec

    from dataflow.tables.reader.manifests import FileEntry

Rows = Mapping[Any, int | None]
"""How many rows of each day, other period, or item; None where only the range is known."""


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
    column: DayColumn | ItemColumn
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """What is told: days, another period, or items."""
        return self.column.unit

    def of_data(self, entry: FileEntry) -> Rows | None:
        """Return the days of a data file's rows; None where nobody can tell."""
        if not entry.rows:
            return {}
        known = self.roughly(entry)
        if known is not None and (known.is_one or not known.periods()):
            return dict.fromkeys(known.periods(), entry.rows - entry.nulls.get(self.column.id, 0))
        try:
            return self.counts(self.values(entry.path, entry.format))
        except UnreadableFileError as error:
            return self.range_of(entry, known, error)

    def counts(self, values: pa.ChunkedArray) -> Rows:
        """Count values of the column by the day that they stand for."""
        if isinstance(self.column, ItemColumn):
            return self.column.counts(values)
        return period_counts(values, self.column.grain)

    def roughly(self, entry: FileEntry) -> PeriodRange | Items | None:
        """Return the days that a file's rows lie within, as its partition and its bounds say."""
        within = self.column.partition(self.specs[entry.spec], entry.partition)
        if within is not None and (within.is_one or not within.periods()):
            return within
        bounds: Any = self.column.bounds(entry)
        return within if bounds is None else bounds.within(within)

    def range_of(self, entry: FileEntry, known: PeriodRange | Items | None, error: Exception) -> Rows | None:
        """Return all days that a file may have rows of, and note so; None where nothing is known of them."""
        if known is None:
            return None
        self.notes[f"all {self.unit}s from {known.first} to {known.last}, as {entry.path} can't be read: {error}"] = (
            None
        )
        return dict.fromkeys(known.periods())

    def values(self, path: str, format_: str) -> pa.ChunkedArray:
        """Read the column of a data file.

        Raises:
            UnreadableFileError: It can't be read.
        """
        return column_of(self.io, path, format_, self.column)


def add_rows(found: dict[Any, int | None], more: Rows) -> None:
    """Add rows to those of the same days; a number that nobody knows makes the sum unknown."""
    for day, rows in more.items():
        before = found.get(day, 0)
        found[day] = None if before is None or rows is None else before + rows


def period_counts(values: pa.ChunkedArray, grain: Grain = DAYS) -> dict[Period, int | None]:
    """Count values by the day, or other period, that they stand for; those of none are left out.

    Where a value stands for several, nobody knows which of them its rows are of.
    """
    counts: dict[Period, int | None] = {}
    kind, counted = _counted(values, grain)
    for it in counted:
        found = periods_of(grain, kind, it["values"].as_py())
        periods = found.periods() if found else []
        add_rows(counts, dict.fromkeys(periods, it["counts"].as_py() if len(periods) == 1 else None))
    return counts


def _counted(values: pa.ChunkedArray, grain: Grain) -> tuple[str, Iterable[Any]]:
    """Return how many values there are of each kind that is told apart, as Avro has them, and their type."""
    import pyarrow as pa

    if pa.types.is_timestamp(values.type):
        instants = values.type.tz is not None
        values = values.cast(pa.timestamp(values.type.unit))
        if grain.cadence is Cadence.HOURLY:
            return "timestamp", _floored(values, "hour").value_counts()
        if instants and grain.zone is not UTC:  # whose clocks are asked once for each minute that there is
            return "timestamptz", _floored(values, "minute").value_counts()
        values = values.cast(pa.date32(), safe=False)
    if pa.types.is_date(values.type):
        return "date", values.cast(pa.date32()).cast(pa.int32()).value_counts()
    return ("long" if pa.types.is_integer(values.type) else "string"), values.value_counts()


def _floored(moments: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    """Return the hours or minutes of moments, as microseconds since 1970."""
    import pyarrow as pa
    import pyarrow.compute as pc

    hours = pc.floor_temporal(moments, unit=unit).cast(pa.timestamp("us"), safe=False)
    return hours.cast(pa.int64())
