"""When a schedule's moments are, above all where clocks are changed."""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo

import pytest

from dataflow.deploy.backends import moments
from dataflow.deploy.bundle.manifest import Schedule
from dataflow.errors import DataflowError
from dataflow.workflow.checks import cron_mistake


def latest_moment(schedule, at):
    return moments.latest_moment(schedule, at).astimezone(dt.UTC)


def next_moment(schedule, after):
    return moments.next_moment(schedule, after).astimezone(dt.UTC)


MINUTE = dt.timedelta(minutes=1)


def at(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


def seen(cron, zone, first, last):
    """Return the moments that somebody sees who asks each minute, each with when it is seen first."""
    found, now = {}, first
    while now <= last:
        found.setdefault(latest_moment(Schedule(cron=cron, timezone=zone), now), now)
        now += MINUTE
    return {moment: when for moment, when in found.items() if moment >= first}


def shown(cron, zone, first, last):
    """Return the minutes at which clocks show what a schedule says."""
    minutes, hours = cron.split()[:2]

    def fits(field, value):
        return field == "*" or (value % int(field[2:]) == 0 if field.startswith("*/") else value == int(field))

    here = zoneinfo.ZoneInfo(zone)
    every = (first + n * MINUTE for n in range(int((last - first) / MINUTE) + 1))
    return {it for it in every if fits(minutes, it.astimezone(here).minute) and fits(hours, it.astimezone(here).hour)}


@pytest.mark.parametrize(
    ("cron", "zone", "first", "last"),
    [
        ("0 * * * *", "Europe/Berlin", at(2026, 10, 24, 21), at(2026, 10, 25, 6)),
        ("*/15 * * * *", "America/New_York", at(2026, 11, 1, 2), at(2026, 11, 1, 10)),
        ("*/20 * * * *", "Australia/Lord_Howe", at(2026, 4, 4, 12), at(2026, 4, 4, 18)),
        ("*/15 2 * * *", "Europe/Berlin", at(2026, 3, 28, 20), at(2026, 3, 30, 3)),
        ("0 * * * *", "America/New_York", at(2026, 3, 8, 2), at(2026, 3, 8, 12)),
        ("30 */2 * * *", "Asia/Kolkata", at(2026, 3, 8, 2), at(2026, 3, 8, 12)),
        ("0 * * * *", "America/Santiago", at(2026, 4, 4, 12), at(2026, 4, 5, 12)),  # back at midnight: a day goes back
        ("*/15 * * * *", "America/Santiago", at(2026, 9, 5, 20), at(2026, 9, 6, 12)),
        ("*/15 0 * * *", "America/Santiago", at(2026, 9, 5, 20), at(2026, 9, 7, 12)),
        ("0 * * * *", "Australia/Lord_Howe", at(2026, 10, 3, 9), at(2026, 10, 4, 3)),
    ],
)
def test_a_schedule_by_the_clock_runs_whenever_clocks_show_it_a_repeated_hour_included(cron, zone, first, last):
    found = seen(cron, zone, first, last)
    assert found.keys() == shown(cron, zone, first, last)
    assert all(moment == when for moment, when in found.items())


@pytest.mark.parametrize(
    ("cron", "zone", "found"),
    [
        ("30 2 * * *", "Europe/Berlin", [(10, 25, 0, 30), (10, 26, 1, 30)]),  # twice on clocks: the first time
        ("30 1 * * *", "America/New_York", [(11, 1, 5, 30), (11, 2, 6, 30)]),
        ("30 23 * * *", "Africa/Cairo", [(10, 29, 20, 30), (10, 30, 21, 30)]),
        ("30 2 * * *", "America/New_York", [(3, 8, 7, 0), (3, 9, 6, 30)]),  # skipped: once clocks go on
        ("0 0 * * *", "Africa/Cairo", [(4, 23, 22, 0), (4, 24, 21, 0)]),
    ],
)
def test_a_schedule_for_certain_hours_runs_once_a_day(cron, zone, found):
    first, second = (at(2026, *parts) for parts in found)
    assert list(seen(cron, zone, first - 60 * MINUTE, second).items()) == [(first, first), (second, second)]
    assert next_moment(Schedule(cron=cron, timezone=zone), first) == second
    assert next_moment(Schedule(cron=cron, timezone=zone), first - MINUTE) == first


def once_a_day(hour, minute, zone, first, last):
    """Return when clocks first show a time on each day; where they skip it, when they go on."""
    here = zoneinfo.ZoneInfo(zone)
    minutes = [first + n * MINUTE for n in range(int((last - first) / MINUTE) + 1)]
    shows = {it: it.astimezone(here).replace(tzinfo=None) for it in minutes}
    found = {}
    for before, it in itertools.pairwise(minutes):
        for day in {shows[before].date(), shows[it].date()}:
            time = dt.datetime.combine(day, dt.time(hour, minute))
            if shows[it] == time or shows[before] < time < shows[it]:
                found.setdefault(day, it)
    return sorted(found.values())


@pytest.mark.parametrize("hour", [0, 1, 2, 3, 23])
@pytest.mark.parametrize("minute", [0, 15, 30])
@pytest.mark.parametrize(
    ("zone", "spring", "autumn"),
    [
        ("Europe/Berlin", (3, 29), (10, 25)),
        ("Europe/Dublin", (3, 29), (10, 25)),
        ("America/New_York", (3, 8), (11, 1)),
        ("Australia/Lord_Howe", (10, 4), (4, 5)),  # by half an hour
        ("America/Santiago", (9, 6), (4, 5)),  # at midnight
        ("Africa/Cairo", (4, 24), (10, 30)),
        ("Asia/Beirut", (3, 29), (10, 25)),
        ("Asia/Kolkata", (3, 8), (11, 1)),  # never
    ],
)
def test_a_daily_schedule_has_one_moment_a_day_in_every_zone(hour, minute, zone, spring, autumn):
    schedule = Schedule(cron=f"{minute} {hour} * * *", timezone=zone)
    for month, day in (spring, autumn):
        first, last = at(2026, month, day) - 40 * 60 * MINUTE, at(2026, month, day) + 40 * 60 * MINUTE
        expected = once_a_day(hour, minute, zone, first, last)
        assert len(expected) in (3, 4)
        days = [it.astimezone(zoneinfo.ZoneInfo(zone)).date() for it in expected]
        assert len(set(days)) == len(days)  # no day is run twice
        for moment, following in zip(expected, [*expected[1:], None], strict=True):
            assert latest_moment(schedule, moment) == latest_moment(schedule, moment + 59 * MINUTE / 60) == moment
            if following:
                assert next_moment(schedule, moment) == following
                assert latest_moment(schedule, following - MINUTE) == moment


def test_the_next_moment_is_in_the_repeated_hour():
    hourly = Schedule(cron="0 * * * *", timezone="Europe/Berlin")
    assert next_moment(hourly, at(2026, 10, 25, 0)) == at(2026, 10, 25, 1)
    assert next_moment(hourly, at(2026, 10, 25, 1)) == at(2026, 10, 25, 2)


def test_the_29th_of_february_comes():
    assert latest_moment(Schedule(cron="0 0 29 2 *", timezone="UTC"), at(2026, 1, 1)) == at(2024, 2, 29)
    assert cron_mistake("0 0 29 2 *") is None
    assert cron_mistake("0 0 31 2 1") is None  # or on Mondays


def test_a_schedule_that_never_comes_is_a_message():
    for find in (latest_moment, next_moment):
        with pytest.raises(DataflowError, match="never comes"):
            find(Schedule(cron="0 3 31 2 *", timezone="UTC"), at(2026, 1, 1))
