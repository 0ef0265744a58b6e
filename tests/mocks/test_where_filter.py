"""Conditions in SQL as Iceberg evaluates them: what SQL leaves unknown is not taken."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from pyiceberg.expressions.visitors import bind
from pyiceberg.io.pyarrow import expression_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from dataflow.mocks.where_filter import NotPushedDown, parse_where, to_iceberg

ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3, None], pa.int64()),
        "name": ["ab", "b", None, "abc"],
        "hours": [1.5, None, float("nan"), -2.0],
        "price": pa.array([Decimal("1.50"), Decimal("2.00"), None, Decimal("0.00")], pa.decimal128(8, 2)),
        "day": pa.array([dt.date(2026, 1, 31), dt.date(2026, 2, 1), None, dt.date(2025, 1, 1)]),
        "at": pa.array([dt.datetime(2026, 1, 31, hour, tzinfo=dt.UTC) for hour in (1, 2, 3, 4)]),
        "flag": pa.array([True, False, None, True]),
    }
)

SCHEMA = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "name", StringType()),
    NestedField(3, "hours", DoubleType()),
    NestedField(4, "price", DecimalType(8, 2)),
    NestedField(5, "day", DateType()),
    NestedField(6, "at", TimestamptzType()),
    NestedField(7, "flag", BooleanType()),
)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id = 2", [1]),
        ("2 < id", [2]),
        ("id <> 2", [0, 2]),
        ("NOT id = 2", [0, 2]),
        ("id NOT IN (1, 7)", [1, 2]),
        ("NOT (id IN (1, 2) OR name LIKE 'ab%')", []),
        ("name LIKE 'ab%'", [0, 3]),
        ("name NOT LIKE 'ab%'", [1]),
        ("name IS NULL OR id IS NULL", [2, 3]),
        ("hours > 1", [0, 2]),
        ("hours <= 1.5", [0, 3]),
        ("NOT hours > 1", [3]),
        ("price >= 1.5", [0, 1]),
        ("day = '2026-01-31'", [0]),
        ("day > DATE '2025-12-31' AND day IS NOT NULL", [0, 1]),
        ("at >= TIMESTAMP '2026-01-31 03:00:00'", [2, 3]),
        ("at = '2026-01-31 02:00:00'", [1]),
        ("flag", [0, 3]),
        ("NOT flag", [1]),
        ("flag = false OR true", [0, 1, 2, 3]),
        ("id BETWEEN 2 AND 3", [1, 2]),
        ("id NOT BETWEEN 2 AND 3", [0]),
        ("`ID` = 1", [0]),
    ],
)
def test_a_condition_takes_the_rows_that_spark_would(condition: str, expected: list[int]) -> None:
    bound = bind(SCHEMA, to_iceberg(parse_where(condition), SCHEMA), True)

    found = ROWS.append_column("n", pa.array(range(4))).filter(expression_to_pyarrow(bound, SCHEMA))

    assert found.column("n").to_pylist() == expected


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("id = 1 AND upper(name) = 'A'", "UPPER(name)"),
        ("id + 1 = 2", "id + 1"),
        ("name LIKE '%b'", "name LIKE '%b'"),
        ("id = '1'", "'1'"),
        ("name LIKE 'a!%%' ESCAPE '!'", "LIKE"),
        ("price = 1.555", "1.555"),
        ("day = current_date()", "CURRENT_DATE"),
        ("id = price", "price"),
    ],
)
def test_what_iceberg_has_no_words_for_is_named(condition: str, part: str) -> None:
    with pytest.raises(NotPushedDown) as caught:
        to_iceberg(parse_where(condition), SCHEMA)

    assert part in str(caught.value)
