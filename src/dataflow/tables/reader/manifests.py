"""Manifests and manifest lists, read for the few fields that tell what changed.

PyIceberg's own readers build a schema anew for each file, which takes longer than reading it. Whatever the format's
version, fields are found by their ids.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflow.errors import DataflowError, first_line
from dataflow.tables.reader.avro import records

if TYPE_CHECKING:
    from pyiceberg.io import FileIO

DATA, POSITION_DELETES, EQUALITY_DELETES = 0, 1, 2
ADDED, DELETED = 1, 2
_MANIFESTS = frozenset({500, 501, 502, 517, 503, 504, 505, 506})
_DATA_FILE = 2
_ENTRIES = frozenset({0, 1, _DATA_FILE, 134, 100, 101, 102, 103, 104, 109, 110, 125, 128, 135, 143, 144, 145})


class Manifest(NamedTuple):
    """A manifest, as a snapshot's list has it; a count is None where an old writer left it out."""

    path: str
    spec: int
    deletes: bool
    snapshot: int
    added: int | None
    existing: int | None
    removed: int | None
    length: int = 0


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A data or delete file, as a manifest has it.

    Attributes:
        status: Whether its snapshot added or deleted it, or it was there.
        snapshot: The snapshot that added it, or deleted it.
        spec: The partition spec that it was written by.
        content: Data, positions or equality deletes.
        path: Where it is.
        format: `PARQUET`, `ORC`, `AVRO` or `PUFFIN`.
        partition: The partition's values, in the order of the spec's fields.
        rows: How many rows it has.
        values: How many values, nulls included, by the column's id.
        nulls: How many nulls, by the column's id.
        lower: Least values, by the column's id.
        upper: Greatest values, by the column's id.
        equality_ids: The columns that an equality delete compares.
        referenced: The only data file that its deletes are about.
        offset: Where a deletion vector begins in its file.
        size: How long a deletion vector is.
        bytes: How large the file is.
    """

    status: int
    snapshot: int
    spec: int
    content: int
    path: str
    format: str
    partition: tuple[Any, ...]
    rows: int
    values: Mapping[int, int]
    nulls: Mapping[int, int]
    lower: Mapping[int, bytes]
    upper: Mapping[int, bytes]
    equality_ids: tuple[int, ...]
    referenced: str | None
    offset: int | None
    size: int | None
    bytes: int = 0


def manifests(io: FileIO, manifest_list: str) -> list[Manifest]:
    """Read a snapshot's list of manifests."""
    return [
        Manifest(
            row[500], row[502], bool(row.get(517)), row[503], row.get(504), row.get(505), row.get(506), row[501]
        )
        for row in _rows(io, manifest_list, _MANIFESTS)
    ]  # fmt: skip


def entries(io: FileIO, manifest: Manifest) -> Iterator[FileEntry]:
    """Yield what a manifest holds."""
    for row in _rows(io, manifest.path, _ENTRIES):
        file = row[_DATA_FILE]
        snapshot = row.get(1)
        yield FileEntry(
            row[0],
            manifest.snapshot if snapshot is None else snapshot,  # what the commit's own manifest leaves out
            manifest.spec,
            file.get(134) or DATA,
            file[100],
            str(file[101]).upper(),
            tuple(file[102].values()),
            file[103],
            file.get(109) or {},
            file.get(110) or {},
            file.get(125) or {},
            file.get(128) or {},
            tuple(file.get(135) or ()),
            file.get(143),
            file.get(144),
            file.get(145),
            file[104],
        )


def _rows(io: FileIO, path: str, wanted: frozenset[int]) -> Iterator[dict[int, Any]]:
    """Yield the records of an Avro file as values by field id.

    Raises:
        DataflowError: The file can't be read.
    """
    try:
        with io.new_input(path).open() as stream:
            content = stream.read()
        yield from records(content, wanted)
    except (OSError, ValueError, KeyError, IndexError, TypeError, EOFError, ImportError, zlib.error) as error:
        raise DataflowError(f"can't read {path}: {first_line(error)}") from error
