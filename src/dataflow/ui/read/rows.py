"""The first rows of what a run published, and how large it is, as the catalog has them."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, first_line
from dataflow.tables.properties import RUN_ID
from dataflow.ui.read.catalog import open_catalog

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table

    from dataflow.ui.source import Source

ROWS = 20
_LONGEST = 300
_SNAPSHOTS = 31


@dataclass(frozen=True)
class FirstRows:
    """The first rows of a table's snapshot.

    Attributes:
        columns: The names of its columns.
        figures: Those whose values are numbers.
        rows: The rows, their values as text, and numbers as they are.
        sizes: The bytes that this run, and runs before, added, each with when; the oldest first.
    """

    columns: Sequence[str]
    figures: Sequence[str]
    rows: Sequence[Sequence[object]]
    sizes: Sequence[tuple[str, int]] = field(default=())

    @property
    def choices(self) -> list[tuple[str, list[tuple[object, list[int]]]]]:
        """Return columns to choose rows by: each value with the numbers of its rows, where some rows share one."""
        found = []
        for at, column in enumerate(self.columns):
            values: dict[object, list[int]] = {}
            for number, row in enumerate(self.rows):
                values.setdefault(row[at], []).append(number)
            if 1 < len(values) < len(self.rows):
                found.append((column, list(values.items())))
        return found


def first_rows(source: Source, table: str, snapshot: int | None, partition: str) -> FirstRows:
    """Return the first rows of a table as a run published it, of its partition where it can be told apart.

    Raises:
        DataflowError: The table can't be read without Spark, or has no such snapshot any more.
    """
    from dataflow.tables.pyiceberg_catalog import load_table

    try:
        found = load_table(open_catalog(source), table)
        if snapshot is not None and found.snapshot_by_id(snapshot) is None:
            raise DataflowError(f"{table} has no snapshot {snapshot} any more", "its snapshots have expired")
        data = _first(found, snapshot, _filter(found, partition))
        rows = [[_value(it) for it in row.values()] for row in data.to_pylist()]
        figures = [it.name for it in data.schema if _is_number(it.type)]
        return FirstRows(data.schema.names, figures, rows, _sizes(found, snapshot))
    except DataflowError:
        raise
    except Exception as error:  # each kind of storage raises its own
        raise DataflowError(f"{table} can't be read here: {first_line(error)}") from error


def _first(table: Table, snapshot: int | None, where: BooleanExpression) -> pa.Table:
    """Return the first rows of a snapshot that fulfil a condition, all of its columns."""
    import pyarrow as pa

    from dataflow.tables.reader.catalog_tables import FoundTable
    from dataflow.tables.reader.rows import FilePart, RowReader
    from dataflow.tables.reader.state import state_of

    found = FoundTable(table.name(), table.metadata_location, opened=table)
    state = state_of(found, None if snapshot is None else str(snapshot))
    reader = RowReader(state, [it.name for it in state.schema.fields], where)
    pieces, left = [reader.arrow.empty_table()], ROWS
    for task in reader.files():
        for piece in reader.pieces(FilePart(task)):
            pieces.append(piece.cast(reader.arrow, safe=False).slice(0, left))
            left -= pieces[-1].num_rows
            if not left:
                return pa.concat_tables(pieces)
    return pa.concat_tables(pieces)


def _filter(table: Table, partition: str) -> BooleanExpression:
    """Return the condition of a partition such as `date=2026-01-31`; all rows where it is none of plain columns."""
    from pyiceberg.expressions import AlwaysTrue, And, EqualTo

    found: BooleanExpression = AlwaysTrue()
    names = {it.name for it in table.schema().fields}
    for each in partition.split("/"):
        name, equals, value = each.partition("=")
        if not equals or name not in names:
            return AlwaysTrue()
        found = And(found, EqualTo(term=name, value=value))
    return found


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _value(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case decimal.Decimal():
            return float(value)
        case dt.datetime() | dt.date():
            return value.isoformat()
        case _:
            text = str(value)
            return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _sizes(table: Table, snapshot: int | None) -> list[tuple[str, int]]:
    """Return the bytes that runs added, up to a snapshot."""
    found: list[tuple[str, int]] = []
    for each in sorted(table.metadata.snapshots, key=lambda it: it.timestamp_ms):
        summary: Mapping[str, str] = each.summary.additional_properties if each.summary else {}
        if RUN_ID in summary and "added-files-size" in summary:
            moment = dt.datetime.fromtimestamp(each.timestamp_ms / 1000, dt.UTC)
            found.append((f"{moment:%Y-%m-%d %H:%M}", int(summary["added-files-size"])))
        if each.snapshot_id == snapshot:
            break
    return found[-_SNAPSHOTS:]
