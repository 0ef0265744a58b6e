"""Reading an Iceberg table for the rows of a mock, without a JVM and never more than a piece at a time.

A large table is not read whole unless asked: the manifests' statistics say which files, and the files' own which row
groups, hold the extremes and the nulls of each column; an even spread over the others is added for variety.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.mocks.notable_rows import NotableRows, find_notable
from dataflow.tables.reader.rows import FilePart, RowReader, naming_file, spark_where_unknown

if TYPE_CHECKING:
    import pyarrow.parquet as pq
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask

    from dataflow.tables.reader.state import TableState

VALUES_AT_MOST = 18_000_000
"""How many values (rows times columns) of a large table are looked at unless all are asked for."""

_FILES_AT_MOST = 24
_SMALL = 4_096  # rows that are all worth a look

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class IcebergScan:
    """The result of a scan.

    Attributes:
        notable: The rows.
        total: How many rows the files that can match hold.
        complete: Whether all of them were looked at.
    """

    notable: NotableRows
    total: int
    complete: bool


def scan_table(
    state: TableState,
    names: Sequence[str],
    where: BooleanExpression | None,
    *,
    rows: int,
    exact: bool = False,
    progress: Progress = lambda _done, _all: None,
) -> IcebergScan:
    """Look for the rows of an Iceberg table that a mock should have.

    Args:
        state: The state of the table.
        names: The columns that are wanted.
        where: What its rows must fulfil.
        rows: How many rows the mock will have.
        exact: Whether to read all rows of a large table.
        progress: Receives how many of how many rows were read.

    Raises:
        SparkRequiredError: PyIceberg can't read it correctly.
        DataflowError: A file can't be read.
    """
    with spark_where_unknown():
        return _scan(RowReader(state, names, where), rows=rows, exact=exact, progress=progress)


def _scan(reader: RowReader, *, rows: int, exact: bool, progress: Progress) -> IcebergScan:
    tasks = reader.files()
    total = sum(task.file.record_count for task in tasks)
    at_most = max(1, VALUES_AT_MOST // max(1, len(reader.columns.fields)))
    complete = exact or total <= at_most
    units = [FilePart(task) for task in tasks] if complete else list(_sample(reader, tasks, at_most))
    spread = spread_of(total, rows)
    found, planned = NotableRows(), total if complete else min(total, at_most)
    workers = max(1, min(os.cpu_count() or 1, 4))
    executor = ThreadPoolExecutor(workers, thread_name_prefix="mock")
    try:
        for part in executor.map(lambda unit: _notable_rows(reader, unit, spread), units):
            found.add(part)
            progress(found.rows, planned)
    finally:
        executor.shutdown(cancel_futures=True)
    return IcebergScan(found, total, complete)


def spread_of(total: int, rows: int) -> int:
    """Return how many rows to take at even distances, of so many, for a mock of so many."""
    return _SMALL if total <= _SMALL else max(32, 2 * rows)


def _notable_rows(reader: RowReader, part: FilePart, spread: int) -> NotableRows:
    found = NotableRows()
    for piece in reader.pieces(part):
        more = find_notable(piece, spread)
        with naming_file(part.task):
            more.batches = [bag.cast(reader.arrow, safe=False) for bag in more.batches]  # files differ in encoding
        found.add(more)
    return found


def _sample(reader: RowReader, tasks: Sequence[FileScanTask], at_most: int) -> Iterator[FilePart]:
    """Choose row groups until they hold so many rows: first those with extremes and nulls, then an even spread."""
    targets = _files_to_read(reader.columns, tasks)
    left, chosen = at_most, set[tuple[str, int]]()
    for task, wanted in targets:
        if left <= 0:
            return
        with naming_file(task):
            file = reader.open(task)
            if file is None:
                rows = min(left, task.file.record_count)
                yield FilePart(task, None, rows)
                left -= rows
                continue
            with file:
                for group in _groups(file, wanted):
                    rows = min(left, file.metadata.row_group(group).num_rows)
                    if left > 0 and (task.file.file_path, group) not in chosen:
                        chosen.add((task.file.file_path, group))
                        yield FilePart(task, (group,), rows)
                        left -= rows


def _files_to_read(schema: Schema, tasks: Sequence[FileScanTask]) -> list[tuple[FileScanTask, list[tuple[str, str]]]]:
    """Return the files to read, each with what to look for: a column's name with `least`, `greatest` or `null`."""
    targets: dict[str, list[tuple[str, str]]] = {}
    for field in schema.fields:
        for kind, task in _standing_out(field, tasks):
            targets.setdefault(task.file.file_path, []).append((field.name, kind))
    by_path = {task.file.file_path: task for task in tasks}
    most_wanted = sorted(targets, key=lambda path: (-len(targets[path]), path))[: _FILES_AT_MOST // 2]
    even = [tasks[i * len(tasks) // _FILES_AT_MOST].file.file_path for i in range(min(_FILES_AT_MOST, len(tasks)))]
    paths = dict.fromkeys([*most_wanted, *even])
    return [(by_path[path], targets.get(path, [])) for path in list(paths)[:_FILES_AT_MOST]]


def _standing_out(field: Any, tasks: Sequence[FileScanTask]) -> Iterator[tuple[str, FileScanTask]]:
    """Yield the files that hold a column's least and greatest value, and one with nulls, by the manifests."""
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import PrimitiveType

    id_ = field.field_id
    with_nulls = [task for task in tasks if (task.file.null_value_counts or {}).get(id_)]
    if with_nulls:
        yield "null", with_nulls[0]
    if not isinstance(field.field_type, PrimitiveType):
        return
    for kind, bounds, best in (("least", "lower_bounds", min), ("greatest", "upper_bounds", max)):
        known = [(task, (getattr(task.file, bounds) or {}).get(id_)) for task in tasks]
        values = [(from_bytes(field.field_type, bound), task) for task, bound in known if bound is not None]
        if values:
            yield kind, best(values, key=lambda found: found[0])[1]


def _groups(file: pq.ParquetFile, wanted: Sequence[tuple[str, str]]) -> Iterator[int]:
    """Yield the row groups that hold what is wanted, by the file's own statistics; else the one in the middle."""
    metadata = file.metadata
    found = False
    for name, kind in wanted:
        group = _group(metadata, name, kind)
        if group is not None:
            found = True
            yield group
    if not found:
        yield metadata.num_row_groups // 2


def _group(metadata: Any, name: str, kind: str) -> int | None:
    values = []
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        columns = (group.column(j) for j in range(group.num_columns))
        statistics = next((c.statistics for c in columns if c.path_in_schema == name), None)
        if statistics is None:
            continue
        if kind == "null" and statistics.null_count:
            return i
        if kind != "null" and statistics.has_min_max:
            values.append((statistics.min if kind == "least" else statistics.max, i))
    if not values:
        return None
    return (min if kind == "least" else max)(values, key=lambda found: found[0])[1]
