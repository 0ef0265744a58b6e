"""How much of a table some days are: its rows and bytes, by the embedded catalog's metadata, in milliseconds.

What can't be told exactly is told as too much: a whole table, a whole manifest, a whole month.
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dataflow.tables.changed_days.day_values import decoded_bound, span_of_partition
from dataflow.tables.embedded_catalog import content
from dataflow.tables.reader.avro import records
from dataflow.tables.time_spans import Span

_MANIFESTS = frozenset({500, 501, 502, 517, 512, 513, 507, 509, 510, 511})
_ENTRIES = frozenset({0, 2, 134, 102, 103, 104})
_DELETED = 2
_MOST_READ = 4_000_000
"""Bytes of manifests that are looked into, some 20,000 files; of the others their sums are taken."""

_MOMENT = dt.timedelta(microseconds=1)
_NEVER = Span(dt.datetime.max, dt.datetime.max)
"""The time of rows that have none."""
_OF_WHOLE_FIELDS = {"day": "date", "month": "int", "year": "int", "hour": "int"}


@dataclass(frozen=True)
class Size:
    """How much data there is.

    Attributes:
        rows: How many rows.
        bytes: How large their files are.
    """

    rows: int = 0
    bytes: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.rows + other.rows, self.bytes + other.bytes)


class _Field(NamedTuple):
    """A field of a partition that tells days."""

    place: int
    transform: str
    kind: str

    def span(self, value: Any) -> Span | None:
        """Return the time that a partition's value stands for; None where nobody can tell."""
        if value is None:
            return None if self.transform == "void" else _NEVER
        return span_of_partition(self.transform, self.kind, value)

    def between(self, low: bytes | None, high: bytes | None) -> Span | None:
        """Return the time between two bounds of a manifest's summary."""
        if low is None or high is None:
            return None
        kind = _OF_WHOLE_FIELDS.get(self.transform, self.kind)
        first, last = (self.span(decoded_bound(kind, bound)) for bound in (low, high))
        return None if first is None or last is None else Span(min(first.start, last.start), max(first.end, last.end))


def whole_size(metadata: Mapping[str, Any]) -> Size:
    """Return the size of a table as its newest snapshot has it.

    Args:
        metadata: The table's metadata file.
    """
    summary = (_snapshot(metadata) or {}).get("summary", {})
    return Size(int(summary.get("total-records", 0)), int(summary.get("total-files-size", 0)))


def day_columns(metadata: Mapping[str, Any]) -> frozenset[str]:
    """Return the columns by whose days a table is partitioned, by any of its specs; of a struct's field its name."""
    names = {it["id"]: it["name"] for it in _columns(metadata)}
    fields = (it for spec in metadata.get("partition-specs", ()) for it in spec["fields"])
    return frozenset(names[it["source-id"]] for it in fields if it["source-id"] in names)


def size_of_days(metadata: Mapping[str, Any], columns: Collection[str], days: Sequence[dt.date]) -> Size:
    """Return the size of what some days may have rows of.

    Args:
        metadata: The table's metadata file.
        columns: The columns that say which day a row belongs to.
        days: The days, in order.

    Raises:
        OSError: A file can't be read.
        ValueError: A file is not what it should be.
    """
    snapshot, whole = _snapshot(metadata), whole_size(metadata)
    fields = _fields(metadata, columns)
    if snapshot is None or not any(fields.values()) or "manifest-list" not in snapshot:
        return whole
    found, left = Size(), _MOST_READ
    for manifest in records(content(snapshot["manifest-list"]), _MANIFESTS):
        of_spec = fields.get(manifest[502], ())
        if manifest.get(517) or not _may_hold(of_spec, manifest.get(507), days):
            continue
        left -= manifest[501]
        if left < 0:
            found += _all_of(manifest, whole)
            continue
        for file in _files(manifest[500]):
            if all(_overlaps(field.span(_value(file[102], field.place)), days) for field in of_spec):
                found += Size(file[103], file[104])
    return found if found.rows < whole.rows else whole


def _snapshot(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    current = metadata.get("current-snapshot-id")
    return next((it for it in metadata.get("snapshots", ()) if it["snapshot-id"] == current), None)


def _all_of(manifest: Mapping[int, Any], whole: Size) -> Size:
    added, existing = manifest.get(512), manifest.get(513)
    if added is None or existing is None:
        return whole
    rows = added + existing
    return Size(rows, whole.bytes * rows // max(1, whole.rows))


def _files(path: str) -> Iterator[Mapping[int, Any]]:
    for entry in records(content(path), _ENTRIES):
        if entry[0] != _DELETED and not entry[2].get(134):
            yield entry[2]


def _may_hold(fields: Sequence[_Field], summaries: Sequence[Any] | None, days: Sequence[dt.date]) -> bool:
    """Say whether a manifest may have files of some days, by what its list says of all of them."""
    if summaries is None:
        return True
    return all(
        _overlaps(field.between(summaries[field.place].get(510), summaries[field.place].get(511)), days)
        for field in fields
        if field.place < len(summaries)
    )


def _overlaps(known: Span | None, days: Sequence[dt.date]) -> bool:
    if known is None:
        return True
    place = bisect.bisect_left(days, known.start.date())
    return place < len(days) and days[place] <= (known.end - _MOMENT).date()


def _value(partition: Mapping[int, Any], place: int) -> Any:
    return list(partition.values())[place] if place < len(partition) else None


def _fields(metadata: Mapping[str, Any], columns: Collection[str]) -> dict[int, tuple[_Field, ...]]:
    """Return the partition's fields that tell days of some columns, by the spec's id."""
    types = {it["id"]: (it["name"], it["type"]) for it in _columns(metadata)}
    found: dict[int, tuple[_Field, ...]] = {}
    for spec in metadata.get("partition-specs", ()):
        placed = [(place, it["transform"], types.get(it["source-id"])) for place, it in enumerate(spec["fields"])]
        found[spec["spec-id"]] = tuple(
            _Field(place, transform, column[1])
            for place, transform, column in placed
            if column is not None and column[0] in columns and isinstance(column[1], str)
        )
    return found


def _columns(metadata: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the fields of the current schema, those of structs included."""
    current = metadata.get("current-schema-id")
    schema = next((it for it in metadata.get("schemas", ()) if it["schema-id"] == current), metadata.get("schema"))
    below = [schema] if schema else []
    while below:
        for field in below.pop().get("fields", ()):
            yield field
            if isinstance(field["type"], dict) and field["type"].get("type") == "struct":
                below.append(field["type"])
