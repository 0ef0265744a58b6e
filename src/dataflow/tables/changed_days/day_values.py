"""Which days values stand for: of columns, of partitions, and of the bounds that manifests keep."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.types import IcebergType

    from dataflow.tables.changed_days.manifests import FileEntry

_EPOCH = dt.date(1970, 1, 1)
_MIDNIGHT = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY = dt.timedelta(days=1)
_DAY_SECONDS = 86_400
_ISO = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2})(?:[T ].*)?)?", re.DOTALL)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\d{2})?")
_PER_SECOND = {"timestamp": 10**6, "timestamptz": 10**6, "timestamp_ns": 10**9, "timestamptz_ns": 10**9}
TEMPORAL = frozenset({"date", *_PER_SECOND})
"""The types whose values are moments."""


@dataclass(frozen=True)
class DayRange:
    """Days from a first to a last one, both included; none where the last lies before the first."""

    first: dt.date
    last: dt.date

    @property
    def is_one(self) -> bool:
        """Whether it is a single day."""
        return self.first == self.last

    def days(self) -> list[dt.date]:
        """Return the days."""
        return [self.first + dt.timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def within(self, other: DayRange | None) -> DayRange:
        """Return the days that are in another range as well."""
        return self if other is None else DayRange(max(self.first, other.first), min(self.last, other.last))

    def with_(self, other: DayRange | None) -> DayRange:
        """Return the range that holds both."""
        return self if other is None else DayRange(min(self.first, other.first), max(self.last, other.last))


NO_DAYS = DayRange(dt.date.max, dt.date.min)
"""What rows without a day have."""


Zone = dt.tzinfo
UTC: Zone = dt.UTC
"""Where days are cut, if nobody says otherwise."""


def zone_of(name: str) -> Zone:
    """Return a time zone by its name."""
    return UTC if name == "UTC" else zoneinfo.ZoneInfo(name)


def day_of_instant(seconds: int, zone: Zone) -> dt.date:
    """Return the day of an instant, in seconds since 1970, where clocks are."""
    return (_MIDNIGHT + dt.timedelta(seconds=seconds)).astimezone(zone).date()


@dataclass(frozen=True)
class DayColumn:
    """The column that says which day a row belongs to.

    Attributes:
        id: Its field's id.
        name: Its name now, of a struct's field `column.field`.
        type: Its type now.
        default: The value of rows in files that are older than the column.
        zone: Where the days of instants are cut.
    """

    id: int
    name: str
    type: IcebergType
    default: Any = None
    zone: Zone = UTC

    @property
    def is_instant(self) -> bool:
        """Whether its values are instants, whose day depends on where one is."""
        return str(self.type).startswith("timestamptz")

    def days_of(self, value: Any) -> DayRange | None:
        """Return the days that a value stands for, as Avro has it; None where nobody can tell."""
        if self.is_instant and value is not None:
            return self._days_between(value, value)
        return days_of(str(self.type), value)

    def _days_between(self, first: int, last: int) -> DayRange | None:
        """Return the days from one instant to another, as they are counted in the column."""
        per_second = _PER_SECOND[str(self.type)]
        ends = (it // per_second for it in (first, last))
        try:
            return DayRange(*(day_of_instant(it, self.zone) for it in ends))
        except (ValueError, OverflowError):
            return None

    def _of_transform(self, transform: str, value: Any) -> DayRange | None:
        found = days_of_partition(transform, str(self.type), value)
        if not self.is_instant or self.zone is UTC or value is None or found is None or found is NO_DAYS:
            return found
        if transform == "identity":
            return self.days_of(value)
        per_second = _PER_SECOND[str(self.type)]
        if transform == "hour":
            return self._days_between(value * 3600 * per_second, (value + 1) * 3600 * per_second - 1)
        ends = [(it - _EPOCH).days * _DAY_SECONDS * per_second for it in (found.first, found.last + _DAY)]
        return self._days_between(ends[0], ends[1] - 1)

    def bounds(self, entry: FileEntry) -> DayRange | None:
        """Return the days between a file's least and greatest value; None where its metrics don't say."""
        nulls, values = entry.nulls.get(self.id), entry.values.get(self.id, entry.rows)
        if nulls is not None and nulls == values:
            return NO_DAYS
        low, high = (bounds.get(self.id) for bounds in (entry.lower, entry.upper))
        if low is None or high is None:
            return None
        ends = [decoded_bound(str(self.type), it) for it in (low, high)]
        first, last = map(self.days_of, ends)
        if first is None or last is None or last.last < first.first or not _are_alike(*ends):
            return None
        return DayRange(first.first, last.last)

    def partition(self, spec: PartitionSpec, values: Sequence[Any]) -> DayRange | None:
        """Return the days that a partition holds; None where it does not tell."""
        found: DayRange | None = None
        for field, value in zip(spec.fields, values, strict=False):
            if field.source_id != self.id:
                continue
            here = self._of_transform(str(field.transform), value)
            found = found if here is None else here.within(found)
        return found


def days_of(kind: str, value: Any) -> DayRange | None:
    """Return the days that a value of a type stands for; None where nobody can tell."""
    if value is None:
        return NO_DAYS
    try:
        if kind == "date":
            return _one(_EPOCH + dt.timedelta(days=value))
        if (per_second := _PER_SECOND.get(kind)) is not None:
            return _one(_EPOCH + dt.timedelta(days=value // (per_second * _DAY_SECONDS)))
        if kind == "string":
            return _of_text(value)
        if kind in {"int", "long"} and (found := _COMPACT.fullmatch(str(value))):
            return _one(dt.date(int(found[1]), int(found[2]), int(found[3])))
    except (ValueError, OverflowError):
        pass
    return None


def days_of_partition(transform: str, kind: str, value: Any) -> DayRange | None:
    """Return the days that a partition's value stands for, in UTC; None where nobody can tell.

    Args:
        transform: How the value came of the column, as Iceberg writes it.
        kind: The column's type.
        value: The value, as Avro has it.
    """
    if value is None:
        return None if transform == "void" else NO_DAYS
    try:
        match transform:
            case "identity":
                found = days_of(kind, value)
            case "day":
                found = _one(_EPOCH + dt.timedelta(days=value))
            case "hour":
                found = _one(_EPOCH + dt.timedelta(days=value // 24))
            case "month":
                found = _month(1970 + value // 12, 1 + value % 12)
            case "year":
                found = DayRange(dt.date(1970 + value, 1, 1), dt.date(1970 + value, 12, 31))
            case _:  # bucket and truncate
                found = None
    except (ValueError, OverflowError):
        return None
    return found


def _of_text(text: str) -> DayRange | None:
    if found := _ISO.fullmatch(text):
        year, month = int(found[1]), int(found[2])
        return _one(dt.date(year, month, int(found[3]))) if found[3] else _month(year, month)
    if found := _COMPACT.fullmatch(text):
        return _one(dt.date(int(found[1]), int(found[2]), int(found[3])))
    return None


def _one(day: dt.date) -> DayRange:
    return DayRange(day, day)


def _month(year: int, month: int) -> DayRange:
    following = dt.date(year + month // 12, month % 12 + 1, 1)
    return DayRange(dt.date(year, month, 1), following - dt.timedelta(days=1))


def _are_alike(low: Any, high: Any) -> bool:
    """Say whether texts between two are in the order of their days: 2026-01-31 and 20260131 are not."""
    return not isinstance(low, str) or (low[4:5] == "-") == (high[4:5] == "-")


def decoded_bound(kind: str, bound: bytes) -> Any:
    """Return a bound as its value; numbers are as long as the column was when the file was written."""
    if kind == "string":
        return bound.decode(errors="replace")
    number = int.from_bytes(bound, "little", signed=True)
    if kind in _PER_SECOND and len(bound) == 4:  # the column was a date then
        return number * _DAY_SECONDS * _PER_SECOND[kind]
    return number
