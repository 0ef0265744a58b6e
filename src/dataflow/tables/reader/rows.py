"""The rows of a table's state as Arrow, file by file, as the table has its columns now, whatever the files call them.

A Parquet file whose columns are all there is read as it stands, by the ids of its fields; what takes more of Iceberg's
rules (deleted rows, older columns, other formats) is read by PyIceberg.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, first_line
from dataflow.wording import shown_name

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask
    from pyiceberg.types import IcebergType

    from dataflow.tables.reader.state import TableState

_PIECE = 1_048_576  # rows handed over together: the kernels' own cost disappears, and a few fit into memory
_THREADS = 4


class SparkRequiredError(Exception):
    """Only Spark can read a table correctly; the message says why."""


@dataclass(frozen=True)
class FilePart:
    """What is read at once: a file, or some of its row groups; at most so many rows."""

    task: FileScanTask
    groups: tuple[int, ...] | None = None
    rows: int | None = None


class RowReader:
    """Reads columns of a table's state.

    Args:
        state: The state.
        names: The columns that are wanted, as the table calls them.
        where: What the rows must fulfil; nothing when omitted.

    Attributes:
        columns: The columns that are wanted.
        arrow: What they are in Arrow; a file may have another encoding of the same.
    """

    def __init__(self, state: TableState, names: Sequence[str], where: BooleanExpression | None = None) -> None:
        from pyiceberg.expressions import AlwaysTrue
        from pyiceberg.expressions.visitors import bind, extract_field_ids
        from pyiceberg.io.pyarrow import expression_to_pyarrow, schema_to_pyarrow

        self._state, self._table = state, state.table.opened
        self._names = list(names)
        self._where = where or AlwaysTrue()
        schema = state.schema
        self.columns: Schema = schema.select(*names)
        filtered = set() if self._where == AlwaysTrue() else extract_field_ids(bind(schema, self._where, True))
        also = {schema.find_column_name(id_) or "" for id_ in filtered}
        self._read = schema.select(*names, *also)
        self._arrow = schema_to_pyarrow(self._read, include_field_ids=False)
        self.arrow: pa.Schema = schema_to_pyarrow(self.columns, include_field_ids=False)
        bound = bind(self._read, self._where, True)
        self._filter = expression_to_pyarrow(bound, self._read) if filtered else None

    def files(self) -> list[FileScanTask]:
        """Return the files that may have such rows, in the order of their names.

        Raises:
            SparkRequiredError: PyIceberg does not know what is deleted.
        """
        of = self._state.snapshot_id if self._state.is_named else None
        with spark_where_unknown():
            found = self._table.scan(row_filter=self._where, snapshot_id=of).plan_files()
            return sorted(found, key=lambda task: task.file.file_path)

    def rows(self) -> pa.Table:
        """Return all rows.

        Raises:
            SparkRequiredError: PyIceberg can't read them correctly.
            DataflowError: A file can't be read.
        """
        import pyarrow as pa

        def read(task: FileScanTask) -> list[pa.Table]:
            with naming_file(task):
                return [piece.cast(self.arrow, safe=False) for piece in self.pieces(FilePart(task))]

        with ThreadPoolExecutor(max(1, min(os.cpu_count() or 1, _THREADS)), thread_name_prefix="reader") as threads:
            found = [piece for pieces in threads.map(read, self.files()) for piece in pieces]
        return pa.concat_tables([self.arrow.empty_table(), *found])

    def pieces(self, part: FilePart) -> Iterator[pa.Table]:
        """Yield rows of a file, as many at a time as fit into memory; raises as `rows`."""
        pieces = self._pieces(part)
        while True:
            with spark_where_unknown(), naming_file(part.task):  # Arrow's own errors are ValueErrors, too
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def open(self, task: FileScanTask) -> pq.ParquetFile | None:
        """Open a file whose rows can be taken as they are; None for one that takes all of Iceberg's rules to read."""
        import pyarrow.parquet as pq
        from pyiceberg.manifest import FileFormat

        if task.delete_files or task.file.file_format != FileFormat.PARQUET:
            return None
        file = pq.ParquetFile(self._table.io.new_input(task.file.file_path).open(), pre_buffer=True)
        if self._names_in(file) is None:
            file.close()
            return None
        return file

    def _names_in(self, file: pq.ParquetFile) -> list[str] | None:
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

    def _pieces(self, part: FilePart) -> Iterator[pa.Table]:
        file = self.open(part.task)
        if file is None:
            yield from self._read_by_iceberg(part)
            return
        with file:
            yield from self._read_directly(file, part)

    def _read_directly(self, file: pq.ParquetFile, part: FilePart) -> Iterator[pa.Table]:
        import pyarrow as pa

        names = self._names_in(file) or []
        groups = range(file.num_row_groups) if part.groups is None else part.groups
        size = min(_PIECE, part.rows or _PIECE)
        left = part.rows
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

    def _read_by_iceberg(self, part: FilePart) -> Iterator[pa.Table]:
        """Read a file with row-level deletes, or of an older schema, as PyIceberg does: it makes null lists empty."""
        import pyarrow as pa
        from pyiceberg.io.pyarrow import ArrowScan

        if lists := [shown_name(field.name) for field in self.columns.fields if _has_list(field.field_type)]:
            raise SparkRequiredError(f"PyIceberg can't tell null from empty in {', '.join(lists)} of changed files")
        scan = ArrowScan(self._table.metadata, self._table.io, self._read, self._where)
        left = part.rows
        for batch in scan.to_record_batches([part.task]):
            piece = pa.Table.from_batches([batch]).select(self._names)
            piece = piece if left is None else piece.slice(0, left)
            yield piece
            if left is not None and (left := left - piece.num_rows) <= 0:
                return


@contextlib.contextmanager
def spark_where_unknown() -> Iterator[None]:
    """Leave to Spark what PyIceberg does not know: equality deletes, formats and types."""
    try:
        yield
    except (NotImplementedError, ValueError) as error:  # how PyIceberg says that it does not know something
        raise SparkRequiredError(f"PyIceberg can't: {first_line(error)}") from error


@contextlib.contextmanager
def naming_file(task: FileScanTask) -> Iterator[None]:
    """Add the file's name to errors while it is read."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise DataflowError(f"can't read {task.file.file_path}: {first_line(error)}") from error


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
