"""Which snapshots of a table are needed, by what refers to them; all others may expire.

Whoever looks back (a mark, a rollback, a publication) walks from main's head by parents, so that main's history is
kept without a gap down to the oldest snapshot that somebody needs. Ages count from when a snapshot was replaced, not
from when it was made: until then it was what readers saw.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dataflow.tables.branch_publish import FAILED, PREFIX
from dataflow.tables.properties import BUNDLE, LIFETIME_DAYS, PARTITION, ROWS

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.refs import SnapshotRef
    from pyiceberg.table.snapshots import Snapshot

DAY = dt.timedelta(days=1)
_MAX_AGE = "history.expire.max-snapshot-age-ms"
_MIN_COUNT = "history.expire.min-snapshots-to-keep"
_DEFAULT_AGE = 5 * DAY
_LONGEST_DAYS = 36_500
_LONGEST_MS = _LONGEST_DAYS * 86_400_000
_PUBLICATIONS = 15
"""How many partitions' last publications audits compare with, their own not counted, and the layout follows."""

RunOfBranch = Callable[[str], Literal["live", "over", "unknown"]]


@dataclass(frozen=True)
class Promises:
    """What is known of those who need a table's snapshots.

    Attributes:
        now: When this is.
        keep: For how many days a snapshot is kept, after it was replaced, that a reader's mark remembers.
        run_of_branch: Says of a run's branch, named without the prefix, whether its run may still be working.
        marks: Snapshots that readers' marks remember, each with a reader.
        campaign: The campaign that is open on the table, and since when.
    """

    now: dt.datetime
    keep: int
    run_of_branch: RunOfBranch
    marks: Mapping[int, str] = field(default_factory=dict)
    campaign: tuple[str, dt.datetime] | None = None


@dataclass(frozen=True)
class Needed:
    """Which snapshots are needed.

    Attributes:
        kept: Each with why; one that lies between others is needed by whoever looks back beyond it.
        expired: The others, the oldest first.
        oldest: The snapshot that main's history goes back to; None of a table without any.
    """

    kept: Mapping[int, str]
    expired: tuple[int, ...]
    oldest: int | None


def dead_branches(metadata: TableMetadata, promises: Promises) -> list[str]:
    """Return the branches that runs left: of runs that are over, or that nobody knows and that outlived themselves."""
    return sorted(
        name
        for name, ref in metadata.refs.items()
        if name.startswith(PREFIX) and _is_dead(name, ref, metadata, promises)
    )


def _is_dead(name: str, ref: SnapshotRef, metadata: TableMetadata, promises: Promises) -> bool:
    snapshot = next((it for it in metadata.snapshots if it.snapshot_id == ref.snapshot_id), None)
    age = promises.now - _moment(snapshot.timestamp_ms) if snapshot else dt.timedelta.max
    if name.startswith(FAILED):
        return age > DAY
    run = promises.run_of_branch(name.removeprefix(PREFIX))
    if run == "unknown":
        return ref.max_ref_age_ms is not None and age > dt.timedelta(milliseconds=ref.max_ref_age_ms)
    return run == "over"


def needed(metadata: TableMetadata, promises: Promises) -> Needed:
    """Say which snapshots of a table are needed, and why."""
    by_id = {it.snapshot_id: it for it in metadata.snapshots}
    main = list(_ancestors(by_id, metadata.current_snapshot_id))
    position = {it.snapshot_id: number for number, it in enumerate(main)}
    dead = set(dead_branches(metadata, promises))
    kept: dict[int, str] = {}
    anchors: list[tuple[int, str]] = [(0, "what readers see")] if main else []
    for name, ref in sorted(metadata.refs.items()):
        if name not in {"main", *dead}:
            own, fork = _of_reference(by_id, position, name, ref)
            kept |= own
            anchors += fork
    anchors += _anchors(metadata, main, promises)
    last, why = max(anchors, key=lambda it: it[0], default=(-1, ""))
    for number, snapshot in enumerate(main[: last + 1]):
        reason = next((it for at, it in anchors if at == number), f"history back to {main[last].snapshot_id}: {why}")
        kept.setdefault(snapshot.snapshot_id, reason)
    youth = promises.now - _youth(metadata)
    for snapshot in metadata.snapshots:  # what nobody refers to may be somebody's that is at work
        if snapshot.snapshot_id not in position and _moment(snapshot.timestamp_ms) >= youth:
            kept.setdefault(snapshot.snapshot_id, "it is new")
    ordered = sorted(metadata.snapshots, key=lambda it: (it.timestamp_ms, it.snapshot_id))
    gone = tuple(it.snapshot_id for it in ordered if it.snapshot_id not in kept)
    return Needed(kept, gone, main[last].snapshot_id if main else None)


