"""Reading an Iceberg table for the rows of a mock, without a JVM and never more than a piece at a time.

A large table is not read whole unless asked: the manifests' statistics say which files, and the files' own which row
groups, hold the extremes and the nulls of each column; an even spread over the others is added for variety.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, first_line
from dataflow.mocks.arrow import shown_name
from dataflow.mocks.notable_rows import NotableRows, find_notable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.types import IcebergType

VALUES_AT_MOST = 18_000_000
"""How many values (rows times columns) of a large table are looked at unless all are asked for."""

_PIECE = 1_048_576  # rows looked at together: the kernels' own cost disappears, and a few fit into memory
_FILES_AT_MOST = 24
_SMALL = 4_096  # rows that are all worth a look

Progress = Callable[[int, int], None]


class SparkRequiredError(Exception):
    """Only Spark can read a table correctly; the message says why."""


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


@dataclass(frozen=True)
class _ReadTask:
    """What one thread reads: a file, or some of its row groups; at most so many rows."""

    task: FileScanTask
    groups: tuple[int, ...] | None = None
    rows: int | None = None


def scan_table(
    table: Table,
    names: Sequence[str],
    where: BooleanExpression | None,
    *,
    rows: int,
    exact: bool = False,
    progress: Progress = lambda _done, _all: None,
) -> IcebergScan:
    """Look for the rows of an Iceberg table that a mock should have.

    Args:
        table: The table.
        names: The columns that are wanted.
        where: What its rows must fulfil.
        rows: How many rows the mock will have.
        exact: Whether to read all rows of a large table.
        progress: Receives how many of how many rows were read.

    Raises:
        SparkRequiredError: PyIceberg can't read it correctly.
        DataflowError: A file can't be read.
    """
    from pyiceberg.expressions import AlwaysTrue

    try:
        return _scan(_TableReader(table, names, where or AlwaysTrue()), rows=rows, exact=exact, progress=progress)
    except (NotImplementedError, ValueError) as error:  # equality deletes, formats and types that it does not know
        raise SparkRequiredError(f"PyIceberg can't: {str(error).strip().partition(chr(10))[0]}") from error


def _scan(reader: _TableReader, *, rows: int, exact: bool, progress: Progress) -> IcebergScan:
    tasks = sorted(reader.plan(), key=lambda task: task.file.file_path)
    total = sum(task.file.record_count for task in tasks)
    at_most = max(1, VALUES_AT_MOST // max(1, len(reader.columns.fields)))
    complete = exact or total <= at_most
    units = [_ReadTask(task) for task in tasks] if complete else list(_sample(reader, tasks, at_most))
    spread = spread_of(total, rows)
    found, planned = NotableRows(), total if complete else min(total, at_most)
    workers = max(1, min(os.cpu_count() or 1, 4))
    executor = ThreadPoolExecutor(workers, thread_name_prefix="mock")
    try:
        for part in executor.map(lambda unit: reader.scan(unit, spread), units):
            found.add(part)
            progress(found.rows, planned)
    finally:
        executor.shutdown(cancel_futures=True)
    return IcebergScan(found, total, complete)


def spread_of(total: int, rows: int) -> int:
    """Return how many rows to take at even distances, of so many, for a mock of so many."""
    return _SMALL if total <= _SMALL else max(32, 2 * rows)


class _TableReader:
    """Reads files of one table as the table's columns, whatever the files call them."""

    def __init__(self, table: Table, names: Sequence[str], where: BooleanExpression) -> None:
        from pyiceberg.expressions import AlwaysTrue
        from pyiceberg.expressions.visitors import bind, extract_field_ids
        from pyiceberg.io.pyarrow import expression_to_pyarrow, schema_to_pyarrow

        self.table = table
        self._names = list(names)
        self._where = where
        self._wanted = table.schema().select(*names)
        filtered = set() if where == AlwaysTrue() else extract_field_ids(bind(table.schema(), where, True))
        also = {table.schema().find_column_name(id_) or "" for id_ in filtered}
        self._read = table.schema().select(*names, *also)
        self._arrow = schema_to_pyarrow(self._read, include_field_ids=False)
        self._given = schema_to_pyarrow(self._wanted, include_field_ids=False)
        bound = bind(self._read, where, True)
        self._filter = expression_to_pyarrow(bound, self._read) if filtered else None

    @property
    def columns(self) -> Schema:
        """The columns that are wanted, as the table has them now."""
        return self._wanted

    def plan(self) -> Iterable[FileScanTask]:
        return self.table.scan(row_filter=self._where, selected_fields=tuple(self._names)).plan_files()

    def scan(self, unit: _ReadTask, spread: int) -> NotableRows:
        found = NotableRows()
        pieces = self._pieces(unit)
        while True:
            with _naming_file(unit.task):
                piece = next(pieces, None)
            if piece is None:
                return found
            part = find_notable(piece, spread)
            part.batches = [bag.cast(self._given, safe=False) for bag in part.batches]  # files differ in encoding
            found.add(part)

    def open(self, task: FileScanTask) -> pq.ParquetFile | None:
        """Open a file whose rows can be taken as they are; None for one that takes all of Iceberg's rules to read."""
        import pyarrow.parquet as pq
        from pyiceberg.manifest import FileFormat

        if task.delete_files or task.file.file_format != FileFormat.PARQUET:
            return None
        file = pq.ParquetFile(self.table.io.new_input(task.file.file_path).open(), pre_buffer=True)
        if self.file_names(file) is None:
            file.close()
            return None
        return file

    def file_names(self, file: pq.ParquetFile) -> list[str] | None:
        """Return what a file calls the columns, or None where they are not all there as the table has them."""
        from pyiceberg.io.pyarrow import pyarrow_to_schema

        try:
            inside = {field.field_id: field for field in pyarrow_to_schema(file.schema_arrow).fields}
        except ValueError:  # no field ids: names are mapped by the table's properties
            return None
        fields = [(field, inside.get(field.field_id)) for field in self._read.fields]
        same = [
            found.name for field, found in fields if found is not None and _same(found.field_type, field.field_type)
        ]
        return same if len(same) == len(fields) else None

    def _pieces(self, unit: _ReadTask) -> Iterator[pa.Table]:
        file = self.open(unit.task)
        if file is None:
            yield from self._read_by_iceberg(unit)
            return
        with file:
            yield from self._read_directly(file, unit)

    def _read_directly(self, file: pq.ParquetFile, unit: _ReadTask) -> Iterator[pa.Table]:
        import pyarrow as pa

        names = self.file_names(file) or []
        groups = range(file.num_row_groups) if unit.groups is None else unit.groups
        size = min(_PIECE, unit.rows or _PIECE)
        left = unit.rows
        for batch in file.iter_batches(size, row_groups=list(groups), columns=names, use_threads=False):
            piece = _with_names_of(pa.Table.from_batches([batch]).select(names), self._read)
            if left is not None:
                piece = piece.slice(0, left)
                left -= piece.num_rows
            if self._filter is not None:
                piece = piece.cast(self._arrow, safe=False).filter(self._filter)
            yield piece.select(self._names)
            if left == 0:
                return

    def _read_by_iceberg(self, unit: _ReadTask) -> Iterator[pa.Table]:
        """Read a file with row-level deletes, or of an older schema, as PyIceberg does: it makes null lists empty."""
        import pyarrow as pa
        from pyiceberg.io.pyarrow import ArrowScan

        if lists := [shown_name(field.name) for field in self._wanted.fields if _has_list(field.field_type)]:
            raise SparkRequiredError(f"PyIceberg can't tell null from empty in {', '.join(lists)} of changed files")
        scan = ArrowScan(self.table.metadata, self.table.io, self._read, self._where)
        left = unit.rows
        for batch in scan.to_record_batches([unit.task]):
            piece = pa.Table.from_batches([batch]).select(self._names)
            piece = piece if left is None else piece.slice(0, left)
            yield piece
            if left is not None and (left := left - piece.num_rows) <= 0:
                return


