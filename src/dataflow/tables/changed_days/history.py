"""Which files the snapshots since a mark added and removed, read from as few lists and manifests as there can be.

A snapshot's own manifests stand in the lists of those that follow it until a later commit merges them. So the newest
list tells of most snapshots, and only one whose files are not all found there has its own list read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.tables.properties import MAINTENANCE
from dataflow.tables.reader.manifests import ADDED, DELETED, FileEntry, Manifest, entries, manifests

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

BEGINNING = -1
"""What stands for the time before a table's first snapshot: all of its snapshots are since."""

_COUNTS = ("added-data-files", "deleted-data-files", "added-delete-files", "removed-delete-files")


def snapshots_since(metadata: TableMetadata, head: int, since: int) -> list[Snapshot] | None:
    """Return the snapshots after one, up to another, the newest first.

    Returns:
        None where the earlier one is no ancestor of the later, or the way between them has expired. All since
        `BEGINNING`, where none has.
    """
    by_id = {snapshot.snapshot_id: snapshot for snapshot in metadata.snapshots}
    found: list[Snapshot] = []
    at = head
    while at != since:
        snapshot = by_id.get(at)
        if snapshot is None or (snapshot.parent_snapshot_id is None and since != BEGINNING):
            return None
        found.append(snapshot)
        at = BEGINNING if snapshot.parent_snapshot_id is None else snapshot.parent_snapshot_id
    return found if since in {*by_id, BEGINNING} else None


def changes_rows(snapshot: Snapshot) -> bool:
    """Say whether a snapshot may have changed rows that somebody has to look at.

    `replace`, as compaction leaves it, changes none; and partitions that outlived their lifetime are no news to
    readers, who may keep what they made of them for longer.
    """
    summary = snapshot.summary
    return summary is None or (
        summary.operation.value != "replace" and MAINTENANCE not in summary.additional_properties
    )


def changed_files(io: FileIO, since: Sequence[Snapshot]) -> Iterator[tuple[Snapshot, list[FileEntry]]]:
    """Yield the snapshots that changed rows, the newest first, each with the files that it added and removed."""
    relevant = {snapshot.snapshot_id: snapshot for snapshot in since if changes_rows(snapshot)}
    found = {id_: _Found() for id_ in relevant}
    for id_, snapshot in relevant.items():
        if not found[id_].is_all_of(snapshot):
            for manifest in manifests(io, snapshot.manifest_list):
                if manifest.snapshot in found:
                    found[manifest.snapshot].manifests[manifest.path] = manifest
    for id_, snapshot in relevant.items():
        yield (
            snapshot,
            [
                entry
                for manifest in found[id_].manifests.values()
                if manifest.added != 0 or manifest.removed != 0
                for entry in entries(io, manifest)
                if entry.status in {ADDED, DELETED} and entry.snapshot == id_
            ],
        )


def live_files(io: FileIO, snapshot: Snapshot) -> Iterator[FileEntry]:
    """Yield the data files of a snapshot."""
    for manifest in manifests(io, snapshot.manifest_list):
        if not manifest.deletes:
            yield from (entry for entry in entries(io, manifest) if entry.status != DELETED)


@dataclass
class _Found:
    """The manifests of a snapshot that were found so far."""

    manifests: dict[str, Manifest] = field(default_factory=dict)

    def is_all_of(self, snapshot: Snapshot) -> bool:
        """Say whether they have as many files as the snapshot says; never of one that says of none."""
        summary = snapshot.summary.additional_properties if snapshot.summary else {}
        told = [_number(summary, key) for key in _COUNTS]
        return any(told) and told == self._counts()

    def _counts(self) -> list[int | None]:
        counts: list[int | None] = []
        for deletes in (False, True):
            of_kind = [it for it in self.manifests.values() if it.deletes == deletes]
            for numbers in ([it.added for it in of_kind], [it.removed for it in of_kind]):
                known = [it for it in numbers if it is not None]
                counts.append(sum(known) if len(known) == len(numbers) else None)
        return counts


def _number(summary: Mapping[str, str], key: str) -> int:
    text = summary.get(key, "0")
    return int(text) if text.isdecimal() else -1
