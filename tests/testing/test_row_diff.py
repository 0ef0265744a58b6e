import datetime as dt
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.errors import UsageError
from dataflow.testing.row_diff import RowSet, difference, expected_rows
from dataflow.testing.row_matching import Tolerance

COLUMNS = ("title_id", "country_code", "title_rank", "view_hours")
BASE = [(1, "US", 1, 9.5), (2, "US", 2, 8.0), (3, "US", 2, 8.0), (4, "BR", 1, 0.5)]


def diff(
    actual: Sequence[Sequence[Any]],
    expected: Sequence[Sequence[Any]] = BASE,
    key: Sequence[str] = (),
    rtol: float = 1e-9,
) -> str:
    rows = [
        RowSet(name, COLUMNS, [tuple(row) for row in found])
        for name, found in (("top", actual), ("top.yaml", expected))
    ]
    return difference(rows[0], rows[1], key, Tolerance(rtol))


def test_equal_rows_in_another_order_do_not_differ() -> None:
    assert diff(BASE[::-1]) == ""


def test_a_differing_cell_is_shown_as_expected_and_actual() -> None:
    assert (
        diff([*BASE[:2], (3, "US", 3, 8.0), BASE[3]])
        == """\
top has 4 rows, top.yaml has 4 rows:
1 differ (expected -> actual), 3 equal

         title_id  country_code  title_rank  view_hours
differs  3         "US"          2 -> 3      8.0"""
    )


def test_missing_and_unexpected_rows_are_shown_as_such() -> None:
    assert (
        diff([*BASE[:3], (9, None, 7, float("nan"))])
        == """\
top has 4 rows, top.yaml has 4 rows:
1 missing, 1 unexpected, 3 equal

            title_id  country_code  title_rank  view_hours
missing     4         "BR"          1           0.5
unexpected  9         null          7           nan"""
    )


def test_a_key_pairs_rows_however_little_else_they_share() -> None:
    assert (
        diff([*BASE[:3], (4, "US", 7, 1.0)], key=["title_id"])
        == """\
top has 4 rows, top.yaml has 4 rows:
1 differ (expected -> actual), 3 equal

         title_id  country_code  title_rank  view_hours
differs  4         "BR" -> "US"  1 -> 7      0.5 -> 1.0"""
    )


def test_an_empty_table_is_said_to_have_0_rows() -> None:
    assert (
        diff([], BASE[:1])
        == """\
top has 0 rows, top.yaml has 1 row:
1 missing

         title_id  country_code  title_rank  view_hours
missing  1         "US"          1           9.5"""
    )


def test_no_rows_are_expected_by_an_empty_list() -> None:
    found = difference(RowSet("top", ("a",), [(1,)]), RowSet("the expected rows", (), []), [])

    assert found.splitlines()[:2] == ["top has 1 row, the expected rows has 0 rows:", "1 unexpected"]


def test_after_ten_rows_the_rest_is_counted() -> None:
    lines = diff([], [(i, "US", 1, 1.0) for i in range(25)]).splitlines()

    assert len(lines) == 3 + 1 + 10 + 1
    assert lines[-1] == "… and 15 more rows"


def test_a_row_that_is_there_twice_is_unexpected_once() -> None:
    assert "1 unexpected, 4 equal" in diff([*BASE, BASE[0]])


def test_doubles_may_differ_by_the_tolerance_and_no_more() -> None:
    off = [(1, "US", 1, 9.5 * (1 + 5e-10)), *BASE[1:]]

    assert diff(off) == ""
    assert "1 differ" in diff(off, rtol=1e-10)


def test_missing_unexpected_and_retyped_columns_are_told_before_any_rows() -> None:
    actual = RowSet("top", ("Title_ID", "rank", "day"), [], ("bigint", "int", "date"))
    expected = RowSet("top.yaml", ("title_id", "title_rank", "day"), [], ("int", "int", "date"))

    assert (
        difference(actual, expected, ["dy"])
        == """\
top does not have the columns of top.yaml:
  missing     title_rank
  unexpected  rank
  differs     title_id is bigint, expected int
  key         dy is not a column"""
    )


def test_columns_may_stand_in_another_order_and_case() -> None:
    assert difference(RowSet("a", ("B", "a"), [(2, 1)]), RowSet("b", ("a", "b"), [(1, 2)]), []) == ""


def test_long_and_wide_values_keep_the_columns_aligned() -> None:
    lines = diff([], [(1, "日本", 1, 1.0), (2, "x" * 60, 1, 1.0)]).splitlines()

    assert '"日本"' + " " * 34 + "  1" in lines[4]
    assert '"' + "x" * 38 + "…  1" in lines[5]


cells = st.one_of(st.none(), st.integers(0, 2), st.sampled_from([0.5, float("nan"), 1e300]), st.sampled_from("ab"))
tables = st.lists(st.tuples(cells, cells, st.just(dt.date(2026, 1, 31)), st.lists(cells, max_size=2)), max_size=8)


@settings(deadline=None)  # a busy machine stops a test of a millisecond for longer
@given(tables, st.randoms())
def test_a_shuffled_table_never_differs_and_one_with_a_row_less_always_does(
    rows: list[tuple[Any, ...]], chance: random.Random
) -> None:
    shuffled = rows.copy()
    chance.shuffle(shuffled)

    assert diff(shuffled, rows) == ""
    if rows:
        assert "1 missing" in diff(shuffled[1:], rows)
        assert "1 unexpected" in diff(shuffled, rows[1:])


def test_two_columns_of_one_name_never_pass_for_one() -> None:
    twice = RowSet("twice", ("id", "ID"), [(1, 1)], ("int", "int"))

    for expected in (
        RowSet("it", ("id",), [(1,)], ("int",)),
        RowSet("it", ("id", "ID"), [(1, 1)], ("int", "int")),
    ):
        assert "  ambiguous   2 columns of twice are called id; give each a name of its own" in difference(
            twice, expected, []
        )


def test_an_expected_row_that_names_a_column_in_two_cases_is_refused_and_rows_may_differ_in_case() -> None:
    assert expected_rows([{"id": 1}, {"ID": 2}]) == RowSet("the expected rows", ("id",), [(1,), (2,)])
    with pytest.raises(UsageError, match="has 'id' and 'ID', which are one column to Spark"):
        expected_rows([{"id": 1, "ID": 2}])


def test_nought_that_a_relative_tolerance_can_not_reach_comes_with_advice() -> None:
    rows = [RowSet(name, ("id", "x", "y"), [(1, value, 2)]) for name, value in (("a", 5.5e-17), ("e", 0.0))]

    assert difference(*rows, ["id"], Tolerance(0.01)).splitlines()[-1] == (
        "→ a relative tolerance never reaches 0.0; atol is an absolute one, such as 1.0e-12"
    )
    assert difference(*rows, ["id"], Tolerance(0.01, 1e-12)) == ""
