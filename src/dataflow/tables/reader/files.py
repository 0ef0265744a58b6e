"""What single files of a table hold: one column of a data file, or the positions that a delete file deletes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyiceberg.io import FileIO

    from dataflow.tables.reader.manifests import FileEntry

_FIELD_ID = b"PARQUET:field_id"


class UnreadableFileError(Exception):
    """A file can't be read here: its format, its encryption, or it is gone."""


class FileColumn(Protocol):
    """A column of a table."""

    @property
    def id(self) -> int:
        """Its field's id."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    @property
    def default(self) -> Any:
        """What rows have that are older than it."""


def column_of(io: FileIO, path: str, format_: str, column: FileColumn) -> pa.ChunkedArray:
    """Read one column of a data file.

    Raises:
        UnreadableFileError: It can't be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if format_ != "PARQUET":
        raise UnreadableFileError(f"{format_} files are read by Spark alone")
    try:
        with io.new_input(path).open() as stream:
            file = pq.ParquetFile(stream)
            found = _path_of(file, column)
            if found is None:
                return _defaults(column, file.metadata.num_rows)
            return _leaf(file.read(columns=[".".join(found)]), found)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise UnreadableFileError(str(error).partition("\n")[0]) from error


def deleted_positions(io: FileIO, entry: FileEntry) -> Iterator[tuple[str, set[int]]]:
    """Yield the data files that a file of positions is about, each with the positions.

    Raises:
        UnreadableFileError: It can't be read here.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if entry.format == "PUFFIN" and entry.referenced and entry.offset is not None and entry.size is not None:
            with io.new_input(entry.path).open() as stream:
                stream.seek(entry.offset)
                yield entry.referenced, _vector(stream.read(entry.size))
        elif entry.format == "PARQUET":
            with io.new_input(entry.path).open() as stream:
                table = pq.ParquetFile(stream).read(columns=["file_path", "pos"])
            for it in table.group_by("file_path").aggregate([("pos", "list")]).to_pylist():
                yield it["file_path"], set(it["pos_list"])
        else:
            raise UnreadableFileError(f"{entry.format} files are read by Spark alone")
    except (OSError, pa.ArrowException, ValueError) as error:
        raise UnreadableFileError(str(error).partition("\n")[0]) from error


def _vector(blob: bytes) -> set[int]:
    """Return the positions of a deletion vector: Roaring bitmaps, each of the positions with the same upper half."""
    from pyroaring import BitMap

    content = memoryview(blob)[8 : 4 + int.from_bytes(blob[:4], "big")]  # without length and magic, and the checksum
    found, at = set[int](), 8
    for _ in range(int.from_bytes(content[:8], "little")):
        upper = int.from_bytes(content[at : at + 4], "little") << 32
        bitmap: Any = BitMap.deserialize(bytes(content[at + 4 :]))
        found.update(upper + position for position in bitmap)
        at += 4 + len(bitmap.serialize())
    return found


def _path_of(file: pq.ParquetFile, column: FileColumn) -> tuple[str, ...] | None:
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


def _defaults(column: FileColumn, rows: int) -> pa.ChunkedArray:
    """Return what rows have that are older than the column."""
    import pyarrow as pa

    return pa.chunked_array([pa.array([column.default] * rows)])
