"""Which days lose rows, or get them back, by delete files: positions, deletion vectors and equality deletes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataflow.tables.changed_days.file_days import FileDays, Rows, add_rows
from dataflow.tables.reader.files import UnreadableFileError, deleted_positions
from dataflow.tables.reader.manifests import EQUALITY_DELETES, FileEntry


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
    found: dict[Any, int | None] = {}
    positions: dict[str, set[int]] = {}
    for entry in entries:
        within = files.column.partition(files.specs[entry.spec], entry.partition)
        if within is not None and within.is_one:
            add_rows(found, {within.first: entry.rows})
        elif entry.content == EQUALITY_DELETES:
            add_rows(found, _equal(files, entry))
        else:
            try:
                for path, deleted in deleted_positions(files.io, entry):
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
        found: dict[Any, int | None] = {}
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
    files.notes[f"all {files.unit}s from {within.first} to {within.last}, by {entry.path}: {why}"] = None
    return dict.fromkeys(within.periods())


def _format(path: str) -> str:
    return path.rpartition(".")[2].upper()
