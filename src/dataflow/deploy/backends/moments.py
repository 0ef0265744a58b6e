"""The moments of a schedule, on days when clocks are changed as well.

As cron has it: a schedule for certain hours runs once on each of its days, at the end of the gap when its time is
skipped, the first time when its time comes twice; one with a `*` for the minute or the hour runs by what clocks show,
so in a repeated hour again, and never in a skipped one.
"""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from dataflow.deploy.bundle.manifest import ScheduledTrigger

_HOUR = dt.timedelta(hours=1)
_SECOND = dt.timedelta(seconds=1)
_NEAR = 26  # hours around a change of clocks in which their order is not that of time
_KEPT = 1024  # answers: a thousand workflows have a handful of schedules, asked for one moment


def latest_moment(schedule: ScheduledTrigger, at: dt.datetime) -> dt.datetime:
    """Return the last moment of a schedule that is not after another, in the schedule's time zone.

    Raises:
        DataflowError: There is none: no month has such a day.
    """
    return _latest(schedule.cron or "", schedule.timezone, at.astimezone(dt.UTC))


def next_moment(schedule: ScheduledTrigger, after: dt.datetime) -> dt.datetime:
    """Return the first moment of a schedule that is after another; raises as `latest_moment` does."""
    return _next(schedule.cron or "", schedule.timezone, after.astimezone(dt.UTC))


@functools.lru_cache(_KEPT)
def _latest(cron: str, timezone: str, at: dt.datetime) -> dt.datetime:
    zone = zoneinfo.ZoneInfo(timezone)
    set_back = max(_offset(at - hours * _HOUR, zone) for hours in range(_NEAR)) - _offset(at, zone)
    best: dt.datetime | None = None
    for shown in _shown(cron, _clock(at, zone) + set_back + _SECOND, forward=False):
        if best is not None and shown < _clock(best, zone) - set_back:
            break
        come = [it for it in _instants(cron, shown, zone) if it <= at]
        best = max([*come, *([best] if best else [])], default=None)
        if best is not None and not set_back:
            break
    return _found(cron, best, zone)


@functools.lru_cache(_KEPT)
def _next(cron: str, timezone: str, after: dt.datetime) -> dt.datetime:
    zone = zoneinfo.ZoneInfo(timezone)
    set_back = _offset(after, zone) - min(_offset(after + hours * _HOUR, zone) for hours in range(_NEAR))
    best: dt.datetime | None = None
    for shown in _shown(cron, _clock(after, zone) - set_back - _SECOND, forward=True):
        if best is not None and shown > _clock(best, zone) + set_back:
            break
        come = [it for it in _instants(cron, shown, zone) if it > after]
        best = min([*come, *([best] if best else [])], default=None)
        if best is not None and not set_back:
            break
    return _found(cron, best, zone)


def _found(cron: str, moment: dt.datetime | None, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    if moment is None:
        raise DataflowError(f"the schedule '{cron}' never comes: no month has such a day", permanent=True)
    return moment.astimezone(zone)


def _shown(cron: str, start: dt.datetime, *, forward: bool) -> Iterator[dt.datetime]:
    """Yield what clocks show at the moments of a schedule, one after the other, as if they were never changed."""
    from croniter import CroniterError, croniter

    try:
        walk = croniter(cron, start)
        while True:
            yield walk.get_next(dt.datetime) if forward else walk.get_prev(dt.datetime)
    except (CroniterError, OverflowError, ValueError):
        return


def _instants(cron: str, shown: dt.datetime, zone: zoneinfo.ZoneInfo) -> list[dt.datetime]:
    """Return when clocks show a time at which the schedule runs: once, twice where they are set back, or never.

    In UTC, as all that is compared here: Python compares two times of one zone by what clocks show.
    """
    first, second = (shown.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    minute, hour = cron.split()[:2]
    follows_clocks = "*" in minute or "*" in hour
    if _clock(first, zone) != shown:  # they are set forward over it
        return [] if follows_clocks else [_end_of_gap(second, first, zone)]
    return [first, second] if follows_clocks and first != second else [first]


def _end_of_gap(before: dt.datetime, after: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """Return the first second with another offset than the earlier of two moments has."""
    low, high = before, after
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        low, high = (middle, high) if _offset(middle, zone) == _offset(before, zone) else (low, middle)
    return high.replace(microsecond=0)


def _offset(moment: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.timedelta:
    """Return how far clocks are from UTC."""
    return moment.astimezone(zone).utcoffset() or dt.timedelta()


def _clock(moment: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """Return what clocks show."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)
