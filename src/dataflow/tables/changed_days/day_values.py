"""Which periods values stand for: of columns, of partitions, and of the bounds that manifests keep."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.tables.time_spans import Span, day_of, hour_of, span_of
from dataflow.workflow.periods import DAY, HOUR, Cadence, Period, after

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.types import IcebergType

    from dataflow.tables.reader.manifests import FileEntry

_EPOCH = dt.datetime(1970, 1, 1)
_DAY_SECONDS = 86_400
_MOMENT = dt.timedelta(microseconds=1)
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T -](\d{2})?.*)?", re.DOTALL)
_MONTH = re.compile(r"\d{4}-\d{2}")
_COMPACT = re.compile(r"\d{8}(?:\d{2})?")
_PER_SECOND = {"timestamp": 10**6, "timestamptz": 10**6, "timestamp_ns": 10**9, "timestamptz_ns": 10**9}
TEMPORAL = frozenset({"date", *_PER_SECOND})
"""The types whose values are moments."""


Zone = dt.tzinfo
UTC: Zone = dt.UTC
"""Where days are cut, if nobody says otherwise."""


def zone_of(name: str) -> Zone:
    """Return a time zone by its name."""
    return UTC if name == "UTC" else zoneinfo.ZoneInfo(name)


@dataclass(frozen=True)
class PeriodRange:
    """Periods from a first to a last one, both included; none where the last lies before the first."""

    first: Period
    last: Period

    @property
    def is_one(self) -> bool:
        """Whether it is a single period."""
        return self.first == self.last

    def periods(self) -> list[Period]:
        """Return the periods."""
        return self.first.upto(self.last)

    def within(self, other: PeriodRange | None) -> PeriodRange:
        """Return the periods that are in another range as well."""
        return self if other is None else PeriodRange(max(self.first, other.first), min(self.last, other.last))

    def with_(self, other: PeriodRange | None) -> PeriodRange:
        """Return the range that holds both."""
        return self if other is None else PeriodRange(min(self.first, other.first), max(self.last, other.last))


@dataclass(frozen=True)
class Grain:
    """In which periods changes are told, and how long those of the source are.

    Attributes:
        cadence: The periods that are asked for.
        source: The cadence of the source, where it is weekly or monthly: a value is the beginning of such a period.
        zone: Where the days, weeks and months of instants are cut; hours are those of UTC.
    """

    cadence: Cadence = Cadence.DAILY
    source: Cadence | None = None
    zone: Zone = UTC

    @property
    def none(self) -> PeriodRange:
        """What rows of no time have."""
        return PeriodRange(Period(dt.datetime.max, self.cadence), Period(dt.datetime.min, self.cadence))

    def of(self, first: Span, last: Span | None = None, *, instant: bool = False) -> PeriodRange | None:
        """Return the periods from the beginning of one span to the end of another.

        Args:
            first: The one span; of instants in UTC.
            last: The other; the same when omitted.
            instant: Whether they are spans of instants.

        Returns:
            None where the calendar ends before.
        """
        start, end = first.start, (last or first).end
        if instant and self.zone is not UTC and self.cadence is not Cadence.HOURLY:
            try:
                start, end = self._local(start), self._local(end - _MOMENT) + _MOMENT
            except (ValueError, OverflowError):
                return None
        if self.source is not None:
            start, end = self.source.at(start).start, self.source.at(end - _MOMENT).end
        return PeriodRange(self.cadence.at(start), self.cadence.at(end - _MOMENT))

    def _local(self, moment: dt.datetime) -> dt.datetime:
        """Return what clocks of the zone say at a moment of UTC."""
        return moment.replace(tzinfo=dt.UTC).astimezone(self.zone).replace(tzinfo=None)


DAYS = Grain()


@dataclass(frozen=True)
class DayColumn:
    """The column that says which day, or other period, a row belongs to.

    Attributes:
        id: Its field's id.
        name: Its name now, of a struct's field `column.field`.
        type: Its type now.
        default: The value of rows in files that are older than the column.
        grain: In which periods its values are told.
    """

    id: int
    name: str
    type: IcebergType
    default: Any = None
    grain: Grain = DAYS

    @property
    def unit(self) -> str:
        """What is told: days, or another period."""
        return self.grain.cadence.unit

    @property
    def is_instant(self) -> bool:
        """Whether its values are instants, whose day depends on where one is."""
        return str(self.type).startswith("timestamptz")

    def range_of(self, value: Any) -> PeriodRange | None:
        """Return the periods that a value stands for, as Avro has it; None where nobody can tell."""
        return periods_of(self.grain, str(self.type), value)

    def bounds(self, entry: FileEntry) -> PeriodRange | None:
        """Return the periods between a file's least and greatest value; None where its metrics don't say."""
        nulls, values = entry.nulls.get(self.id), entry.values.get(self.id, entry.rows)
        if nulls is not None and nulls == values:
            return self.grain.none
        low, high = (bounds.get(self.id) for bounds in (entry.lower, entry.upper))
        if low is None or high is None:
            return None
        ends = [decoded_bound(str(self.type), it) for it in (low, high)]
        first, last = (span_of_value(str(self.type), it) for it in ends)
        if first is None or last is None or last.end <= first.start or not _are_alike(*ends):
            return None
        return self.grain.of(first, last, instant=self.is_instant)

    def partition(self, spec: PartitionSpec, values: Sequence[Any]) -> PeriodRange | None:
        """Return the periods that a partition holds; None where it does not tell."""
        found: PeriodRange | None = None
        for field, value in zip(spec.fields, values, strict=False):
            if field.source_id != self.id:
                continue
            if value is None:
                here = None if str(field.transform) == "void" else self.grain.none
            else:
                span = span_of_partition(str(field.transform), str(self.type), value)
                here = None if span is None else self.grain.of(span, instant=self.is_instant)
            found = found if here is None else here.within(found)
        return found


def periods_of(grain: Grain, kind: str, value: Any) -> PeriodRange | None:
    """Return the periods that a value of a type stands for; None where nobody can tell."""
    if value is None:
        return grain.none
    span = span_of_value(kind, value)
    return None if span is None else grain.of(span, instant=kind.startswith("timestamptz"))


def span_of_value(kind: str, value: Any) -> Span | None:
    """Return the time that a value of a type stands for: of a moment the second; None where nobody can tell."""
    try:
        if kind == "date":
            return day_of(_EPOCH + value * DAY)
        if (per_second := _PER_SECOND.get(kind)) is not None:
            second = _EPOCH + dt.timedelta(seconds=value // per_second)
            return Span(second, after(second, dt.timedelta(seconds=1)))
        if kind == "string":
            return _of_text(value)
        if kind in {"int", "long"}:
            return span_of(str(value)) if _COMPACT.fullmatch(str(value)) else None
    except (ValueError, OverflowError):
        pass
    return None


def span_of_partition(transform: str, kind: str, value: Any) -> Span | None:
    """Return the time that a partition's value stands for; None of buckets and what is truncated.

    Args:
        transform: How the value came of the column, as Iceberg writes it.
        kind: The column's type.
        value: The value, as Avro has it; not NULL.
    """
    try:
        match transform:
            case "identity":
                found = span_of_value(kind, value)
            case "day":
                found = day_of(_EPOCH + value * DAY)
            case "hour":
                found = hour_of(_EPOCH + value * HOUR)
            case "month":
                found = _of_text(f"{1970 + value // 12:04}-{1 + value % 12:02}")
            case "year":
                found = Span(dt.datetime(1970 + value, 1, 1), Cadence.MONTHLY.at(dt.date(1970 + value, 12, 1)).end)
            case _:
                found = None
    except (ValueError, OverflowError):
        return None
    return found


def _of_text(text: str) -> Span | None:
    """Read a text that begins as a moment does; what stands behind its day or its hour says no more."""
    if found := _ISO.fullmatch(text):
        return (span_of(f"{found[1]}T{found[2]}") if found[2] else None) or span_of(found[1])
    return span_of(text) if _MONTH.fullmatch(text) or _COMPACT.fullmatch(text) else None


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
