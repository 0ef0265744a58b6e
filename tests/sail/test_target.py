"""The rows that a write brings into a table, and which of its rows it replaces."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.sail.insert import Insert
from dataflow.sail.judgement import SparkDecides
from dataflow.sail.target import Target, columns_of

TARGET = Target("db.t", columns_of([("day", "DATE", True), ("id", "BIGINT", False), ("x", "DOUBLE", True)]), ("day",))
DAY = {"day": pa.chunked_array([[dt.date(2026, 1, 31)]])}


def insert(**options):
    return Insert(("t",), True, "", **options)


def rows(**columns):
    return pa.table({name: pa.array(values, type_) for name, (type_, values) in columns.items()})


def test_rows_go_where_their_names_say_in_the_types_of_the_table():
    found = rows(X=(pa.decimal128(20, 19), [Decimal("0.1"), None]), id=(pa.int32(), [1, 2]))
    brought = TARGET.brought(insert(static={"day": "…"}, by_name=True), found, DAY)
    assert brought.schema == TARGET.schema
    assert brought.to_pylist() == [
        {"day": dt.date(2026, 1, 31), "id": 1, "x": 0.1},
        {"day": dt.date(2026, 1, 31), "id": 2, "x": None},
    ]


def test_listed_columns_are_those_of_the_query_by_position():
    found = rows(a=(pa.float64(), [1.5]), b=(pa.int64(), [7]))
    brought = TARGET.brought(insert(static={"day": "…"}, listed=("x", "id")), found, DAY)
    assert brought.to_pylist() == [{"day": dt.date(2026, 1, 31), "id": 7, "x": 1.5}]


@pytest.mark.parametrize(
    ("columns", "options", "reason"),
    [
        ({"x": (pa.float64(), [1.0]), "id": (pa.int64(), [1])}, {}, "by their position, under other names"),
        ({"id": (pa.int64(), [1])}, {"by_name": True}, "the query's columns are not those of db.t"),
        ({"id": (pa.int64(), [None]), "x": (pa.float64(), [1.0])}, {}, "column id of db.t has a NULL"),
        (
            {"id": (pa.string(), ["1"]), "x": (pa.float64(), [1.0])},
            {},
            "column id of db.t gets a string, and is bigint",
        ),
        ({"id": (pa.int64(), [1]), "x": (pa.int64(), [1])}, {}, "column x of db.t gets a int64, and is double"),
    ],
)
def test_what_spark_might_convert_or_refuse_is_left_to_it(columns, options, reason):
    with pytest.raises(SparkDecides, match=reason):
        TARGET.brought(insert(static={"day": "…"}, **options), rows(**columns), DAY)


def test_a_number_that_does_not_fit_is_left_to_spark():
    target = Target("t", columns_of([("n", "INT", True)]))
    assert target.brought(insert(), rows(n=(pa.int64(), [5])), {}).column("n").type == pa.int32()
    with pytest.raises(SparkDecides, match="does not fit int"):
        target.brought(insert(), rows(n=(pa.int64(), [2**40])), {})


DAYS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 3)), max_size=6)


@given(DAYS, DAYS)
def test_an_overwrite_replaces_the_partitions_for_which_it_brings_rows(there, brought):
    target = Target("t", columns_of([("p", "STRING", True), ("n", "BIGINT", True)]), ("p",))

    def table(rows_):
        return pa.table({"p": [p for p, _ in rows_], "n": [n for _, n in rows_]}, schema=target.schema)

    new = {p for p, _ in brought}
    after = target.after(table(there), table(brought), overwrites=True)
    assert after.to_pylist() == [{"p": p, "n": n} for p, n in [*(it for it in there if it[0] not in new), *brought]]
    added = target.after(table(there), table(brought), overwrites=False)
    assert added.num_rows == len(there) + len(brought)


def test_partitions_by_other_transforms_are_left_to_spark_where_there_are_rows():
    target = Target("t", columns_of([("n", "BIGINT", True)]), ("bucket(4, n)",))
    one, none = rows(n=(pa.int64(), [1])), rows(n=(pa.int64(), []))
    assert target.after(none, one, overwrites=True).num_rows == 1
    with pytest.raises(SparkDecides, match="partitioned by bucket"):
        target.after(one, one, overwrites=True)
