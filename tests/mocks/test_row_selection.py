"""Which rows a mock gets: those that show something, the same ones each time, and never more than asked."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.mocks import MockColumn
from dataflow.mocks.model import identity
from dataflow.mocks.row_selection import select_rows
from dataflow.tables.schema.spark_types import parse_type
from tests.support.mock_schemas import columns, rows

PLAYS = tuple(MockColumn(n, parse_type(t)) for n, t in (("id", "int"), ("country", "string"), ("hours", "double")))


def plays(count: int) -> list[tuple[Any, ...]]:
    draw = random.Random(7)  # noqa: S311  # the same rows each time
    return [(i, draw.choice(["US", "BR"]), round(draw.uniform(1, 5), 4)) for i in range(1, count + 1)]


def test_extremes_nulls_ties_and_rare_values_come_first_and_say_why() -> None:
    odd = [(900, "US", None), (901, "IS", 2.0), (902, "US", 99.5), (903, "BR", 99.5), (904, "US", -1.0)]
    odd += [(905, "BR", math.nan), (906, "US", 0.0), (907, None, 2.5)]
    counts = {("country",): {"US": 250, "BR": 250, "IS": 1}}

    found = select_rows([*plays(500), *odd], PLAYS, 12, counts=counts)

    chosen = {row[0]: reason for row, reason in zip(found.rows, found.reasons, strict=True)}
    assert {900, 901, 902, 903, 904, 905, 906, 907} <= chosen.keys()
    assert chosen[900] == "null hours"
    assert chosen[901] == "rare country"
    assert chosen[902].endswith("tied hours")
    assert chosen[903].endswith("tied hours")
    assert chosen[904] == "least hours"
    assert chosen[905] == "not a number hours"
    assert chosen[906] == "zero hours"
    assert len(found.rows) == 12


def test_no_two_rows_share_the_key() -> None:
    twice = [(1, "US", 1.0), (1, "US", 2.0), (2, "US", 3.0), (2, "BR", 3.0)]

    found = select_rows(twice, PLAYS, 10, key=("id", "country"))

    assert [row[:2] for row in found.rows] == [(1, "US"), (2, "BR"), (2, "US")]


def test_what_is_left_over_is_filled_with_variety() -> None:
    same = [(1, "US", 1.0 + i / 1000) for i in range(50)]

    found = select_rows([*same, (1, "NO", 1.02)], PLAYS, 6)

    assert "NO" in {row[1] for row in found.rows}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_same_set_of_rows_gives_the_same_choice_of_distinct_rows(data: st.DataObject) -> None:
    of = data.draw(columns())
    some = list(data.draw(rows(of, at_most=20)))
    count = data.draw(st.integers(1, 8))

    first = select_rows(some, of, count)
    again = select_rows(data.draw(st.permutations(some)), of, count)

    assert identity(first.rows) == identity(again.rows)
    assert first.reasons == again.reasons
    distinct = {identity(row) for row in some}
    chosen = [identity(row) for row in first.rows]
    assert len(chosen) == len(set(chosen)) == min(count, len(distinct))
    assert set(chosen) <= distinct
