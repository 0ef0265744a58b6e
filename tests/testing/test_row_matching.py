"""Which rows are equal, held against a matching that tries everything."""

from __future__ import annotations

import math
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.testing import row_matching
from dataflow.testing.row_matching import Row, Tolerance, equal, match

numbers = st.integers(0, 6).map(float)
tolerances = st.builds(Tolerance, st.sampled_from([0.0, 0.1, 0.3]), st.sampled_from([0.0, 0.5, 1.0]))


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    row = st.tuples(*[numbers] * draw(st.integers(1, 3)), st.sampled_from(["x", None]))
    return draw(st.lists(row, max_size=7)), draw(st.lists(row, max_size=7))


def most_pairs(expected: list[Row], actual: list[Row], tolerance: Tolerance) -> int:
    """Count the pairs of the best matching, by trying one way after another to make room for each row."""

    def near(one: Row, other: Row) -> bool:
        return one[-1] == other[-1] and all(map(tolerance.close, one[:-1], other[:-1]))

    taken: dict[int, int] = {}

    def has_room(i: int, seen: set[int]) -> bool:
        for j in range(len(actual)):
            if near(expected[i], actual[j]) and j not in seen:
                seen.add(j)
                if j not in taken or has_room(taken[j], seen):
                    taken[j] = i
                    return True
        return False

    return sum(has_room(i, set()) for i in range(len(expected)))


@settings(deadline=None, max_examples=300)
@given(sides(), tolerances)
def test_as_many_rows_are_paired_as_can_be_and_each_pair_is_within_the_tolerance(
    rows: tuple[list[Row], list[Row]], tolerance: Tolerance
) -> None:
    expected, actual = rows

    found = match(expected, actual, tolerance)

    assert found.exact
    assert len(found.pairs) == most_pairs(expected, actual, tolerance)
    assert len({i for i, _ in found.pairs}) == len({j for _, j in found.pairs}) == len(found.pairs)
    for i, j in found.pairs:
        assert expected[i][-1] == actual[j][-1]
        assert all(map(tolerance.close, expected[i][:-1], actual[j][:-1]))


@settings(deadline=None, max_examples=100)
@given(sides(), tolerances)
def test_where_there_are_too_many_close_pairs_nothing_unequal_passes_and_a_missed_pair_is_told(
    rows: tuple[list[Row], list[Row]], tolerance: Tolerance
) -> None:
    expected, actual = rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_matching, "_EDGES_AT_MOST", 0)
        found = match(expected, actual, tolerance)

    assert all(all(map(tolerance.close, expected[i][:-1], actual[j][:-1])) for i, j in found.pairs)
    if found.exact:
        assert len(found.pairs) == most_pairs(expected, actual, tolerance)


def test_a_row_goes_to_the_one_that_leaves_room_for_the_others_not_to_its_equal() -> None:
    assert len(match([(0.0,), (1.0,)], [(-1.0,), (0.0,)], Tolerance(0, 1)).pairs) == 2


@pytest.mark.parametrize(
    ("columns", "tolerance"),
    [
        (lambda i: (i + 0.5,), Tolerance()),
        (lambda i: (i + 0.5, i / 7, {"x": [i / 3]}), Tolerance()),
        (lambda _: (0.5, 1.5), Tolerance()),
        (lambda i: (i * 0.001,), Tolerance(0, 0.1)),
        (lambda i: (float(i % 3), float(i % 5)), Tolerance(0, 1)),
    ],
)
def test_twice_the_rows_take_about_twice_the_time(columns: Any, tolerance: Tolerance) -> None:
    def seconds(count: int) -> float:
        rows = [columns(i) for i in range(count)]
        began = time.process_time()
        assert len(match(rows, rows[::-1], tolerance).pairs) == count
        return time.process_time() - began

    seconds(500)
    assert min(seconds(8_000) for _ in range(2)) < 12 * min(seconds(2_000) for _ in range(3))


def test_an_absolute_tolerance_reaches_nought_and_a_relative_one_does_not() -> None:
    assert equal(0.0, 5.5e-17, Tolerance(0, 1e-12))
    assert not equal(0.0, 5.5e-17, Tolerance(0.5))
    assert equal(0.0, -0.0, Tolerance(0))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (math.nan, math.nan, True),
        (math.inf, math.inf, True),
        (math.inf, -math.inf, False),
        (math.inf, 1e308, False),
        (1, 1.0, True),
        (True, 1, False),
        (Decimal("0.10"), 0.1, True),
        (Decimal("0.10"), Decimal("0.1"), True),
        (10**400, 1.0, False),
        ({"a": 1.0, "b": [None, 2.0]}, {"b": [None, 2.0 + 1e-12], "a": 1.0}, True),
        ({1: 1.0}, {2: 1.0}, False),
        ({math.nan: 1}, {float("nan"): 1}, True),
        ([1.0], [1.0, 1.0], False),
        ([], None, False),
        ({}, [], False),
        ([[0.5], [None]], [[0.5], [None]], True),
        ("0.5", 0.5, False),
    ],
)
def test_values_are_equal_or_not(one: Any, other: Any, same: bool) -> None:
    assert equal(one, other, Tolerance()) is same
    assert equal(other, one, Tolerance()) is same
    assert bool(match([(one, "x")], [(other, "x")], Tolerance()).pairs) is same


def test_a_whole_number_beside_a_floating_point_one_stays_exact() -> None:
    assert not match([({"id": 10**12, "x": 0.5},)], [({"id": 10**12 + 1, "x": 0.5},)], Tolerance()).pairs
    assert not match([(10**12, 0.5)], [(10**12 + 1, 0.5)], Tolerance()).pairs


@pytest.mark.parametrize("wrong", [{"rtol": -0.1}, {"rtol": 1.0}, {"rtol": math.nan}, {"atol": -1}, {"atol": math.inf}])
def test_a_tolerance_that_is_none_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} is a (share|number) from 0"):
        Tolerance(**wrong)
