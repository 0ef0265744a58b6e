"""How a difference is shown where a table is too wide for a line, and on a terminal."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.testing.diff_report import DiffStyle
from dataflow.testing.row_diff import RowSet, difference

COLUMNS = ("title_id", "country_code", *(f"measure_{i:02}" for i in range(20)), "note")


def row(title: int, note: str = "x", **changed: object) -> tuple[object, ...]:
    values = {name: i for i, name in enumerate(COLUMNS[2:-1])} | changed
    return (title, "US", *values.values(), note)


def shown(
    actual: list[tuple[object, ...]], expected: list[tuple[object, ...]], style: DiffStyle | None = None
) -> list[str]:
    rows = RowSet("top", COLUMNS, actual), RowSet("top.yaml", COLUMNS, expected)
    return difference(*rows, ["title_id"], style=style or DiffStyle()).splitlines()


def test_of_a_wide_row_the_key_and_the_cells_that_differ_are_shown() -> None:
    lines = shown([row(1), row(2, measure_07=70, measure_11=None)], [row(1), row(2)])

    assert lines[1:] == [
        "1 differ (expected -> actual), 1 equal",
        "",
        "differs     title_id: 2",
        "              measure_07: 7 -> 70",
        "              measure_11: 11 -> null",
    ]


def test_a_wide_row_that_is_missing_is_wrapped() -> None:
    lines = shown([], [row(3)])

    assert lines[3].startswith('missing     title_id: 3, country_code: "US", measure_00: 0,')
    assert lines[4].startswith(" " * 12 + "measure_")
    assert lines[-1].endswith('note: "x"')
    assert max(map(len, lines)) <= 120


def test_of_long_texts_the_part_where_they_differ_is_shown() -> None:
    before, after = "a" * 300 + "left" + "b" * 300, "a" * 300 + "right" + "b" * 300

    lines = shown([row(1, after)], [row(1, before)])

    wanted, found = (line for line in lines if line.startswith(" " * 14 + "note: "))
    assert "- …aaa" in wanted
    assert "left" in wanted
    assert "+ …aaa" in found
    assert "right" in found
    assert max(map(len, lines)) <= 120


def test_ten_rows_are_shown_however_wide_and_the_rest_counted() -> None:
    lines = shown([row(i, measure_00=99) for i in range(8)], [row(i) for i in range(16)])

    assert [line.split()[0] for line in lines if re.match(r"\w", line)][2:] == ["differs"] * 8 + ["missing"] * 2
    assert lines[-1] == "… and 6 more rows"


def test_on_a_terminal_what_should_be_there_is_green_and_what_should_not_red() -> None:
    rows = [("top", [(1, 3), (9, 9)]), ("top.yaml", [(1, 2), (4, 4)])]
    actual, expected = (RowSet(title, ("id", "rank"), found) for title, found in rows)

    plain = difference(actual, expected, ["id"], None, DiffStyle())
    colored = difference(actual, expected, ["id"], None, DiffStyle(colored=True))

    assert "\x1b[32m2\x1b[39m -> \x1b[31m3\x1b[39m" in colored
    assert "\x1b[32m4\x1b[39m" in colored
    assert "\x1b[31m9\x1b[39m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == plain


@settings(deadline=None)  # a busy machine stops a test of a millisecond for longer
@given(st.integers(40, 200), st.text(max_size=300), st.text(max_size=300))
def test_no_line_is_wider_than_asked_for_but_for_a_summary(width: int, one: str, other: str) -> None:
    lines = shown([row(1, one), row(2, one)], [row(1, other), row(3, other)], DiffStyle(width=width))

    assert all(len(line) <= max(width, 40 + 12 + 20) for line in lines[3:])
