"""Which days, or other periods, a table has rows of, as the manifests of its current snapshot tell: no data is read.

What can't be told exactly is told as "may have": a file that holds a month has each of its days perhaps. Rows are
those of data files; what delete files take away is not subtracted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, first_line
from dataflow.tables.changed_days.day_values import DayColumn, Grain, PeriodRange, decoded_bound
from dataflow.tables.changed_days.file_days import FileDays, add_rows
from dataflow.tables.changed_days.find import day_column
from dataflow.tables.reader.avro import records
from dataflow.tables.reader.manifests import DELETED, Manifest, entries
from dataflow.workflow.periods import Cadence, Period

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

_MANIFESTS = frozenset({500, 502, 517, 503, 507, 509, 510, 511})
_OF_WHOLE_FIELDS = {"day": "date", "month": "int", "year": "int", "hour": "int"}
_MOST_FILES = 50_000
"""How many files are looked at: beyond, the answer is a part."""


@dataclass(frozen=True)
class PresentPeriods:
    """The periods that a table has rows of, within a window that ends with its last one.

    Attributes:
        column: The column that says which period a row belongs to.
        cadence: What the periods are.
        rows: How many rows there are of each in the window; None where a file may have some.
        first: The first period of all that the table may have; None where it has none, or nobody knows.
        last: The last one.
        window: The periods that were looked at.
        is_whole: Whether all files were looked at.
        has_deletes: Whether delete files take away rows, which are counted here all the same.
        is_instant: Whether the column's values are instants, whose days are those of UTC here.
    """

    column: str
    cadence: Cadence
    rows: Mapping[Period, int | None] = field(default_factory=dict)
    first: Period | None = None
    last: Period | None = None
    window: tuple[Period, ...] = ()
    is_whole: bool = True
    has_deletes: bool = False
    is_instant: bool = False


def present_periods(
    table: Table, cadence: Cadence, count: int, *, today: Period, until: Period | None = None
) -> PresentPeriods:
    """Return the periods that a table has rows of.

    Args:
        table: The table, as PyIceberg has it.
        cadence: Which periods are asked for.
        count: How many of them, up to the last one.
        today: The current period: what lies beyond it, as `9999-12-31` does, is not looked at unless all does.
        until: A period that the window holds, whether or not the table has rows of it.

    Raises:
        DataflowError: Nobody can tell which column is the day of a row, or a manifest can't be read.
    """
    column = dataclasses.replace(
        day_column(table.metadata, ".".join(table.name()[-2:])), grain=Grain(cadence)
    )  # of instants the days are those of UTC, as partitions have them
    found = PresentPeriods(column.name, cadence, is_instant=column.is_instant)
    snapshot = table.current_snapshot()
    listed = [] if snapshot is None else list(_manifests(table, snapshot, column))
    data = [(manifest, span) for manifest, span in listed if not manifest.deletes]
    spans = [span for _, span in data if span is not None]
    if all(span is None for _, span in data):
        files, is_whole = _files(table, column, [manifest for manifest, _ in data])
        spans = [span for span, _ in files]
    ends = [*(span.last for span in spans), *([until] if until is not None else [])]
    if not ends:
        return found
    latest = max(today, until or today)
    begun = [min(span.last, latest) for span in spans if span.first <= latest]
    last = max([*begun, *([until] if until is not None else [])], default=max(ends))
    wanted = PeriodRange(last.back(count)[0], last)
    if any(span is not None for _, span in data):
        inside = [manifest for manifest, span in data if span is None or _overlap(span, wanted)]
        files, is_whole = _files(table, column, inside)
    rows: dict[Any, int | None] = {}
    for span, number in files:
        periods = span.within(wanted).periods()
        add_rows(rows, dict.fromkeys(periods, number if span.is_one else None))
    return dataclasses.replace(
        found,
        rows=rows,
        first=min((span.first for span in spans), default=None),
        last=max((span.last for span in spans), default=None),
        window=tuple(wanted.periods()),
        is_whole=is_whole,
        has_deletes=len(data) < len(listed),
    )


def _manifests(table: Table, snapshot: Snapshot, column: DayColumn) -> Iterator[tuple[Manifest, PeriodRange | None]]:
    """Yield a snapshot's manifests, each with the periods that its files may have; None where its list doesn't say.

    Raises:
        DataflowError: The list can't be read.
    """
    specs = table.specs()
    try:
        with table.io.new_input(snapshot.manifest_list).open() as stream:
            rows = list(records(stream.read(), _MANIFESTS))
    except (OSError, ValueError, EOFError) as error:
        raise DataflowError(f"can't read {snapshot.manifest_list}: {first_line(error)}") from error
    for row in rows:
        manifest = Manifest(row[500], row[502], bool(row.get(517)), row.get(503) or 0, None, None, None)
        yield manifest, _span(column, specs[manifest.spec], row.get(507))


def _span(column: DayColumn, spec: PartitionSpec, summaries: Sequence[Mapping[int, Any]] | None) -> PeriodRange | None:
    """Return the periods between the bounds of a manifest's partitions."""
    if summaries is None or len(summaries) != len(spec.fields):
        return None
    ends = []
    for bound in (510, 511):
        values = [
            _value(column, str(it.transform), summary.get(bound)) if it.source_id == column.id else None
            for it, summary in zip(spec.fields, summaries, strict=True)
        ]
        mine = [value for value, it in zip(values, spec.fields, strict=True) if it.source_id == column.id]
        if not mine or any(value is None for value in mine):
            return None
        ends.append(column.partition(spec, values))
    low, high = ends
    if low is None or high is None or low.first > high.last:
        return None
    return PeriodRange(low.first, high.last)


def _value(column: DayColumn, transform: str, bound: bytes | None) -> Any:
    """Return a bound as the value that Avro would have."""
    if bound is None:
        return None
    return decoded_bound(_OF_WHOLE_FIELDS.get(transform, str(column.type)), bound)


def _files(
    table: Table, column: DayColumn, manifests: Sequence[Manifest]
) -> tuple[list[tuple[PeriodRange, int]], bool]:
    """Return the periods that each data file of some manifests may have, with its rows; and whether those are all."""
    found: list[tuple[PeriodRange, int]] = []
    days, left = FileDays(table.io, table.specs(), column), _MOST_FILES
    for manifest in manifests:
        for entry in entries(table.io, manifest):
            if entry.status == DELETED or not entry.rows:
                continue
            left -= 1
            if left < 0:
                return found, False
            known = days.roughly(entry)
            if isinstance(known, PeriodRange) and known.first <= known.last:
                found.append((known, entry.rows))
    return found, True


def _overlap(one: PeriodRange, other: PeriodRange) -> bool:
    return one.first <= other.last and other.first <= one.last
