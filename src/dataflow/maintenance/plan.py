"""What maintenance would do with a table, found without a JVM and before anything is done."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.maintenance.promises import DAY, Needed, Promises, dead_branches, needed
from dataflow.maintenance.reachable import File, Listing, Reach, orphans, overlapping, unreachable
from dataflow.tables.changed_days.day_values import DayColumn, Grain
from dataflow.tables.changed_days.find import day_column
from dataflow.tables.high_water_mark import from_properties
from dataflow.tables.layout import ICEBERG_S_OWN, TARGET
from dataflow.tables.properties import LIFETIME_DAYS, OWNER, PACKAGE, PACKAGE_ID
from dataflow.tables.reader.manifests import DATA, DELETED, FileEntry, entries
from dataflow.workflow.periods import Cadence

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

    from dataflow.workflow.identity import Identity

ORPHAN_AGE = 3 * DAY
"""Files that nothing refers to are left alone for so long: they may belong to a write that is not committed yet."""

SMALL = 0.75
"""The share of the target size below which a file is small, as Iceberg's own rewriting has it."""

SEVERAL = 5
"""So many small files of a partition are worth being rewritten."""

_MANIFEST_TARGET = "commit.manifest.target-size-bytes"
_MANIFEST_SIZE = 8 * 1024**2
_MANY_MANIFESTS = 10


@dataclass(frozen=True)
class Figures:
    """How large a table is.

    Attributes:
        snapshots: How many snapshots it has.
        branches: How many branches and tags beside main.
        manifests: How many manifests its current snapshot has.
        files: How many data files.
        rows: How many rows.
        bytes: The size of the data files.
    """

    snapshots: int = 0
    branches: int = 0
    manifests: int = 0
    files: int = 0
    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Partition:
    """Files of a partition.

    Attributes:
        label: The days that they hold, or the partition as a path.
        paths: The files.
        rows: Their rows.
        bytes: Their size.
    """

    label: str
    paths: tuple[str, ...]
    rows: int
    bytes: int


