"""Periods: the hours, days, weeks and months that workflows run for, all counted in one way.

A period is written as its beginning, which is what `EXECUTION_DATE` and `${dataflow.each}` are: `2026-01-29T05:00` of
an hour, the date of the first day of the others. Its label is what people read and what marks keep: `2026-W05`,
`2026-01`.

Hours are those of UTC, so that none is lost and none comes twice where clocks change. Weeks are ISO's, from Monday on.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dataflow.errors import UsageError
from dataflow.workflow.values import FIRST_DAY, LAST_DAY

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
_MOMENT = dt.timedelta(microseconds=1)
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_MONTH = re.compile(r"\d{4}-\d{2}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_HOUR = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}(:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}(:?\d{2})?)?")


class Cadence(StrEnum):
    """How often a workflow runs, and so which periods it runs for."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"

    @property
    def unit(self) -> str:
        """What one period of it is called: an hour, a day, a week, a month."""
        return {"daily": "day"}.get(self, self.removesuffix("ly"))

    @property
    def built_in(self) -> str:
        """The built-in that is the last whole period: `yesterday`, `last_week`."""
        return "yesterday" if self is Cadence.DAILY else f"last_{self.unit}"

    @property
    def form(self) -> str:
        """How a period of it is written."""
        return {"hour": "YYYY-MM-DDTHH", "day": "YYYY-MM-DD", "week": "YYYY-Www", "month": "YYYY-MM"}[self.unit]

    @property
    def example(self) -> str:
        """A period of it, as people write it."""
        return {"hour": "2026-01-31T05", "day": "2026-01-31", "week": "2026-W05", "month": "2026-01"}[self.unit]

    @property
    def written_as(self) -> str:
        """How a period of it is written, for a hint."""
        more = ", or as a date in it" if self is Cadence.WEEKLY else ""
        return f"write it as {self.form}, for example {self.example}{more}"

    @property
    def named(self) -> str:
        """What a value of it is, for a message: a date, an hour."""
        return {"day": "a date", "hour": "an hour"}.get(self.unit, f"a {self.unit}")

    def at(self, moment: dt.date) -> Period:
        """Return the period that a moment, or the beginning of a day, lies in."""
        if not isinstance(moment, dt.datetime):
            moment = dt.datetime.combine(moment, dt.time())
        hour = moment.replace(minute=0, second=0, microsecond=0)
        day = hour.replace(hour=0)
        match self:
            case Cadence.HOURLY:
                return Period(hour, self)
            case Cadence.DAILY:
                return Period(day, self)
            case Cadence.WEEKLY:
                return Period(day - day.weekday() * DAY, self)
            case _:
                return Period(day.replace(day=1), self)

    def last_before(self, moment: dt.date) -> Period:
        """Return the last period that is over at a moment."""
        return self.at(moment).previous

    def parse(self, text: str) -> Period:
        """Read a period: an hour as 2026-01-31T05, a day as 2026-01-31, a week as 2026-W05, a month as 2026-01.

        A week may be named by any of its days, a month by its first.

        Raises:
            ValueError: It is none of these; the message says what it is not.
        """
        found = self.read(text)
        if found is None:
            raise ValueError(f"'{text}' is not {self.named}")
        if not found.is_usable:
            raise ValueError(f"{text} is out of range: {self.unit}s go from {FIRST_DAY} to {LAST_DAY}")
        return found

    def require(self, text: str) -> Period:
        """Read a period that an option of a command names, as `parse` does.

        Raises:
            UsageError: It is of another cadence, or none.
        """
        found = self.read(text)
        if found is None:
            raise UsageError(f"'{text}' is not {self.named}", self.written_as)
        if not found.is_usable:
            raise UsageError(f"{text} is out of range", f"{self.unit}s go from {FIRST_DAY} to {LAST_DAY}")
        return found

    def read(self, text: str) -> Period | None:
        """Read a period as `parse` does; None where it is none."""
        try:
            if self is Cadence.HOURLY:
                return _hour(text)
            if self is Cadence.WEEKLY and (week := _WEEK.fullmatch(text)):
                return self.at(dt.date.fromisocalendar(int(week[1]), int(week[2]), 1))
            if self is Cadence.MONTHLY and _MONTH.fullmatch(text):
                return self.at(dt.date.fromisoformat(f"{text}-01"))
            if not _DATE.fullmatch(text):
                return None
            day = dt.date.fromisoformat(text)
        except (ValueError, OverflowError):
            return None
        return None if self is Cadence.MONTHLY and day.day > 1 else self.at(day)

    def range(self, first: Period, last: Period) -> list[Period]:
        """Return the periods from the one that holds the beginning of a first to that of the end of a last."""
        return self.at(first.start).upto(self.at(last.end - _MOMENT))

    def is_multiple_of(self, other: Cadence) -> bool:
        """Say whether each period of it is made of whole periods of another."""
        return self is other or other is Cadence.HOURLY or (other is Cadence.DAILY and self is not Cadence.HOURLY)


