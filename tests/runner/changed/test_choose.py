"""Which days are run: from what changed, what marks remember, and how many days a run may have."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from dataflow.runner.changed.choose import Source, Target, choose_dates
from dataflow.tables.changed_days.find import Change, ChangedDays
from dataflow.tables.high_water_mark import HighWater
from dataflow.workflow.changed_dates import ChangedQuestion
from dataflow.workflow.dates import ChangedSource
from dataflow.workflow.project import Environment

FIRST = dt.date(2026, 1, 1)
AT = dt.datetime(2026, 1, 31, 2, 14, tzinfo=dt.UTC)
KEY = "dataflow.db.plays"


def day(number):
    return FIRST + dt.timedelta(days=number)


def question(*, last=3, most=30, in_order=False, yesterday=30):
    source = ChangedSource(table="db.plays")
    return ChangedQuestion((source,), ("db.top",), last, most, in_order, day(yesterday), Environment("sandbox"))


def source(changes=(), snapshots=(5, 4, 3, 2), **more):
    """Return a source whose days changed in snapshots: `{day: [(snapshot, came, went), …]}`."""
    days = {day(it): tuple(Change(n, AT, came, went) for n, came, went in of) for it, of in dict(changes).items()}
    return Source("db.plays", KEY, ChangedDays((9, snapshots[0] if snapshots else 1), days, snapshots, **more))


def target(*sources, mark=30, **more):
    water = HighWater(None if mark is None else day(mark), {KEY: (1, 1)} if mark is not None else {}, **more)
    return Target("db.top", water, sources)


def chosen(asked, *targets, marks=None):
    found = choose_dates(asked, targets, marks or {})
    return [(dt.date.fromisoformat(it) - FIRST).days for it in found.dates], found


def test_a_table_without_a_mark_gets_the_last_days():
    days, found = chosen(question(), target(mark=None))
    assert days == [28, 29, 30]
    assert set(found.reasons.values()) == {("db.top has no mark: one of the last 3 days",)}
    assert (found.seen, found.before) == ({}, {"db.top": {}})


def test_days_that_changed_and_days_that_were_never_done_are_run_with_their_reasons():
    changes = {27: [(5, 1204, 0)], 3: [(5, 2, 3), (4, 0, 1), (3, 1, 0)], 8: [(4, None, None)], 31: [(5, 1, 0)]}
    days, found = chosen(question(), target(source(changes), mark=28, ahead={day(30): {}}))
    assert days == [3, 8, 27, 29]
    assert found.reasons == {
        "2026-01-04": (
            "2 rows took the place of 3 in snapshot 5 of db.plays at 2026-01-31 02:14 UTC",
            "1 row went in snapshot 4 of db.plays at 2026-01-31 02:14 UTC",
            "and 1 snapshot of db.plays before",
        ),
        "2026-01-09": ("rows may have changed in snapshot 4 of db.plays at 2026-01-31 02:14 UTC",),
        "2026-01-28": ("1,204 rows came in snapshot 5 of db.plays at 2026-01-31 02:14 UTC",),
        "2026-01-30": ("not done yet",),
    }
    assert (found.seen, found.before, found.is_all) == ({KEY: (9, 5)}, {"db.top": {KEY: (1, 1)}}, True)


def test_what_a_day_was_computed_from_already_is_no_change_for_it():
    changes = {3: [(5, 1, 0), (4, 1, 0)], 4: [(4, 1, 0), (3, 1, 0)], 5: [(2, 1, 0)]}
    later = {day(3): {KEY: (4, 4)}, day(4): {KEY: (4, 4)}, day(5): {KEY: (7, 77)}}
    days, found = chosen(question(), target(source(changes), later=later))
    assert days == [3, 5], "a snapshot that is not between is no reason to believe anything"
    assert found.reasons["2026-01-04"] == ("1 row came in snapshot 5 of db.plays at 2026-01-31 02:14 UTC",)


def test_a_source_that_nobody_can_tell_changes_of_brings_the_last_days_and_says_so():
    days, found = chosen(question(last=2), target(source(lost="snapshot 1 has expired"), mark=30))
    assert days == [29, 30]
    assert found.notes == ("db.plays: snapshot 1 has expired: the last 2 days instead",)
    assert found.reasons["2026-01-31"] == ("one of the last 2 days, as nobody can tell what changed in db.plays",)
    assert found.seen == {KEY: (9, 5)}, "once they are done, the next run looks from here"


def test_no_day_is_run_before_its_sources_are_complete():
    changes = {3: [(5, 1, 0)], 28: [(5, 1, 0)]}
    days, found = chosen(question(), target(source(changes), mark=25), marks={"db.plays": day(27), "db.other": day(29)})
    assert days == [3, 26, 27]
    assert found.notes == ("db.plays is complete up to 2026-01-28: later days wait",)
    assert found.is_all, "day 28 is found as one that was never done"
    held = choose_dates(question(), [target(source(changes), mark=29)], {"db.plays": day(27)})
    assert not held.is_all, "day 28 was done before, and has to be found again"


def test_days_never_done_come_before_those_that_changed_and_of_these_the_newest():
    changes = {it: [(5, 1, 0)] for it in range(10)}
    days, found = chosen(question(most=4), target(source(changes), mark=28))
    assert days == [8, 9, 29, 30]
    assert found.notes == ("8 days left for the next run: one takes 4 at most",)
    assert not found.is_all


def test_in_order_all_days_from_the_earliest_changed_one_are_run_and_the_next_run_goes_on():
    changes = {20: [(5, 1, 0)], 25: [(3, 1, 0)]}
    days, found = chosen(question(in_order=True), target(source(changes), mark=28))
    assert days == list(range(20, 31))
    assert found.reasons["2026-01-24"] == ("a day before it changed in db.plays",)
    first, found = chosen(question(in_order=True, most=3), target(source(changes), mark=28))
    assert (first, found.is_all) == ([20, 21, 22], False)
    later = {day(it): {KEY: (9, 5)} for it in first}
    following, _ = chosen(question(in_order=True, most=3), target(source(changes), mark=28, later=later))
    assert following == [23, 24, 25]


@given(
    st.dictionaries(st.integers(0, 20), st.lists(st.sampled_from([2, 3, 4, 5]), min_size=1, unique=True)),
    st.integers(1, 5),
    st.booleans(),
)
def test_runs_one_after_the_other_do_all_days_that_changed_and_end(changed, most, in_order):
    changes = {it: [(n, 1, 0) for n in sorted(of, reverse=True)] for it, of in changed.items()}
    water, ran = HighWater(day(20), {KEY: (1, 1)}), []
    for _ in range(30):
        days, found = chosen(
            question(most=most, in_order=in_order, yesterday=20), Target("db.top", water, (source(changes),))
        )
        ran += days
        for it in days:
            water = water.finished(day(it), {KEY: (9, 5)})
        if found.is_all:
            water = water.looked_at(found.seen, found.before["db.top"], [day(it) for it in days])
            break
    wanted = list(range(min(changed), 21)) if in_order and changed else sorted(changed)
    assert sorted(ran) == wanted, "each once"
    assert (water.sources, water.later) == ({KEY: (9, 5)}, {})


def test_days_of_rows_that_arrived_lately_are_run_beside_the_last_ones_where_snapshots_can_t_tell():
    lost = source(lost="snapshot 1, which the mark remembers, has expired", arrived=(day(2), day(30)))
    days, found = chosen(question(), target(lost))
    assert days == [2, 28, 29, 30]
    assert found.reasons["2026-01-03"] == ("rows of it came to db.plays in the last 3 days, or in a file with such",)