def _same(one: IcebergType, other: IcebergType) -> bool:
    """Say whether two types are the same field by field, whatever the fields are called: files call `a.b` `a_x2Eb`."""
    from pyiceberg.types import ListType, MapType, StructType

    match one, other:
        case StructType(), StructType():
            ids = [[field.field_id for field in type_.fields] for type_ in (one, other)]
            types = zip(one.fields, other.fields, strict=False)
            return ids[0] == ids[1] and all(_same(it.field_type, its.field_type) for it, its in types)
        case ListType(), ListType():
            return one.element_id == other.element_id and _same(one.element_type, other.element_type)
        case MapType(), MapType():
            ends = one.key_id == other.key_id and one.value_id == other.value_id
            return ends and _same(one.key_type, other.key_type) and _same(one.value_type, other.value_type)
        case _:
            return one == other


def _with_names_of(table: pa.Table, schema: Schema) -> pa.Table:
    """Call a file's columns, and all that is in them, as the table does; a cast would take others for missing ones."""
    import pyarrow as pa

    arrays = []
    for column, field in zip(table.columns, schema.fields, strict=True):
        type_ = _with_table_names(column.type, field.field_type)
        same = column.type.equals(type_)
        arrays.append(column if same else pa.chunked_array([chunk.view(type_) for chunk in column.chunks], type_))
    return pa.Table.from_arrays(arrays, names=[field.name for field in schema.fields])


