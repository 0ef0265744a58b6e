"""The moments of all schedules of a workflow, each with its delay.

A moment is what a schedule says; with `jitter` it comes due later, by a delay that is always the same for a workflow.
Several schedules may name one moment: it is one moment, which comes due when the first of them has it so.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import zoneinfo
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.deploy.backends.moments import latest_moment, next_moment
from dataflow.deploy.bundle.manifest import Schedule, ScheduledTrigger

if TYPE_CHECKING:
    from dataflow.workflow.resolved import Workflow


def schedule_of(workflow: Workflow) -> Schedule | None:
    """Return what makes a workflow due; None where nothing does."""
    found = [
        ScheduledTrigger(
            cron=cron,
            timezone=trigger.timezone,
            tables=() if number else tuple(trigger.tables),
            jitter=trigger.jitter or 0,
        )
        for trigger in workflow.triggers
        for number, cron in enumerate(trigger.crons or (None,))
    ]
    if not found:
        return None
    first, *others = found
    expected = workflow.notifications.expected_by
    return Schedule(**dict(first), expected_by=expected, strategy=workflow.strategy, others=tuple(others))


def delay(workflow: str, trigger: ScheduledTrigger) -> dt.timedelta:
    """Return how much later than its moments a schedule makes a workflow due: always the same, as its id has it."""
    drawn = int.from_bytes(hashlib.sha256(workflow.encode()).digest()[:8], "big")
    return dt.timedelta(seconds=drawn % (int(trigger.jitter) + 1))


def latest(workflow: str, schedule: Schedule, at: dt.datetime) -> dt.datetime:
    """Return the last moment that has come due, where its schedule's clock is.

    Raises:
        DataflowError: There is none: no month has such a day.
    """
    return max((latest_moment(it, at - delay(workflow, it)) for it in schedule.crons), key=_utc)


def following(workflow: str, trigger: ScheduledTrigger, after: dt.datetime) -> dt.datetime:
    """Return when a schedule makes a workflow due next; raises as `latest` does."""
    late = delay(workflow, trigger)
    moment = next_moment(trigger, after - late)
    return (_utc(moment) + late).astimezone(moment.tzinfo)


def missed(workflow: str, schedule: Schedule, since: dt.datetime, at: dt.datetime) -> Iterator[dt.datetime]:
    """Yield the moments after one that have come due, in UTC, in their order, each once; raises as `latest` does.

    Args:
        workflow: The workflow's id.
        schedule: What makes it due.
        since: The moment that was the last; those up to the longest jitter before it may have come due later than it.
        at: This moment.
    """
    delays = {it: delay(workflow, it) for it in schedule.crons}
    start = _utc(since) - (max(delays.values()) - min(delays.values()))
    coming = {it: next_moment(it, start) for it in delays}
    while ready := [it for it, moment in coming.items() if _utc(moment) + delays[it] <= _utc(at)]:
        first = min(ready, key=lambda it: _utc(coming[it]))
        moment = _utc(coming[first])
        yield moment
        for it in delays:
            if _utc(coming[it]) <= moment:
                coming[it] = next_moment(it, moment)


def belongs(trigger: ScheduledTrigger, moment: dt.datetime) -> bool:
    """Say whether a schedule names a moment."""
    return _utc(latest_moment(trigger, moment)) == _utc(moment)


def on_clock(schedule: Schedule, moment: dt.datetime) -> dt.datetime:
    """Return a moment where the clock is of the first schedule that names it."""
    zones = (it.timezone for it in schedule.crons if belongs(it, moment))
    return moment.astimezone(zoneinfo.ZoneInfo(next(zones, schedule.timezone)))


def _utc(moment: dt.datetime) -> dt.datetime:
    """Return a moment in UTC, to be compared: Python compares two times of one zone by what clocks show."""
    return moment.astimezone(dt.UTC)
