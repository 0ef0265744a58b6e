"""Reading Iceberg tables without a JVM: small ones whole, large ones by what their statistics say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.table import Table
from pyiceberg.types import StringType

from dataflow.errors import DataflowError, UsageError
from dataflow.mocks import scan_iceberg
from dataflow.mocks.create import MockResult, make_mock
from dataflow.mocks.source_rows import MockRequest
from dataflow.workflow.project import Environment

SANDBOX = Environment("sandbox")


def made(table: str, **wanted: object) -> MockResult:
    def no_spark(reason: str) -> object:
        raise AssertionError(f"Spark was asked for: {reason}")

    return make_mock(SANDBOX, MockRequest(table, **wanted), no_spark)


def column(found: MockResult, name: str) -> list[object]:
    at = [column.name for column in found.mock.columns].index(name)
    return [row[at] for row in found.mock.rows]


def days(first: int, count: int, **more: object) -> pa.Table:
    ids = list(range(first, first + count))
    return pa.table({"id": pa.array(ids, pa.int64()), "hours": [float(i % 97) for i in ids], **more})


def test_every_type_of_iceberg_arrives_as_spark_has_it(make_table: Callable[..., Table]) -> None:
    noon = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    values = {
        "flag": pa.array([True]),
        "small": pa.array([1], pa.int32()),
        "price": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
        "ratio": pa.array([0.1], pa.float32()),
        "at": pa.array([noon], pa.timestamp("us", "UTC")),
        "local": pa.array([noon.replace(tzinfo=None)], pa.timestamp("us")),
        "day": pa.array([noon.date()]),
        "raw": pa.array([b"\x00\xff"]),
        "tags": pa.array([["a", None]]),
        "sizes": pa.array([[("x", 1)]], pa.map_(pa.string(), pa.int64())),
        "place": pa.array([{"city": "Oslo", "code": None}], pa.struct([("city", pa.string()), ("code", pa.int32())])),
    }
    make_table("shop.all", pa.table(values))

    found = made("shop.all")

    assert {column.name: str(column.type).replace("`", "") for column in found.mock.columns} == {
        "flag": "boolean", "small": "int", "price": "decimal(10,2)", "ratio": "float", "at": "timestamp",
        "local": "timestamp_ntz", "day": "date", "raw": "binary", "tags": "array<string>",
        "sizes": "map<string,bigint>", "place": "struct<city:string,code:int>",
    }  # fmt: skip
    assert found.mock.rows == (
        (
            True, 1, Decimal("1.50"), 0.10000000149011612, noon, noon.replace(tzinfo=None), noon.date(), b"\x00\xff",
            ["a", None], {"x": 1}, {"city": "Oslo", "code": None},
        ),
    )  # fmt: skip
    assert "ratio: 0.1\n" in found.text


def test_a_table_without_rows_gives_a_mock_without_rows(make_table: Callable[..., Table]) -> None:
    make_table("shop.none", schema=days(0, 1).schema)

    assert made("shop.none").mock.rows == ()


def test_columns_and_conditions_choose_what_is_in_it(make_table: Callable[..., Table]) -> None:
    make_table("shop.some", days(0, 3000))

    found = made("shop.some", columns=("HOURS",), where="id BETWEEN 100 AND 300 AND hours > 90", rows=4)

    assert found.mock.partial
    assert set(column(found, "hours")) == {91.0, 92.0, 93.0, 96.0} or len(found.mock.rows) == 4
    assert all(value > 90 for value in column(found, "hours"))
    assert "Only rows where id BETWEEN 100 AND 300 AND hours > 90." in found.text


@pytest.mark.slow
def test_a_large_table_is_sampled_by_its_statistics_and_says_so(
    make_table: Callable[..., Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_iceberg, "VALUES_AT_MOST", 8_000)
    parts = [days(1000 * i, 1000) for i in range(30)]
    odd = pa.table({"id": pa.array([77_777, 88_888], pa.int64()), "hours": [None, -5.0]})
    make_table("shop.large", *parts[:17], odd, *parts[17:], properties={"write.parquet.row-group-limit": "250"})

    sample, whole = made("shop.large", rows=10), made("shop.large", rows=10, exact=True)

    assert (sample.complete, sample.total) == (False, 30_002)
    assert 2_000 < (sample.looked_at or 0) <= 4_000
    assert "A sample:" in sample.text
    assert (whole.complete, whole.looked_at) == (True, 30_002)
    for found in (sample, whole):
        assert {0, 77_777, 88_888} <= set(column(found, "id"))
        assert None in column(found, "hours")
        assert -5.0 in column(found, "hours")
        assert len(found.mock.rows) == 10
    assert made("shop.large", rows=10).text == sample.text


def test_rows_that_were_deleted_and_columns_that_were_added_or_renamed_are_seen_as_they_are_now(
    make_table: Callable[..., Table],
) -> None:
    table = make_table("shop.evolved", days(0, 50))
    with table.update_schema() as change:
        change.rename_column("hours", "view_hours")
        change.add_column("country", StringType())
    table.append(days(50, 2, country=["NO", None]).rename_columns(["id", "view_hours", "country"]))
    table.delete("id < 48")

    found = made("shop.evolved")

    assert sorted(found.mock.rows) == [(48, 48.0, None), (49, 49.0, None), (50, 50.0, "NO"), (51, 51.0, None)]


def test_the_tables_key_is_the_mocks_and_is_kept(make_table: Callable[..., Table]) -> None:
    twice = pa.table({"id": pa.array([1, 1, 2], pa.int64()), "hours": [1.0, 2.0, 3.0]})
    make_table("shop.keyed", twice, properties={"dataflow.primary-key": "id"})

    found = made("shop.keyed")

    assert found.mock.key == ("id",)
    assert sorted(column(found, "id")) == [1, 2]


def test_what_a_mock_can_not_hold_is_left_out_and_counted(make_table: Callable[..., Table]) -> None:
    make_table("shop.zero", pa.table({"name": ["a\0b", "plain"]}))

    found = made("shop.zero")

    assert found.mock.rows == (("plain",),)
    assert found.left_out == 1


def test_an_unreadable_file_is_named(make_table: Callable[..., Table]) -> None:
    table = make_table("shop.broken", days(0, 10))
    (task,) = table.scan().plan_files()
    Path(task.file.file_path.removeprefix("file://")).write_bytes(b"no parquet")

    with pytest.raises(DataflowError, match=r"can't read .*\.parquet: "):
        made("shop.broken")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"table": "shop.some"}, r"there is no table 'shop\.some'; did you mean 'shop\.same'"),
        ({"table": "some"}, "'some' is not a full table name"),
        ({"table": "shop.same", "columns": ("hour",)}, "has no column 'hour'; did you mean 'hours'"),
        ({"table": "shop.same", "masks": ("hour=hash",)}, "there is no column 'hour'; did you mean 'hours'"),
        ({"table": "shop.same", "masks": ("hours=hush",)}, "there is no rule 'hush'; did you mean 'hash'"),
        ({"table": "shop.same", "where": "hour > 1"}, "there is no column 'hour'; did you mean 'hours'"),
        ({"table": "shop.same", "where": "hours >"}, "--where is not a condition"),
        ({"table": "shop.same", "where": "id = 1 ORDER BY id"}, "--where is a condition alone"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(
    make_table: Callable[..., Table], wanted: dict[str, str], message: str
) -> None:
    make_table("shop.same", days(0, 3))

    with pytest.raises(UsageError, match=message):
        made(wanted.pop("table"), **wanted)


def test_columns_that_are_one_to_spark_or_have_no_name_that_yaml_holds_are_named_and_the_others_can_be_had(
    make_table: Callable[..., Table],
) -> None:
    names = ["a", "A", "b", "c\0", "d"]
    twins = pa.struct([("x", pa.int32()), ("X", pa.int32())])
    arrays = [pa.array([1])] * 4 + [pa.array([{"x": 1, "X": 2}], twins)]
    make_table("odd.case", pa.Table.from_arrays(arrays, names=names))

    with pytest.raises(DataflowError) as caught:
        made("odd.case")

    assert caught.value.message == (
        "odd.case: column 'A': to Spark it is the same as 'a'; column 'c\\x00': a mock can't contain a NUL character; "
        "column 'd': the fields 'x' and 'X' of a struct are one to Spark"
    )
    assert caught.value.hint == "--columns names those that are wanted: --columns a,b"
    assert [it.name for it in made("odd.case", columns=("A", "B")).mock.columns] == ["A", "b"]


def test_fields_that_parquet_calls_otherwise_keep_their_values_and_their_nulls(
    make_table: Callable[..., Table],
) -> None:
    rows = [[{"a.b": 1, "c d": None}], [], [None]]
    kind = pa.list_(pa.struct([("a.b", pa.int32()), ("c d", pa.string())]))
    make_table("odd.names", pa.table({"id": [1, 2, 3], "x.y": pa.array(rows, kind)}))

    assert column(made("odd.names"), "x.y") == rows


def test_a_changed_file_with_lists_is_left_to_spark_and_one_without_is_not(make_table: Callable[..., Table]) -> None:
    table = make_table("odd.evolved", pa.table({"id": [1], "tags": pa.array([["x"]], pa.list_(pa.string()))}))
    with table.update_schema() as update:
        update.add_column("later", StringType())

    assert column(made("odd.evolved", columns=("id", "later")), "id") == [1]
    with pytest.raises(AssertionError, match="Spark was asked for: PyIceberg can't tell null from empty in 'tags'"):
        made("odd.evolved")
