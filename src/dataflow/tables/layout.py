"""How a write lays out a table's files: which rows come together before they are written, and how large files become.

Both follow from what the table is and from what its last days came to, so that they are chosen anew as it grows. What a
table says by properties of its own stays. Iceberg's own choice is kept where ours would be the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.tables.properties import DISTRIBUTED, FILE_SIZE, PARTITION

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject

DISTRIBUTION = "write.distribution-mode"
TARGET = "write.target-file-size-bytes"

_MIB, _GIB = 1024**2, 1024**3
ICEBERG_S_OWN = 512 * _MIB
_LEAST, _MOST = 128 * _MIB, _GIB
"""A file has at least one row group of Parquet (128 MiB); larger ones than the most make a lost task dear."""
_FILES = 256
"""How many files a day has at least, where it has enough rows: as many tasks write at once."""
_LARGE_FOR_A_TASK = 32 * _MIB
"""What each task has to write at least, for a file of its own to be worth it."""
LEAST_TASKS = 32
_PUBLICATIONS = 7


@dataclass(frozen=True)
class TableFacts:
    """What decides about the layout of a table.

    Attributes:
        fields: What it is partitioned by: each column with its transform.
        is_sorted: Whether it has a sort order.
        properties: Its properties.
        days: How many bytes each of its last publications added.
    """

    fields: tuple[tuple[str, str], ...]
    is_sorted: bool
    properties: Mapping[str, str]
    days: tuple[int, ...]

    @property
    def day(self) -> int:
        """How many bytes a day has: the most of its last publications."""
        return max(self.days, default=0)


@dataclass(frozen=True)
class Layout:
    """How files are laid out.

    Attributes:
        distribution: Iceberg's mode: `none`, `hash` or `range`.
        distribution_reason: Why.
        file_size: Up to how many bytes a file becomes.
        file_size_reason: Why.
        wanted: The properties that make it so, beside those that the table has; None for one that goes.
    """

    distribution: str
    distribution_reason: str
    file_size: int
    file_size_reason: str
    wanted: Mapping[str, str | None]

    def lines(self) -> tuple[str, str]:
        """Return it for people."""
        return (
            f"distribution {self.distribution}: {self.distribution_reason}",
            f"files up to {self.file_size // _MIB:,} MiB: {self.file_size_reason}",
        )


def choose(facts: TableFacts, fixed: Collection[str], tasks: int) -> Layout:
    """Choose the layout of a write.

    Args:
        facts: What the table is.
        fixed: The columns whose partition the write fixes, as `date=2026-01-31` does.
        tasks: How many tasks write at most, by the session's shuffle partitions.
    """
    mode, why, first = _distribution(facts, {name.lower() for name in fixed}, max(LEAST_TASKS, tasks))
    size, reason, second = _file_size(facts)
    return Layout(mode, why, size, reason, {**first, **second})


Chosen = tuple[str, str, Mapping[str, str | None]]
"""A value, why it is that, and the properties that make it so."""


def _distribution(facts: TableFacts, fixed: Collection[str], tasks: int) -> Chosen:
    """Choose Iceberg's mode: its own rules find all but `none` for a large day."""
    own = _own(facts, DISTRIBUTION, DISTRIBUTED)
    if own is not None:
        return own, f"the table's {DISTRIBUTION}", _set(facts, DISTRIBUTED, None)
    back = _set(facts, DISTRIBUTED, None, DISTRIBUTION)
    if facts.is_sorted:
        return "range", "the table has a sort order", back
    if not facts.fields:
        return "none", "the table has no partitions", back
    if inner := [name for name, _ in facts.fields if name.lower() not in fixed]:
        return "hash", f"rows of one {', '.join(inner)} come together", back
    large = tasks * _LARGE_FOR_A_TASK
    was_large = facts.properties.get(DISTRIBUTED) is not None
    if facts.day >= (large // 2 if was_large else large):  # what is near the edge stays as it is
        why = f"one partition of {_size(facts.day)}, which each task writes as it has it"
        return "none", why, _set(facts, DISTRIBUTED, "none", DISTRIBUTION)
    return "hash", "one partition, whose rows come together first", back


def _file_size(facts: TableFacts) -> tuple[int, str, Mapping[str, str | None]]:
    own = _own(facts, TARGET, FILE_SIZE)
    if own is not None:
        size = int(own) if own.isdigit() else ICEBERG_S_OWN
        return size, f"the table's {TARGET}", _set(facts, FILE_SIZE, None)
    known = f"a day has {_size(facts.day)}" if facts.days else "no day was published yet"
    was_chosen = facts.properties.get(FILE_SIZE) is not None
    if facts.day < (_LEAST // 2 if was_chosen else _LEAST):  # what is near the edge stays as it is
        return ICEBERG_S_OWN, f"Iceberg's own, {known}", _set(facts, FILE_SIZE, None, TARGET)
    size = min(_MOST, max(_LEAST, 1 << (facts.day // _FILES).bit_length() - 1))
    current = int(facts.properties.get(FILE_SIZE, 0))
    if size // 2 <= current <= size * 2:  # a day that is now a little larger, now a little smaller changes nothing
        size = current
    return size, known, _set(facts, FILE_SIZE, str(size), TARGET)


def _own(facts: TableFacts, key: str, marker: str) -> str | None:
    """Return a property that somebody set, and no run; None where there is none."""
    value = facts.properties.get(key)
    return None if value == facts.properties.get(marker) else value


def _set(facts: TableFacts, marker: str, value: str | None, *keys: str) -> Mapping[str, str | None]:
    """Return the properties to set or to take away, none where they are so already."""
    wanted = dict.fromkeys((marker, *keys), value)
    return {key: value for key, value in wanted.items() if facts.properties.get(key) != value}


def _size(count: int) -> str:
    units = (("TiB", 1024**4), ("GiB", _GIB), ("MiB", _MIB), ("KiB", 1024))
    return next((f"{count / size:,.1f} {unit}" for unit, size in units if count >= size), f"{count} bytes")


def facts_of(table: JavaObject) -> TableFacts:
    """Return the facts of a table that Spark has loaded."""
    from dataflow.tables.files import each
    from dataflow.tables.iceberg import properties

    schema = table.schema()
    fields = ((str(schema.findColumnName(it.sourceId())), str(it.transform())) for it in each(table.spec().fields()))
    return TableFacts(
        tuple(field for field in fields if field[1] != "void"),
        bool(table.sortOrder().isSorted()),
        properties(table),
        _days(_summaries(table)),
    )


def facts_in(metadata: Mapping[str, Any]) -> TableFacts:
    """Return the facts of a table as its metadata file has them."""
    schemas = {it["schema-id"]: it for it in metadata["schemas"]}
    names = dict(_column_names(schemas[metadata["current-schema-id"]]))
    specs = {it["spec-id"]: it["fields"] for it in metadata["partition-specs"]}
    orders = {it["order-id"]: it["fields"] for it in metadata.get("sort-orders", ())}
    snapshots = {it["snapshot-id"]: it for it in metadata.get("snapshots") or ()}

    def summaries() -> Iterable[Mapping[str, str]]:
        found = snapshots.get(metadata.get("current-snapshot-id"))
        while found is not None:
            yield found.get("summary", {})
            found = snapshots.get(found.get("parent-snapshot-id"))

    fields = ((names.get(it["source-id"], ""), it["transform"]) for it in specs[metadata["default-spec-id"]])
    return TableFacts(
        tuple(field for field in fields if field[1] != "void"),
        bool(orders.get(metadata.get("default-sort-order-id", 0))),
        metadata.get("properties") or {},
        _days(summaries()),
    )


def _column_names(struct: Mapping[str, Any], above: str = "") -> Iterable[tuple[int, str]]:
    for field in struct["fields"]:
        name = f"{above}{field['name']}"
        yield field["id"], name
        if isinstance(field["type"], dict) and field["type"].get("type") == "struct":
            yield from _column_names(field["type"], f"{name}.")


def _summaries(table: JavaObject) -> Iterable[Mapping[str, str]]:
    snapshot = table.currentSnapshot()
    while snapshot is not None:
        yield snapshot.summary()
        parent = snapshot.parentId()
        snapshot = table.snapshot(parent) if parent is not None else None


def _days(summaries: Iterable[Mapping[str, str]]) -> tuple[int, ...]:
    """Return how many bytes the last publications added, of the snapshots that are looked at, newest first."""
    published = (it for it in itertools.islice(summaries, 50) if it.get(PARTITION) is not None)
    sizes = (int(it.get("added-files-size") or 0) for it in itertools.islice(published, _PUBLICATIONS))
    return tuple(size for size in sizes if size)