def _hour(text: str) -> Period | None:
    if not _HOUR.fullmatch(text):
        return None
    moment = dt.datetime.fromisoformat(text)
    moment = moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    found = Cadence.HOURLY.at(moment)
    return found if found.start == moment else None


@dataclass(frozen=True, order=True)
class Period:
    """An hour, a day, a week or a month.

    Attributes:
        start: Its first moment; of an hour in UTC.
        cadence: Which of them it is.
    """

    start: dt.datetime
    cadence: Cadence = Cadence.DAILY

    def __str__(self) -> str:
        """Return its beginning, as parameters have it: a date, or of an hour a date and a time."""
        return self.start.isoformat(timespec="minutes") if self.cadence is Cadence.HOURLY else str(self.start.date())

    @property
    def end(self) -> dt.datetime:
        """The first moment after it."""
        match self.cadence:
            case Cadence.HOURLY:
                return after(self.start, HOUR)
            case Cadence.DAILY:
                return after(self.start, DAY)
            case Cadence.WEEKLY:
                return after(self.start, 7 * DAY)
            case _:
                following = after(self.start, 31 * DAY)
                return following if following == dt.datetime.max else following.replace(day=1)

    @property
    def is_usable(self) -> bool:
        """Whether a run may be for it: calendars go on far enough for what stands before and after it."""
        return FIRST_DAY <= self.start.date() <= LAST_DAY

    @property
    def label(self) -> str:
        """What people call it, and what tells it from periods of other cadences: `2026-W05`."""
        match self.cadence:
            case Cadence.WEEKLY:
                year, week, _ = self.start.isocalendar()
                return f"{year:04}-W{week:02}"
            case Cadence.MONTHLY:
                return str(self)[:7]
            case _:
                return str(self)

    @property
    def date(self) -> dt.date:
        """The day that it begins on."""
        return self.start.date()

    @property
    def next(self) -> Period:
        """The one after it."""
        return Period(self.end, self.cadence)

    @property
    def previous(self) -> Period:
        """The one before it."""
        return self.cadence.at(self.start - HOUR)

    def back(self, count: int) -> list[Period]:
        """Return so many periods that end with this one, the oldest first."""
        found = [self]
        while len(found) < count:
            found.append(found[-1].previous)
        return found[::-1]

    def upto(self, last: Period) -> list[Period]:
        """Return the periods from this one to another of its cadence, both included; none where that lies before."""
        found = [self] if self <= last else []
        while found and found[-1] < last:
            found.append(found[-1].next)
        return found

    def count_to(self, last: Period) -> int:
        """Return how many periods there are up to a later one of its cadence, both included."""
        if self.cadence is Cadence.MONTHLY:
            return (last.start.year - self.start.year) * 12 + last.start.month - self.start.month + 1
        return (last.start - self.start) // (self.end - self.start) + 1

    def split(self, cadence: Cadence) -> list[Period]:
        """Return the periods of a finer cadence that it is made of; itself where that is its own."""
        return [self] if cadence is self.cadence else cadence.range(self, self)


def period_of(label: str) -> Period | None:
    """Return the period that a label is of, whatever its cadence: a date is a day; None where it is of none."""
    for cadence, form in _LABELS.items():
        if form.fullmatch(label):
            try:
                return cadence.parse(label)
            except ValueError:
                return None
    return None


_LABELS = {Cadence.HOURLY: _HOUR, Cadence.DAILY: _DATE, Cadence.WEEKLY: _WEEK, Cadence.MONTHLY: _MONTH}


def after(moment: dt.datetime, span: dt.timedelta) -> dt.datetime:
    """Return a moment so much later; the last one where the calendar ends before."""
    return moment + span if moment < dt.datetime.max - span else dt.datetime.max


def finest(cadences: Iterable[Cadence]) -> Cadence:
    """Return the coarsest cadence that periods of several cadences are made of: of weeks and months days."""
    found = set(cadences)
    order = (Cadence.MONTHLY, Cadence.WEEKLY, Cadence.DAILY, Cadence.HOURLY)
    return next(it for it in order if all(each.is_multiple_of(it) for each in found))


def runs_of(periods: Sequence[Period]) -> list[list[Period]]:
    """Return the periods in groups without a gap, in the order given."""
    found: list[list[Period]] = []
    for period in periods:
        if found and found[-1][-1].next == period:
            found[-1].append(period)
        else:
            found.append([period])
    return found


def clock_at(local: dt.datetime, utc: dt.datetime) -> dict[str, str]:
    """Return the built-ins that tell the time: the current day, and the last whole period of each cadence.

    Args:
        local: The moment on the clock that days, weeks and months go by.
        utc: The same in UTC, by which hours go.
    """
    now = {cadence: utc if cadence is Cadence.HOURLY else local for cadence in Cadence}
    last = {cadence.built_in: str(cadence.last_before(moment)) for cadence, moment in now.items()}
    return {"today": str(Cadence.DAILY.at(local)), **last}


CLOCK = frozenset({"today", *(cadence.built_in for cadence in Cadence)})
"""The built-ins that tell the time."""