def _of_reference(
    by_id: Mapping[int, Snapshot], main: Mapping[int, int], name: str, ref: SnapshotRef
) -> tuple[dict[int, str], list[tuple[int, str]]]:
    """Return a branch's or tag's own snapshots, and of a run's branch the place in main that it began with."""
    kind = ref.snapshot_ref_type.value
    why, kept = f"{kind} {name}", dict[int, str]()
    for snapshot in _ancestors(by_id, ref.snapshot_id):
        fork = main.get(snapshot.snapshot_id)
        if fork is not None and name.startswith(PREFIX) and kind == "branch":  # it is published against that
            return kept, [(fork, why)]
        if fork is not None and snapshot.snapshot_id != ref.snapshot_id:
            break
        kept[snapshot.snapshot_id] = why
        if fork is not None or kind == "tag":
            break
    return kept, []


def _anchors(metadata: TableMetadata, main: list[Snapshot], promises: Promises) -> Iterable[tuple[int, str]]:
    """Yield the places in main's history, the newest being 0, down to which it has to be kept."""
    replaced = [promises.now, *(_moment(it.timestamp_ms) for it in main)]
    youth, lifetime = promises.now - _youth(metadata), _lifetime(metadata)
    bundles, partitions = set[str](), set[str]()
    for number, (snapshot, until) in enumerate(zip(main, replaced, strict=False)):
        told = snapshot.summary.additional_properties if snapshot.summary else {}
        bundle = told.get(BUNDLE)
        if until >= youth or number < _least(metadata):
            yield number, "readers may be at it"
        if snapshot.snapshot_id in promises.marks and until >= promises.now - promises.keep * DAY:
            yield number, f"{promises.marks[snapshot.snapshot_id]} was computed from it"
        if bundle is not None and bundle not in bundles:
            bundles.add(bundle)
            if lifetime is None or _moment(snapshot.timestamp_ms) >= promises.now - lifetime:
                yield number, f"rollback to bundle {bundle[:12]}"
        if promises.campaign is not None and until >= promises.campaign[1]:
            yield number, f"campaign {promises.campaign[0]}"
        if ROWS in told and told.get(PARTITION, "") not in partitions and len(partitions) < _PUBLICATIONS:
            partitions.add(told.get(PARTITION, ""))
            yield number, "audits compare with it"


def _ancestors(by_id: Mapping[int, Snapshot], start: int | None) -> Iterable[Snapshot]:
    snapshot = by_id.get(start) if start is not None else None
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parent_snapshot_id
        snapshot = by_id.get(parent) if parent is not None else None


def _youth(metadata: TableMetadata) -> dt.timedelta:
    """Return for how long readers may be at a snapshot that was replaced, as Iceberg's own properties say."""
    ref = metadata.refs.get("main")
    own = ref.max_snapshot_age_ms if ref is not None else None
    text = str(own) if own is not None else metadata.properties.get(_MAX_AGE, "")
    return dt.timedelta(milliseconds=min(int(text), _LONGEST_MS)) if text.isdecimal() else _DEFAULT_AGE


def _least(metadata: TableMetadata) -> int:
    ref = metadata.refs.get("main")
    own = ref.min_snapshots_to_keep if ref is not None else None
    text = str(own) if own is not None else metadata.properties.get(_MIN_COUNT, "1")
    return int(text) if text.isdecimal() else 1


def _lifetime(metadata: TableMetadata) -> dt.timedelta | None:
    text = metadata.properties.get(LIFETIME_DAYS, "")
    return dt.timedelta(days=min(int(text), _LONGEST_DAYS)) if text.isdecimal() else None


def _moment(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
