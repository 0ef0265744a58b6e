"""The time that a partition's value stands for, as tables have it: a day, an hour or a month."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from dataflow.workflow.periods import DAY, HOUR, Cadence, after

_DAYS = ("%Y-%m-%d", "%Y%m%d")
_HOURS = tuple(f"%Y-%m-%d{between}%H{rest}" for between in "T -" for rest in ("", ":%M", ":%M:%S"))


@dataclass(frozen=True)
class Span:
    """A span of time.

    Attributes:
        start: Its first moment.
        end: The first moment after it.
    """

    start: dt.datetime
    end: dt.datetime

    def overlaps(self, other: Span) -> bool:
        """Say whether a moment lies in both."""
        return self.start < other.end and other.start < self.end

    def covers(self, other: Span) -> bool:
        """Say whether all of another span lies within."""
        return self.start <= other.start and other.end <= self.end


def span_of(text: str) -> Span | None:
    """Return the time that a value stands for, or None where that is unknown: a number may be anything.

    Args:
        text: Such as `2026-01-31`, `20260131`, `2026-01-31T05:00`, `2026013105` or `2026-01`.
    """
    if start := _read(text, _DAYS):
        return Span(start, after(start, DAY))
    if start := _read(text, (*_HOURS, "%Y%m%d%H")):
        return hour_of(start)
    if start := _read(text, ("%Y-%m",)):
        return Span(start, Cadence.MONTHLY.at(start).end)
    return None


def day_of(day: dt.date) -> Span:
    """Return the span of a day."""
    start = dt.datetime.combine(day, dt.time())
    return Span(start, after(start, DAY))


def hour_of(moment: dt.datetime) -> Span:
    """Return the hour that a moment lies in."""
    start = moment.replace(minute=0, second=0, microsecond=0)
    return Span(start, after(start, HOUR))


def is_covered(whole: Span, by: Iterable[Span]) -> bool:
    """Say whether several spans together leave no gap in another."""
    at = whole.start
    for span in sorted(by, key=lambda it: it.start):
        if span.start <= at < span.end:
            at = span.end
    return at >= whole.end


def _read(text: str, forms: tuple[str, ...]) -> dt.datetime | None:
    for form in forms:
        try:
            found = dt.datetime.strptime(text, form)
        except ValueError:
            continue
        if found.strftime(form) == text:  # strptime takes fewer digits as well
            return found
    return None
