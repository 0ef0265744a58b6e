"""Returning a table to what a bundle had published, without a JVM: rows and high-water mark in one commit."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.tables import pyiceberg_catalog
from dataflow.tables.column_migration import migrating_columns
from dataflow.tables.high_water_mark import Sources, from_properties, oldest
from dataflow.tables.properties import (
    BUNDLE,
    DAY,
    HWM,
    HWM_AHEAD,
    HWM_ITEMS,
    HWM_LATER,
    HWM_SOURCES,
    MAINTENANCE,
    PACKAGE,
    PARTITION,
    RETIRED_COLUMN,
    SOURCES,
)
from dataflow.workflow.periods import Cadence, Period, period_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

_MOMENTS = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2})?|\d{4}-\d{2}(?![-\d])")


@dataclass(frozen=True)
class TableRollback:
    """What a table would return to.

    Attributes:
        table: The table.
        base: The snapshot that it shows now.
        snapshot: The snapshot that it would show.
        at: When that was published.
        undone: Labels of the partitions that change, each once, the last published first.
        properties: Properties that change with it; None for one that is removed.
    """

    table: str
    base: int
    snapshot: int
    at: dt.datetime
    undone: tuple[str, ...]
    properties: Mapping[str, str | None]


def plan_table(catalog: Catalog, name: str, bundle: str, package: str) -> TableRollback | None:
    """Say how a table would return to what a bundle published last.

    Args:
        catalog: Its catalog.
        name: The table.
        bundle: The bundle.
        package: Uuid of the package that it has to be of.

    Returns:
        None when it shows that already, or was never made.

    Raises:
        DataflowError: It is another package's, somebody else wrote to it since, or that bundle never published.
    """
    try:
        table = pyiceberg_catalog.load_table(catalog, name)
    except DataflowError:
        return None
    if table.properties.get(PACKAGE) != package:
        raise DataflowError(f"{name} is not this package's: nothing was rolled back", permanent=True)
    undone: list[Snapshot] = []
    for snapshot in _ancestors(table):
        summary = _summary(snapshot)
        if summary.get(BUNDLE) == bundle:
            return _planned(table, name, snapshot, undone) if undone else None
        if MAINTENANCE in summary:  # the same rows in other files, or fewer of those that outlived their lifetime
            continue
        if BUNDLE not in summary:
            when = _moment(snapshot).strftime("%Y-%m-%d %H:%M")
            others = _migration(table.properties)
            raise DataflowError(
                f"{name} was written by somebody else{others} since: snapshot {snapshot.snapshot_id} of {when} is not "
                "from a deployed run",
                "roll back without --with-data, and run the days again",
                permanent=True,
            )
        undone.append(snapshot)
    raise DataflowError(
        f"bundle {bundle[:12]} has published nothing to {name} that is still there",
        "roll back without --with-data, and run the days again",
        permanent=True,
    )


def _migration(properties: Mapping[str, str]) -> str:
    """Name the campaign that may have written a table: one that moves its columns, or one that did."""
    gone = [key.removeprefix(RETIRED_COLUMN) for key in properties if key.startswith(RETIRED_COLUMN)]
    if migrating_columns(properties):
        return ", or by the migration that moves its columns,"
    return f", or by the migration that removed {', '.join(sorted(gone))}," if gone else ""


def roll_back(catalog: Catalog, planned: TableRollback) -> None:
    """Return a table, unless it changed since it was looked at.

    Raises:
        DataflowError: It did.
    """
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table.update import (
        AssertRefSnapshotId,
        RemovePropertiesUpdate,
        SetPropertiesUpdate,
        SetSnapshotRefUpdate,
    )

    table = pyiceberg_catalog.load_table(catalog, planned.table)
    updates: list[object] = [
        SetSnapshotRefUpdate.model_validate(
            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": planned.snapshot}
        ),
    ]
    new = {key: value for key, value in planned.properties.items() if value is not None}
    gone = [key for key, value in planned.properties.items() if value is None and key in table.properties]
    updates += [SetPropertiesUpdate(updates=new)] if new else []
    updates += [RemovePropertiesUpdate(removals=gone)] if gone else []
    same = AssertRefSnapshotId(ref="main", snapshot_id=planned.base)
    try:
        catalog.commit_table(table, (same,), tuple(updates))  # type: ignore[arg-type]
    except CommitFailedException as error:
        raise DataflowError(f"{planned.table} was written by somebody else just now: it was left as it is") from error


def _planned(table: Table, name: str, to: Snapshot, undone: list[Snapshot]) -> TableRollback:
    current = table.current_snapshot()
    labels = dict.fromkeys(label for it in undone if (label := _summary(it).get(PARTITION)))
    return TableRollback(
        name,
        current.snapshot_id if current else 0,
        to.snapshot_id,
        _moment(to),
        tuple(labels),
        _mark_before(table, to, undone),
    )


def _mark_before(table: Table, to: Snapshot, undone: list[Snapshot]) -> dict[str, str | None]:
    """Take the high-water mark back to before the first day that is missing again.

    A day that was published before too shows its earlier rows, and stays complete. The mark's sources are the oldest
    that any day was computed from: what came later has to be looked at again.
    """
    water = from_properties(table.properties)
    mark = water.mark.label if water.mark is not None else None
    cadence = next((it.cadence for it in (water.mark, *water.ahead) if it is not None), Cadence.DAILY)
    kept = {period for it in _ancestors(table, to.snapshot_id) for period in _periods(it, cadence)}
    missing = sorted({period for it in undone for period in _periods(it, cadence)} - kept)
    changes: dict[str, str | None] = {}
    if water.mark is not None and missing and missing[0] <= water.mark:
        changes[HWM] = missing[0].previous.label if kept else None
    if HWM_AHEAD in table.properties:
        gone = {period.label for period in missing}
        ahead = {day: it for day, it in json.loads(table.properties[HWM_AHEAD]).items() if day not in gone}
        changes[HWM_AHEAD] = json.dumps(ahead, sort_keys=True) if ahead else None
    if mark:
        sources = _oldest_sources(table, to)
        changes[HWM_SOURCES] = sources if changes.get(HWM, mark) else None
    changes |= {key: None for key in (HWM_LATER, HWM_ITEMS) if key in table.properties}
    return changes


def _oldest_sources(table: Table, to: Snapshot) -> str | None:
    """Return the oldest snapshots of sources that the partitions of a snapshot were computed from; None if unknown.

    Where the history before has expired, what the mark says now holds for partitions that it does not tell of: those
    that are undone, and told of nowhere else, are missing, and run again.
    """
    newest: dict[str, Sources] = {}
    history = _ancestors(table, to.snapshot_id)
    for snapshot in history:
        told = _summary(snapshot)
        if PARTITION in told and SOURCES in told:
            read = {name: (int(it[0]), int(it[1])) for name, it in json.loads(told[SOURCES]).items()}
            newest.setdefault(told[PARTITION], read)
    has_expired = history[-1].parent_snapshot_id is not None
    before = [from_properties(table.properties).sources] if has_expired else []
    found = oldest([*newest.values(), *before])
    return json.dumps(found, sort_keys=True) if found else None


def _periods(snapshot: Snapshot, cadence: Cadence) -> set[Period]:
    """Return the periods that a snapshot published: as the run called them, or as its partition spells them."""
    summary = _summary(snapshot)
    texts = [summary[DAY]] if DAY in summary else _MOMENTS.findall(summary.get(PARTITION, ""))
    known = (period_of(text) for text in texts)
    return {part for period in known if period is not None for part in cadence.range(period, period)}


def _ancestors(table: Table, start: int | None = None) -> list[Snapshot]:
    """Return main's snapshots, or those below one, the newest first."""
    found: list[Snapshot] = []
    snapshot = table.snapshot_by_id(start) if start is not None else table.current_snapshot()
    while snapshot is not None:
        found.append(snapshot)
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    return found


def _summary(snapshot: Snapshot) -> Mapping[str, str]:
    return snapshot.summary.additional_properties if snapshot.summary else {}


def _moment(snapshot: Snapshot) -> dt.datetime:
    return dt.datetime.fromtimestamp(snapshot.timestamp_ms / 1000, dt.UTC)
