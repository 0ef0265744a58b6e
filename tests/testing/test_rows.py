import datetime as dt
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.testing.rows import Rows, difference

COLUMNS = ("title_id", "country_code", "title_rank", "view_hours")
BASE = [(1, "US", 1, 9.5), (2, "US", 2, 8.0), (3, "US", 2, 8.0), (4, "BR", 1, 0.5)]


def diff(
    actual: Sequence[Sequence[Any]],
    expected: Sequence[Sequence[Any]] = BASE,
    key: Sequence[str] = (),
    rtol: float = 1e-9,
) -> str:
    rows = [
        Rows(name, COLUMNS, [tuple(row) for row in found]) for name, found in (("top", actual), ("top.yaml", expected))
    ]
    return difference(rows[0], rows[1], key, rtol)


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
    found = difference(Rows("top", ("a",), [(1,)]), Rows("the expected rows", (), []), [], 1e-9)

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
    actual = Rows("top", ("Title_ID", "rank", "day"), [], ("bigint", "int", "date"))
    expected = Rows("top.yaml", ("title_id", "title_rank", "day"), [], ("int", "int", "date"))

    assert (
        difference(actual, expected, ["dy"], 1e-9)
        == """\
top does not have the columns of top.yaml:
  missing     title_rank
  unexpected  rank
  differs     title_id is bigint, expected int
  key         dy is not a column"""
    )


def test_columns_may_stand_in_another_order_and_case() -> None:
    assert difference(Rows("a", ("B", "a"), [(2, 1)]), Rows("b", ("a", "b"), [(1, 2)]), [], 1e-9) == ""


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
