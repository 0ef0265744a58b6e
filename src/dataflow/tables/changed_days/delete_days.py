"""Which days lose rows, or get them back, by delete files: positions, deletion vectors and equality deletes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dataflow.tables.changed_days.file_days import FileDays, Rows, UnreadableFileError, add_rows
from dataflow.tables.changed_days.manifests import EQUALITY_DELETES, FileEntry

if TYPE_CHECKING:
    from pyiceberg.io import FileIO


class WholeTableError(Exception):
    """Delete files may be about any row of the table."""


def deleted_days(files: FileDays, entries: Sequence[FileEntry]) -> Rows:
    """Return the days whose rows the delete files of one snapshot delete, or no longer delete.

    A file of positions may take the place of an older one and repeat what that had: rows differ where the two do.

    Args:
        files: Tells the days of files.
        entries: The delete files that the snapshot added and removed.

    Raises:
        WholeTableError: They may be about any row.
    """
    found: dict[dt.date, int | None] = {}
    positions: dict[str, set[int]] = {}
    for entry in entries:
        within = files.column.partition(files.specs[entry.spec], entry.partition)
        if within is not None and within.is_one:
            add_rows(found, {within.first: entry.rows})
        elif entry.content == EQUALITY_DELETES:
            add_rows(found, _equal(files, entry))
        else:
            try:
                for path, deleted in _positions(files.io, entry):
                    positions.setdefault(path, set()).symmetric_difference_update(deleted)
            except UnreadableFileError as error:
                add_rows(found, _all_of(files, entry, error))
    for path, deleted in positions.items():
        if deleted:
            add_rows(found, _at(files, path, deleted, entries))
    return found


def _equal(files: FileDays, entry: FileEntry) -> Rows:
    """Return the days of an equality delete: those that it names, or all that its partition has."""
    if files.column.id not in entry.equality_ids:
        return _all_of(files, entry, "it deletes by other columns")
    found = files.of_data(entry)
    if found is None:
        return _all_of(files, entry, "it has no bounds")
    return found


def _at(files: FileDays, path: str, deleted: set[int], entries: Sequence[FileEntry]) -> Rows:
    """Return the days of some rows of a data file."""
    try:
        values = files.values(path, _format(path))
        return files.counts(values.take(sorted(it for it in deleted if it < len(values))))
    except UnreadableFileError as error:
        found: dict[dt.date, int | None] = {}
        for entry in entries:
            add_rows(found, _all_of(files, entry, error))
        return found


def _all_of(files: FileDays, entry: FileEntry, why: object) -> Rows:
    """Return all days that a delete file's partition has.

    Raises:
        WholeTableError: The partition does not tell.
    """
    within = files.column.partition(files.specs[entry.spec], entry.partition)
    if within is None:
        raise WholeTableError(f"{entry.path} may be about any row: {why}")
    files.notes[f"all days from {within.first} to {within.last}, by {entry.path}: {why}"] = None
    return dict.fromkeys(within.days())


def _positions(io: FileIO, entry: FileEntry) -> Iterator[tuple[str, set[int]]]:
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


def _format(path: str) -> str:
    return path.rpartition(".")[2].upper()
