"""Hours, days, weeks and months: how they are written, what follows what, and which are whole at a moment."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.workflow.periods import Cadence, Period, clock_at, finest, period_of, runs_of

MOMENTS = st.datetimes(dt.datetime(1000, 1, 8), dt.datetime(9998, 1, 1))
CADENCES = st.sampled_from(list(Cadence))


@given(CADENCES, MOMENTS)
def test_each_moment_lies_in_one_period_and_periods_follow_each_other_without_a_gap(cadence, moment):
    period = cadence.at(moment)
    assert period.start <= moment < period.end
    assert (period.next.start, period.previous.end) == (period.end, period.start)
    assert period.next.previous == period.previous.next == period
    assert cadence.last_before(moment) == period.previous
    assert cadence.last_before(period.end) == period


@given(CADENCES, MOMENTS)
def test_what_is_written_is_read_as_the_same_period_and_its_label_tells_its_cadence(cadence, moment):
    period = cadence.at(moment)
    assert cadence.parse(str(period)) == cadence.parse(period.label) == period
    assert period_of(period.label) == period


@given(CADENCES, MOMENTS, st.integers(1, 200))
def test_a_range_has_as_many_periods_as_are_counted(cadence, moment, number):
    found = cadence.at(moment).back(number)
    assert len(found) == found[0].count_to(found[-1]) == number
    assert found == found[0].upto(found[-1]) == sorted(found)
    assert runs_of(found) == [found]


@given(MOMENTS, st.lists(CADENCES, min_size=1))
def test_periods_are_made_of_whole_ones_of_the_finest_cadence_that_they_share(moment, cadences):
    shared = finest(cadences)
    for cadence in cadences:
        parts = cadence.at(moment).split(shared)
        assert (parts[0].start, parts[-1].end) == (cadence.at(moment).start, cadence.at(moment).end)
        assert all(one.end == other.start for one, other in itertools.pairwise(parts))


def test_weeks_begin_on_monday_whatever_the_year_they_are_counted_in():
    week = Cadence.WEEKLY.parse("2026-W01")
    assert (str(week), week.previous.label, week.end) == ("2025-12-29", "2025-W52", dt.datetime(2026, 1, 5))
    assert Cadence.WEEKLY.parse("2021-01-03").label == "2020-W53"
    assert Cadence.WEEKLY.parse("2026-01-04") == week, "any of its days names it"


def test_months_have_as_many_days_as_the_calendar_says():
    february = Cadence.MONTHLY.parse("2024-02")
    assert [len(february.split(Cadence.DAILY)), len(february.next.split(Cadence.DAILY))] == [29, 31]
    assert len(Cadence.DAILY.parse("2026-03-29").split(Cadence.HOURLY)) == 24, "hours are those of UTC"


@pytest.mark.parametrize(
    ("cadence", "written", "said"),
    [
        ("hourly", ["2026-01-29T05", "2026-01-29 05:00", "2026-01-29T06:00:00+01:00"], "2026-01-29T05:00"),
        ("hourly", ["2026-01-29T05Z"], "2026-01-29T05:00"),
        ("daily", ["2026-01-29"], "2026-01-29"),
        ("weekly", ["2026-W05", "2026-01-26", "2026-02-01"], "2026-01-26"),
        ("monthly", ["2026-01", "2026-01-01"], "2026-01-01"),
    ],
)  # fmt: skip
def test_a_period_is_written_as_people_write_it(cadence, written, said):
    assert {str(Cadence(cadence).parse(text)) for text in written} == {said}


@pytest.mark.parametrize(
    ("cadence", "text", "said"),
    [
        ("hourly", "2026-01-29", "'2026-01-29' is not an hour"),
        ("hourly", "2026-01-29T05:30", "'2026-01-29T05:30' is not an hour"),
        ("hourly", "2026-01-29T24", "'2026-01-29T24' is not an hour"),
        ("hourly", "2026-01-29T05:00+00:30", "'2026-01-29T05:00+00:30' is not an hour"),
        ("daily", "2026-01-29T05", "'2026-01-29T05' is not a date"),
        ("daily", "2026-W05", "'2026-W05' is not a date"),
        ("daily", "2026-01", "'2026-01' is not a date"),
        ("daily", "2026-02-30", "'2026-02-30' is not a date"),
        ("weekly", "2026-W54", "'2026-W54' is not a week"),
        ("weekly", "2026-W5", "'2026-W5' is not a week"),
        ("weekly", "2026-01", "'2026-01' is not a week"),
        ("monthly", "2026-01-15", "'2026-01-15' is not a month"),
        ("monthly", "2026-13", "'2026-13' is not a month"),
        ("monthly", "", "'' is not a month"),
        ("monthly", "0999-12", "0999-12 is out of range: months go from 1000-01-01 to 9998-12-31"),
    ],
)
def test_a_value_of_another_cadence_is_refused_by_name(cadence, text, said):
    with pytest.raises(ValueError, match="is ") as found:
        Cadence(cadence).parse(text)
    assert str(found.value) == said


def test_the_clock_tells_the_last_whole_period_of_each_cadence():
    berlin, utc = dt.datetime(2026, 2, 2, 0, 30), dt.datetime(2026, 2, 1, 23, 30)
    assert clock_at(berlin, utc) == {
        "today": "2026-02-02",
        "yesterday": "2026-02-01",
        "last_hour": "2026-02-01T22:00",
        "last_week": "2026-01-26",
        "last_month": "2026-01-01",
    }


def test_the_first_and_the_last_days_of_the_calendar_are_periods_like_others():
    last = Cadence.DAILY.at(dt.date.max)
    assert [it.label for it in last.split(Cadence.HOURLY)][-1] == "9999-12-31T23:00"
    for cadence in Cadence:
        assert cadence.at(dt.datetime.max).upto(cadence.at(dt.datetime.max)) == [cadence.at(dt.datetime.max)]
        assert cadence.at(dt.date.min) == Period(dt.datetime.min, cadence)
