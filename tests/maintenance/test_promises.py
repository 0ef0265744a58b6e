"""Which snapshots are needed: by what refers to them, and by who looks back."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.maintenance.promises import dead_branches, needed
from tests.maintenance.histories import DAY, NOW, history, promises, snapshot


def line(*ages, **summaries):
    """Return snapshots 1, 2, …, each on the one before."""
    return [
        snapshot(number, number - 1 or None, age, **summaries.get(f"of{number}", {}))
        for number, age in enumerate(ages, 1)
    ]


def expired(metadata, known=None):
    return needed(metadata, known or promises()).expired


def test_a_table_without_snapshots_needs_none():
    found = needed(history(), promises())
    assert (found.kept, found.expired, found.oldest) == ({}, (), None)


def test_what_readers_saw_in_the_last_days_stays_however_old_it_is():
    assert expired(history(*line(100, 90, 1))) == (1,)  # the second one was what they saw until yesterday


def test_icebergs_own_properties_say_for_how_long_and_how_many():
    ages = line(50, 40, 30, 20, 10)
    assert expired(history(*ages)) == (1, 2, 3, 4)
    assert expired(history(*ages, **{"history.expire.max-snapshot-age-ms": str(25 * 86_400_000)})) == (1, 2)
    assert expired(history(*ages, **{"history.expire.min-snapshots-to-keep": "3"})) == (1, 2)
    assert expired(history(*ages, **{"history.expire.max-snapshot-age-ms": "9" * 30})) == ()
    assert expired(history(*ages, **{"history.expire.max-snapshot-age-ms": "soon"})) == (1, 2, 3, 4)


def test_a_mark_keeps_the_way_to_its_snapshot_for_so_many_days_after_it_was_replaced():
    ages = line(60, 50, 40, 30, 20)
    assert expired(history(*ages), promises(marks={3: "db.reader"})) == (1, 2)
    assert expired(history(*ages), promises(marks={3: "db.reader"}, keep=29)) == (1, 2, 3, 4)
    found = needed(history(*ages), promises(marks={3: "db.reader"}))
    assert found.kept == {
        5: "what readers see",
        4: "history back to 3: db.reader was computed from it",
        3: "db.reader was computed from it",
    }


def test_a_mark_that_remembers_what_is_no_ancestor_keeps_nothing():
    undone = [*line(60, 50), snapshot(3, 1, 40)]
    assert expired(history(*undone), promises(marks={2: "db.reader", 99: "db.other"})) == (1, 2)


def test_a_rollback_point_is_kept_until_its_rows_outlive_the_tables_lifetime():
    old = line(90, 80, 70, 60, of1={"bundle": "a"}, of2={"bundle": "a"}, of3={"bundle": "b"}, of4={"bundle": "c"})
    assert expired(history(*old)) == (1,)
    assert expired(history(*old, **{"dataflow.lifetime-days": "75"})) == (1, 2)
    assert expired(history(*old, **{"dataflow.lifetime-days": "30"})) == (1, 2, 3)


def test_an_open_campaign_keeps_what_there_was_when_it_began():
    ages = line(90, 80, 70, 60)
    assert expired(history(*ages), promises(campaign=("titles", NOW - 75 * DAY))) == (1,)


def test_audits_have_the_publications_that_they_compare_with():
    days = [{"partition": f"date={number}", "rows": "1"} for number in range(1, 21)]
    made = line(*range(120, 100, -1), **{f"of{number}": it for number, it in enumerate(days, 1)})
    assert expired(history(*made)) == (1, 2, 3, 4, 5)
    again = [*made, *(snapshot(id_, id_ - 1, 100 - id_, partition="date=1", rows="1") for id_ in range(21, 40))]
    assert len(expired(history(*again))) == 6  # one day again and again does not push the others out


def test_branches_and_tags_of_others_keep_what_is_theirs_and_not_main():
    made = [*line(90, 80, 70), snapshot(4, 2, 60), snapshot(5, 4, 50), snapshot(6, 3, 40)]
    refs = {"theirs": ("branch", 5), "release": ("tag", 1)}
    found = needed(history(*made, main=6, refs=refs), promises())
    assert found.expired == (2, 3)
    assert (found.kept[1], found.kept[4], found.kept[5]) == ("tag release", "branch theirs", "branch theirs")


def test_a_run_at_work_keeps_what_it_is_published_against():
    made = [*line(90, 80, 70, 60), snapshot(9, 2, 50)]
    refs = {"dataflow_r1_wap": ("branch", 9)}
    of = history(*made, main=4, refs=refs)
    assert expired(of, promises("live")) == (1,)
    assert expired(of, promises("unknown")) == (1,)
    assert expired(of, promises("over")) == (1, 2, 3, 9)
    begun = history(*made[:4], refs={"dataflow_r1_wap": ("branch", 2)})
    assert expired(begun, promises("live")) == (1,)


def test_branches_are_dead_whose_runs_are_over_or_that_nobody_knows_and_that_outlived_themselves():
    week = 7 * 86_400_000
    refs = {
        "dataflow_over_w": ("branch", 1, week),
        "dataflow_live_w": ("branch", 1, week),
        "dataflow_lost_w": ("branch", 1, week),
        "dataflow_new_w": ("branch", 2, week),
        "dataflow_failed_x_w": ("branch", 1),
        "dataflow_failed_y_w": ("branch", 2),
        "theirs": ("branch", 1),
    }
    runs = {"over_w": "over", "live_w": "live", "lost_w": "unknown", "new_w": "unknown"}
    of = history(*line(8, 0.5), refs=refs)
    assert dead_branches(of, promises(runs.__getitem__)) == [
        "dataflow_failed_x_w",
        "dataflow_lost_w",
        "dataflow_over_w",
    ]


def test_what_a_rollback_undid_stays_while_it_is_new():
    assert expired(history(*line(90, 80, 4, 3), main=2)) == (1,)
    assert expired(history(*line(90, 80, 30, 20), main=2)) == (1, 3, 4)


@st.composite
def tables(draw):
    """A tree of snapshots with refs, marks, bundles and a campaign."""
    count = draw(st.integers(1, 14))
    ages = sorted(draw(st.lists(st.floats(0, 120), min_size=count, max_size=count)), reverse=True)
    made = []
    for number, age in enumerate(ages, 1):
        parent = draw(st.integers(max(1, number - 3), number - 1)) if number > 1 else None
        bundle = draw(st.sampled_from([None, "a", "b", "c"]))
        made.append(snapshot(number, parent, age, **({"bundle": bundle} if bundle else {})))
    ids = st.integers(1, count)
    names = st.sampled_from(["theirs", "release", "dataflow_r1_w", "dataflow_r2_w", "dataflow_failed_r3_w"])
    kinds = {"release": "tag"}
    refs = {name: (kinds.get(name, "branch"), draw(ids)) for name in draw(st.sets(names))}
    lifetime = draw(st.sampled_from([{}, {"dataflow.lifetime-days": "40"}]))
    marks = dict.fromkeys(draw(st.sets(ids)), "db.reader")
    campaign = draw(st.none() | st.floats(0, 120).map(lambda days: ("c", NOW - days * DAY)))
    return history(*made, main=draw(ids), refs=refs, **lifetime), promises(
        lambda name: {"r1_w": "live", "r2_w": "over"}[name], draw(st.integers(1, 90)), marks, campaign
    )


def ancestors(metadata, start):
    by_id = {it.snapshot_id: it for it in metadata.snapshots}
    while start is not None:
        yield by_id[start]
        start = by_id[start].parent_snapshot_id


@settings(max_examples=400, deadline=None)
@given(tables())
def test_nothing_that_is_promised_expires_and_nobody_s_way_back_has_a_gap(given_):
    metadata, known = given_
    found = needed(metadata, known)
    assert {*found.kept} | {*found.expired} == {it.snapshot_id for it in metadata.snapshots}
    assert not {*found.kept} & {*found.expired}
    main = list(ancestors(metadata, metadata.current_snapshot_id))
    until = [NOW, *(dt.datetime.fromtimestamp(it.timestamp_ms / 1000, dt.UTC) for it in main)]
    kept = [it.snapshot_id in found.kept for it in main]
    dead = dead_branches(metadata, known)
    for name, ref in metadata.refs.items():
        assert name in dead or ref.snapshot_id in found.kept
    depth = {it.snapshot_id: number for number, it in enumerate(main)}
    promised = [0]
    promised += [n for n, replaced in enumerate(until[:-1]) if NOW - replaced <= 5 * DAY]
    promised += [
        depth[id_] for id_ in known.marks if id_ in depth and NOW - until[depth[id_]] <= known.keep * DAY
    ]  # fmt: skip
    if known.campaign:
        promised += [n for n, replaced in enumerate(until[:-1]) if replaced >= known.campaign[1]]
    for bundle in "abc":
        of = [n for n, it in enumerate(main) if it.summary.additional_properties.get("dataflow.bundle") == bundle]
        if of and ("dataflow.lifetime-days" not in metadata.properties or NOW - until[of[0] + 1] <= 40 * DAY):
            promised.append(of[0])
    if "dataflow_r1_w" in metadata.refs:
        head = metadata.refs["dataflow_r1_w"].snapshot_id
        promised += [
            next((depth[it.snapshot_id] for it in ancestors(metadata, head) if it.snapshot_id in depth), 0)
        ]  # fmt: skip
    assert all(kept[: max(promised) + 1])
    assert sum(1 for it in metadata.snapshots if it.snapshot_id in found.kept) == len(found.kept)


@pytest.mark.parametrize("run", ["live", "unknown"])
def test_a_branch_of_a_run_on_a_history_that_main_lost_is_kept_whole(run):
    made = [*line(90, 80), snapshot(3, 1, 70)]
    of = history(*made, main=3, refs={"dataflow_r1_w": ("branch", 2)})
    assert expired(of, promises(run)) == ()
