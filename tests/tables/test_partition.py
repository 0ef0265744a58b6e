"""What a definition's partition means on tables of every kind."""

from __future__ import annotations

import pytest

from dataflow.errors import DataflowError
from dataflow.tables.iceberg import load
from dataflow.tables.partition import partition_of
from tests.support.branching import run

pytestmark = pytest.mark.spark


def make(spark, namespace, columns, by, *values):
    table = f"{namespace}.t"
    spark.sql(f"CREATE TABLE {table} ({columns}) USING iceberg PARTITIONED BY ({by})")
    for value in values:
        spark.sql(f"INSERT INTO {table} VALUES {value}")
    return table


LOCAL = "2026-01-31T23:30:00-05:00"
INSTANT = f"TIMESTAMP '{LOCAL}'"  # 2026-02-01 04:30 UTC
BEFORE = "TIMESTAMP '2026-01-31 23:30:00Z'"
OLD = ("TIMESTAMP '1969-12-31 23:59:59Z'", "TIMESTAMP '1970-01-01 00:00:00Z'")
PLAIN = ("TIMESTAMP_NTZ '2026-01-31 23:59:59'", "TIMESTAMP_NTZ '2026-02-01 00:00:00'")


@pytest.mark.parametrize(
    ("kind", "by", "given", "inside", "outside", "label"),
    [
        ("DATE", "x", "2026-01-31", "DATE '2026-01-31'", "DATE '2026-02-01'", "x=2026-01-31"),
        ("INT", "x", "20260131", "20260131", "20260201", "x=20260131"),
        ("INT", "x", 20260131, "20260131", "20260201", "x=20260131"),
        ("BIGINT", "x", 9_000_000_000, "9000000000", "1", "x=9000000000"),
        ("STRING", "x", "o'clock", "'o\\'clock'", "'x'", "x=o'clock"),
        ("STRING", "x", 20260131, "'20260131'", "'x'", "x=20260131"),
        ("BOOLEAN", "x", True, "true", "false", "x=true"),
        ("DECIMAL(9,2)", "x", "1.5", "1.50BD", "1.51BD", "x=1.50"),
        ("DOUBLE", "x", 0.5, "0.5D", "0.6D", "x=0.5"),
        ("TIMESTAMP", "x", LOCAL, INSTANT, BEFORE, "x=2026-02-01T04:30:00"),
        ("TIMESTAMP", "hours(x)", LOCAL, INSTANT, BEFORE, "x=2026-02-01T04:00"),
        ("TIMESTAMP", "hours(x)", "2026-02-01", INSTANT, "TIMESTAMP '2026-02-02 00:00:00Z'", "x=2026-02-01"),
        ("TIMESTAMP", "days(x)", LOCAL, INSTANT, BEFORE, "x=2026-02-01"),
        ("TIMESTAMP", "days(x)", "2026-02-01", INSTANT, BEFORE, "x=2026-02-01"),
        ("TIMESTAMP", "months(x)", "2026-02", INSTANT, BEFORE, "x=2026-02"),
        ("TIMESTAMP", "years(x)", "2026-07-01", INSTANT, "TIMESTAMP '2025-12-31 23:30:00Z'", "x=2026"),
        ("TIMESTAMP_NTZ", "hours(x)", "2026-01-31T23:30", *PLAIN, "x=2026-01-31T23:00"),
        ("DATE", "months(x)", "2026-01-31", "DATE '2026-01-01'", "DATE '2026-02-01'", "x=2026-01"),
        ("TIMESTAMP", "days(x)", "1969-12-31", *OLD, "x=1969-12-31"),
    ],
)
def test_a_value_is_what_the_column_means_by_it(spark, namespace, kind, by, given, inside, outside, label):  # noqa: PLR0917
    table = make(spark, namespace, f"id INT, x {kind}", by, f"(1, {inside})", f"(2, {outside})")
    partition = partition_of(spark, load(spark, table), {"x": given})
    assert partition.label == label
    assert [row.id for row in spark.sql(f"SELECT id FROM {table} WHERE {partition.where}").collect()] == [1]
    run(spark, table, {"x": given}, f"INSERT INTO {table} VALUES (3, {inside})")
    assert sorted(row.id for row in spark.table(table).collect()) == [2, 3]
    spark.sql(f"DROP TABLE {table}")


@pytest.mark.parametrize(
    ("kind", "by", "given", "told"),
    [
        ("DATE", "x", "2026-01-31T00:00:00-05:00", "is not a date, as the column is: write 2026-01-31, without a time"),
        ("DATE", "x", "2026-02-30", "is not a date"),
        ("DATE", "months(x)", "2026-01-31T05:00", "is not a date, as the column is"),
        ("TIMESTAMP_NTZ", "days(x)", "2026-01-31T05:00+01:00", "has an offset, and the column has no time zone"),
        ("TIMESTAMP_NTZ", "x", "2026-01-31T05:00Z", "has an offset, and the column has no time zone"),
        ("TIMESTAMP", "days(x)", "yesterday", "is not a time, as the column is"),
        ("INT", "x", "2026-01-31", "is not a whole number"),
        ("INT", "x", 9_000_000_000, "is too large for the column"),
        ("INT", "x", True, "is not a whole number"),
        ("BOOLEAN", "x", "yes", "is not a boolean"),
        ("DECIMAL(9,2)", "x", "1.505", "has more decimals than the column"),
        ("DOUBLE", "x", "nan", "is not a number"),
        ("BINARY", "x", "a", "can't be compared with the column"),
    ],
)
def test_a_value_that_the_column_can_t_have_is_refused(spark, namespace, kind, by, given, told):
    table = make(spark, namespace, f"id INT, x {kind}", by)
    with pytest.raises(DataflowError) as refused:
        partition_of(spark, load(spark, table), {"x": given})
    assert refused.value.message.startswith("partition column x: ")
    assert told in refused.value.message
    spark.sql(f"DROP TABLE {table}")


def test_columns_are_named_without_regard_to_case_and_once(spark, namespace):
    table = make(spark, namespace, "id INT, Day DATE", "Day")
    assert partition_of(spark, load(spark, table), {"DAY": "2026-01-31"}).label == "Day=2026-01-31"
    with pytest.raises(DataflowError, match="names Day twice"):
        partition_of(spark, load(spark, table), {"DAY": "2026-01-31", "day": "2026-01-31"})


def test_a_field_of_a_struct_can_be_what_a_table_is_partitioned_by(spark, namespace):
    table = make(spark, namespace, "id INT, at STRUCT<day: DATE>", "at.day")
    for id_ in (1, 2):
        run(
            spark,
            table,
            {"At.day": "2026-01-31"},
            f"INSERT INTO {table} VALUES ({id_}, named_struct('day', DATE '2026-01-31'))",
        )
    assert [row.id for row in spark.table(table).collect()] == [2]


@pytest.mark.parametrize("name", ["my-table", "таблица", "2026 sales", "a.b", "back`tick", "select"])
def test_any_name_of_a_table_works(spark, namespace, name):
    from dataflow.workflow.table_names import joined, quoted_parts

    quoted = quoted_parts((namespace, name))
    spark.sql(f"CREATE TABLE {quoted} (id INT, date DATE) USING iceberg PARTITIONED BY (date)")
    for called in (quoted, joined((namespace, name))):
        run(spark, called, {"date": "2026-01-31"}, f"INSERT INTO {quoted} VALUES (1, DATE '2026-01-31')")
    assert spark.table(quoted).count() == 1
