"""Which items of a table are complete, and from which source snapshots each was computed, where no day orders them.

They stand in the table's own properties, beside the high-water mark: groups of items that were computed from the same
snapshots. There is no gap between countries, so each item says for itself that it is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dataflow.tables.high_water_mark import Sources, swap
from dataflow.tables.iceberg import commit, properties
from dataflow.tables.properties import HWM_ITEMS

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

ItemMarks = Mapping[str, Sources]
"""For each finished item the source snapshots that it was computed from."""


def item_marks(found: Mapping[str, str]) -> dict[str, Sources]:
    """Return the items that a table's properties tell of."""
    groups = json.loads(found.get(HWM_ITEMS, "[]"))
    return {
        item: {table: (sequence, snapshot) for table, (sequence, snapshot) in sources.items()}
        for sources, items in groups
        for item in items
    }


def finish_item(spark: SparkSession, table: str, item: str, sources: Sources) -> int:
    """Record that an item is finished, and return how many are."""

    def change(loaded: JavaObject) -> int:
        marks = item_marks(properties(loaded))
        after = {**marks, item: dict(sources)}
        if after != marks:
            swap(loaded, {HWM_ITEMS: _written(after)})
        return len(after)

    return commit(spark, table, change)


def looked_at(marks: ItemMarks, seen: Sources, before: ItemMarks, done: Iterable[str]) -> dict[str, Sources]:
    """Return what holds once all that had changed up to certain snapshots was computed anew.

    Items that were not computed anew did not change: they are as new as what was seen. One that somebody else has
    computed meanwhile stays as that left it.
    """
    anew = set(done)
    return {
        item: {**read, **seen} if item not in anew and read == before.get(item) and read.keys() >= seen.keys() else read
        for item, read in marks.items()
    }


def remember_items(spark: SparkSession, table: str, seen: Sources, before: ItemMarks, done: Iterable[str]) -> None:
    """Record that all that had changed in a table's sources was computed anew; see `looked_at`."""
    anew = list(done)

    def change(loaded: JavaObject) -> None:
        marks = item_marks(properties(loaded))
        after = looked_at(marks, seen, before, anew)
        if after != marks:
            swap(loaded, {HWM_ITEMS: _written(after)})

    commit(spark, table, change)


def remember_items_without_spark(table: Table, seen: Sources, before: ItemMarks) -> None:
    """Record that nothing changed for a table in its sources; see `looked_at`.

    Raises:
        pyiceberg.exceptions.CommitFailedException: Somebody else's commit came first.
    """
    marks = item_marks(table.properties)
    after = looked_at(marks, seen, before, ())
    if after != marks:
        with table.transaction() as change:
            change.set_properties({HWM_ITEMS: _written(after)})


def _written(marks: ItemMarks) -> str:
    groups: dict[str, list[str]] = {}
    for item in sorted(marks):
        groups.setdefault(json.dumps(dict(marks[item]), sort_keys=True), []).append(item)
    return json.dumps([[json.loads(sources), items] for sources, items in groups.items()])