def _with_table_names(arrow: pa.DataType, type_: IcebergType) -> pa.DataType:
    """Return a file's type with the table's names."""
    import pyarrow as pa
    from pyiceberg.types import ListType, MapType, StructType

    match type_:
        case StructType():
            parts = enumerate(type_.fields)
            return pa.struct([(it.name, _with_table_names(arrow.field(i).type, it.field_type)) for i, it in parts])
        case ListType():
            kind = pa.large_list if pa.types.is_large_list(arrow) else pa.list_
            return kind(_with_table_names(arrow.value_type, type_.element_type))
        case MapType():
            return pa.map_(
                _with_table_names(arrow.key_type, type_.key_type), _with_table_names(arrow.item_type, type_.value_type)
            )
        case _:
            return arrow


def _has_list(type_: IcebergType) -> bool:
    """Say whether a type is a list or a map, or a struct that holds one."""
    from pyiceberg.types import ListType, MapType, StructType

    if isinstance(type_, StructType):
        return any(_has_list(field.field_type) for field in type_.fields)
    return isinstance(type_, ListType | MapType)


@contextlib.contextmanager
def _naming_file(task: FileScanTask) -> Iterator[None]:
    """Add the file's name to errors while it is read."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        cause = first_line(error)
        raise DataflowError(f"can't read {task.file.file_path}: {cause}") from error


def _sample(reader: _TableReader, tasks: Sequence[FileScanTask], at_most: int) -> Iterator[_ReadTask]:
    """Choose row groups until they hold so many rows: first those with extremes and nulls, then an even spread."""
    targets = _files_to_read(reader.columns, tasks)
    left, chosen = at_most, set[tuple[str, int]]()
    for task, wanted in targets:
        if left <= 0:
            return
        with _naming_file(task):
            file = reader.open(task)
            if file is None:
                rows = min(left, task.file.record_count)
                yield _ReadTask(task, None, rows)
                left -= rows
                continue
            with file:
                for group in _groups(file, wanted):
                    rows = min(left, file.metadata.row_group(group).num_rows)
                    if left > 0 and (task.file.file_path, group) not in chosen:
                        chosen.add((task.file.file_path, group))
                        yield _ReadTask(task, (group,), rows)
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
