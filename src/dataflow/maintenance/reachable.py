"""Which files a table's snapshots refer to, read from manifest lists and manifests; what nothing refers to is garbage.

Garbage is told by what is reachable, never by what a snapshot deleted: a file that one snapshot removed may stand in a
later one again, as publishing, rolling back and cherry-picking move files by reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.tables.reader.manifests import DELETED, Manifest, entries, manifests

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot
    from pyiceberg.table.statistics import PartitionStatisticsFile, StatisticsFile

ADDRESS = re.compile(r"(?:([A-Za-z][\w+.-]*):)?(?://([^/]*))?(/.*)", re.DOTALL)


@dataclass(frozen=True)
class File:
    """A file of a table.

    Attributes:
        path: Where it is.
        bytes: How large it is; 0 where only opening it would tell.
    """

    path: str
    bytes: int = 0


@dataclass
class Reach:
    """What some snapshots refer to.

    Attributes:
        lists: Their manifest lists.
        manifests: Their manifests, by path.
    """

    lists: set[str] = field(default_factory=set)
    manifests: dict[str, Manifest] = field(default_factory=dict)

    def add(self, io: FileIO, snapshots: Iterable[Snapshot]) -> Reach:
        """Add what snapshots refer to."""
        for snapshot in snapshots:
            self.lists.add(snapshot.manifest_list)
            self.manifests.update({it.path: it for it in manifests(io, snapshot.manifest_list)})
        return self

    def files(self, io: FileIO, among: Iterable[str] | None = None, *, gone: bool = False) -> dict[str, int]:
        """Return the data and delete files of manifests, each with its size.

        Args:
            io: Reads them.
            among: The paths of the manifests to read; all of them when omitted.
            gone: Whether those count as well that a manifest says are deleted.
        """
        found: dict[str, int] = {}
        for path in self.manifests if among is None else among:
            for entry in entries(io, self.manifests[path]):
                if gone or entry.status != DELETED:
                    found[entry.path] = entry.bytes
        return found


def unreachable(io: FileIO, before: TableMetadata, gone: Collection[int], left: TableMetadata) -> list[File]:
    """Return the files that snapshots refer to which are gone, and none of those that are left.

    Args:
        io: Reads the table's files.
        before: The table as it was with them.
        gone: The ids of the snapshots that are gone, or about to go.
        left: The table as it is, whoever wrote to it since.
    """
    ids = set(gone)
    was = Reach().add(io, [it for it in before.snapshots if it.snapshot_id in ids])
    still = Reach().add(io, [it for it in left.snapshots if it.snapshot_id not in ids])
    old = [path for path in was.manifests if path not in still.manifests]
    found = was.files(io, old, gone=True)
    if found:
        for path in still.files(io):
            found.pop(path, None)
    found |= {path: was.manifests[path].length for path in old}
    found |= dict.fromkeys(was.lists - still.lists, 0)
    used = {it.statistics_path for it in _statistics(left) if it.snapshot_id not in ids}
    own = (it for it in _statistics(before) if it.snapshot_id in ids and it.statistics_path not in used)
    found |= {it.statistics_path: it.file_size_in_bytes for it in own}
    return [File(path, size) for path, size in sorted(found.items())]


def _statistics(metadata: TableMetadata) -> list[StatisticsFile | PartitionStatisticsFile]:
    return [*metadata.statistics, *metadata.partition_statistics]


def reachable_paths(table: Table) -> set[str]:
    """Return everything that a table refers to: data, manifests, lists, statistics, metadata files of its log."""
    metadata, io = table.metadata, table.io
    reach = Reach().add(io, metadata.snapshots)
    statistics = [it.statistics_path for it in _statistics(metadata)]
    log = [it.metadata_file for it in metadata.metadata_log]
    return {*reach.lists, *reach.manifests, *reach.files(io), *statistics, *log, table.metadata_location}


Listing = Callable[[str], Iterable[tuple[str, int, int]]]
"""Lists a folder with all below: path, size, and when it was written, in milliseconds."""


def orphans(table: Table, listing: Listing, before: int) -> list[File]:
    """Return the files below a table's own folders that nothing refers to and that are old enough.

    Args:
        table: The table.
        listing: Lists a folder.
        before: In milliseconds: what was written later may be a write that is not committed yet.
    """
    location = table.metadata.location.rstrip("/")
    old = [
        File(path, size)
        for folder in ("data", "metadata")
        for path, size, written in listing(f"{location}/{folder}")
        if written < before and not _is_hint(path)
    ]
    if not old:
        return []
    known = {normalized(path) for path in reachable_paths(table)}
    return sorted((it for it in old if normalized(it.path) not in known), key=lambda it: it.path)


def _is_hint(path: str) -> bool:
    return path.rpartition("/")[2].startswith("version-hint")


def normalized(path: str) -> str:
    """Return a path as it is compared: `file:/a` and `/a` are one, `s3a://b/k` and `s3://b/k` too."""
    found = ADDRESS.fullmatch(path)
    if found is None:
        return path
    scheme, host, rest = found[1] or "file", found[2] or "", re.sub("/+", "/", found[3])
    return f"{'s3' if scheme in {'s3a', 's3n'} else scheme}://{host}{rest}"


def overlapping(location: str, others: Mapping[str, str]) -> list[str]:
    """Return the names of tables whose folder is that of a table, lies within it, or around it.

    Args:
        location: The table's folder.
        others: The folders of other tables, by their names.
    """
    own = f"{normalized(location.rstrip('/'))}/"
    found = {name: f"{normalized(it.rstrip('/'))}/" for name, it in others.items()}
    return sorted(name for name, it in found.items() if it.startswith(own) or own.startswith(it))