@dataclass(frozen=True)
class MaintenancePlan:
    """What maintenance would do with a table.

    Attributes:
        table: The table.
        before: How large it is.
        branches: Branches of runs that are over.
        outlived: Partitions beyond the table's lifetime.
        scattered: Partitions with many small files.
        manifests: How many manifests are written anew; 0 where they are fine.
        needed: Which snapshots are kept and which expire.
        unreachable: Files that no snapshot refers to once those have expired.
        orphans: Files in the table's folders that nothing refers to.
        notes: What is not done, and why.
    """

    table: str
    before: Figures
    branches: tuple[str, ...] = ()
    outlived: tuple[Partition, ...] = ()
    scattered: tuple[Partition, ...] = ()
    manifests: int = 0
    needed: Needed = field(default_factory=lambda: Needed({}, (), None))
    unreachable: tuple[File, ...] = ()
    orphans: tuple[File, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (
            self.branches or self.outlived or self.scattered or self.manifests or self.needed.expired or self.orphans
        )


def require_own(properties: Mapping[str, str], table: str, identity: Identity) -> None:
    """Refuse a table that is not a package's own.

    Raises:
        DataflowError: It is another package's, or no package's.
    """
    if properties.get(PACKAGE) == identity.uuid:
        return
    if PACKAGE not in properties:
        raise DataflowError(
            f"table {table} belongs to no package: it was left as it is",
            "a run of the package that writes it claims it; or look after it by Iceberg's own procedures",
            permanent=True,
        )
    whose = f"{properties.get(PACKAGE_ID, properties[PACKAGE])} of {properties.get(OWNER, 'an unknown owner')}"
    raise DataflowError(
        f"table {table} belongs to package {whose}, not to {identity.package_id}: it was left as it is",
        "maintain it in the folder of that package",
        permanent=True,
    )


def plan_maintenance(
    name: str, table: Table, promises: Promises, listing: Listing | None, folders: Callable[[], Mapping[str, str]]
) -> MaintenancePlan:
    """Say what maintenance would do with a table.

    Args:
        name: The table, `database.table`.
        table: The table as it is now.
        promises: What is known of those who need its snapshots.
        listing: Lists a folder; None where nothing here can.
        folders: Returns the folders of all other tables of the catalog; asked where orphan files were found.

    Raises:
        DataflowError: A manifest can't be read.
    """
    metadata = table.metadata
    contents = _contents(table)
    notes: list[str] = []
    if metadata.properties.get("gc.enabled", "true").lower() == "false":
        note = "gc.enabled is false: its files may be another table's, and nothing is removed"
        return MaintenancePlan(name, contents.figures, tuple(dead_branches(metadata, promises)), notes=(note,))
    found = needed(metadata, promises)
    left = metadata.model_copy(update={"snapshots": [it for it in metadata.snapshots if it.snapshot_id in found.kept]})
    garbage = unreachable(table.io, metadata, found.expired, left) if found.expired else []
    busy = promises.campaign is not None
    if promises.campaign is not None:
        notes.append(f"campaign {promises.campaign[0]} is open: files stay as they are")
    outlived = [] if busy else _outlived(metadata, contents, promises.now, notes)
    dropped = {it.label for it in outlived}
    return MaintenancePlan(
        name,
        contents.figures,
        tuple(dead_branches(metadata, promises)),
        tuple(outlived),
        () if busy else tuple(it for it in _scattered(metadata, contents) if it.label not in dropped),
        0 if busy else _manifests(metadata, contents),
        found,
        tuple(garbage),
        tuple(_orphans(table, promises.now, listing, folders, notes)),
        tuple(notes),
    )


def figures_of(table: Table) -> Figures:
    """Return how large a table is."""
    return _contents(table).figures


@dataclass(frozen=True)
class _Contents:
    """The current snapshot's files."""

    figures: Figures
    files: Sequence[tuple[FileEntry, str]]
    manifests: Sequence[tuple[int, int]]


def _contents(table: Table) -> _Contents:
    metadata, current = table.metadata, table.current_snapshot()
    reach = Reach().add(table.io, [current] if current is not None else [])
    specs, schema = table.specs(), table.schema()
    files: list[tuple[FileEntry, str]] = []
    for manifest in reach.manifests.values():
        if manifest.deletes:
            continue
        for entry in entries(table.io, manifest):
            if entry.status != DELETED and entry.content == DATA:
                files.append((entry, _label(specs[entry.spec], schema, entry.partition)))
    figures = Figures(
        len(metadata.snapshots),
        len([it for it in metadata.refs if it != "main"]),
        len(reach.manifests),
        len(files),
        sum(it.rows for it, _ in files),
        sum(it.bytes for it, _ in files),
    )
    return _Contents(figures, files, [(it.spec, it.length) for it in reach.manifests.values() if not it.deletes])


def _label(spec: Any, schema: Any, values: Sequence[Any]) -> str:
    """Return a partition as a path, as people know it."""
    parts = []
    for field_, value in zip(spec.fields, values, strict=False):
        kind = field_.transform.result_type(schema.find_type(field_.source_id)) if value is not None else None
        shown = "null" if value is None else field_.transform.to_human_string(kind, value)
        parts.append(f"{field_.name}={shown}")
    return "/".join(parts) or "all rows"


def _outlived(metadata: TableMetadata, contents: _Contents, now: dt.datetime, notes: list[str]) -> list[Partition]:
    """Return what is older than the table's lifetime: files all of whose rows are, as their partition says."""
    days = metadata.properties.get(LIFETIME_DAYS, "")
    if not days.isdecimal() or not contents.files:
        return []
    try:
        column = day_column(metadata, "the table")
    except DataflowError:
        notes.append(f"lifetime_days is {days}, and its partition has no column of days: no row is dropped")
        return []
    mark = from_properties(metadata.properties).mark
    coarse = mark.cadence if mark is not None and mark.cadence in {Cadence.WEEKLY, Cadence.MONTHLY} else None
    column = DayColumn(column.id, column.name, column.type, column.default, Grain(Cadence.DAILY, coarse))
    oldest = Cadence.DAILY.at((now - min(int(days), 36_500) * DAY).date())
    specs = {it.spec_id: it for it in metadata.partition_specs}
    found: dict[str, list[FileEntry]] = defaultdict(list)
    for entry, label in contents.files:
        range_ = column.partition(specs[entry.spec], entry.partition)
        if range_ is not None and range_.first <= range_.last < oldest:
            found[label].append(entry)
    return [_partition(label, it) for label, it in sorted(found.items())]


def target_size(properties: Mapping[str, str]) -> int:
    """Return how large a table's files become."""
    text = properties.get(TARGET, "")
    return int(text) if text.isdecimal() and int(text) else ICEBERG_S_OWN


def _scattered(metadata: TableMetadata, contents: _Contents) -> list[Partition]:
    """Return the partitions whose small files Iceberg's rewriting would put together."""
    target = target_size(metadata.properties)
    found: dict[str, list[FileEntry]] = defaultdict(list)
    for entry, label in contents.files:
        if entry.bytes < SMALL * target:
            found[label].append(entry)
    return [
        _partition(label, it)
        for label, it in sorted(found.items())
        if len(it) >= SEVERAL or (len(it) > 1 and sum(each.bytes for each in it) > target)
    ]


def _partition(label: str, files: Sequence[FileEntry]) -> Partition:
    paths = tuple(sorted(it.path for it in files))
    return Partition(label, paths, sum(it.rows for it in files), sum(it.bytes for it in files))


def _manifests(metadata: TableMetadata, contents: _Contents) -> int:
    """Return how many manifests there are, where they are many more than their sizes ask for."""
    text = metadata.properties.get(_MANIFEST_TARGET, "")
    target = int(text) if text.isdecimal() and int(text) else _MANIFEST_SIZE
    sizes: dict[int, int] = defaultdict(int)
    for spec, size in contents.manifests:
        sizes[spec] += size
    count, ideal = len(contents.manifests), sum(-(-size // target) for size in sizes.values())
    return count if count >= _MANY_MANIFESTS and count >= 4 * ideal else 0


def _orphans(
    table: Table,
    now: dt.datetime,
    listing: Listing | None,
    folders: Callable[[], Mapping[str, str]],
    notes: list[str],
) -> list[File]:
    if listing is None:
        notes.append("its folders can't be listed here: orphan files stay")
        return []
    found = orphans(table, listing, int((now - ORPHAN_AGE).timestamp() * 1000))
    if found and (shared := overlapping(table.metadata.location, folders())):
        notes.append(f"its folder is that of {', '.join(shared)} as well: orphan files stay")
        return []
    return found
