"""Audits of fields inside columns, and of values that have a time zone or none."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter
from pyspark.sql import SparkSession

from dataflow.errors import DataflowError
from dataflow.jobs.audit import AuditedRows, AuditResult, run_audits
from dataflow.workflow.audits import Audit

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def table(spark: SparkSession) -> str:
    spark.sql("CREATE NAMESPACE IF NOT EXISTS nested")
    spark.sql(
        "CREATE TABLE nested.`play-s` (Who STRUCT<Id: INT, home: STRUCT<`c.c`: STRING>>, at TIMESTAMP, "
        "wall TIMESTAMP_NTZ, day DATE, `a.b` INT) USING iceberg"
    )
    spark.sql(
        "INSERT INTO nested.`play-s` VALUES "
        "(named_struct('Id', 1, 'home', named_struct('c.c', 'US')), TIMESTAMP '2026-01-31 23:30:00-05:00', "
        "TIMESTAMP_NTZ '2026-01-31 23:30:00', DATE '2026-01-31', 1), "
        "(named_struct('Id', 1, 'home', NULL), NULL, NULL, NULL, 2)"
    )
    return "nested.`play-s`"


def audit(spark: SparkSession, table: str, **declared: Any) -> AuditResult:
    audits: list[Audit] = TypeAdapter(list[Audit]).validate_python([declared])
    (found,) = run_audits(spark, AuditedRows(table), audits, folder=None, params={}, history=())
    return found


def test_fields_of_structs_are_audited(spark: SparkSession, table: str) -> None:
    columns = ["who.id", "WHO.home.`c.c`", "a.b"]
    nulls = audit(spark, table, function="columns_should_not_have_nulls", columns=columns)
    assert nulls.message == "1 row with NULL in Who.home.c.c (expected 0)"
    twice = audit(spark, table, function="columns_should_be_unique", columns=["who.id"])
    assert (twice.figure, twice.sample) == (1, ({"Who.Id": "1", "rows": "2"},))
    assert audit(spark, table, function="column_should_be_between", column="Who.Id", min=1, max=1).passed
    country = audit(spark, table, function="values_should_be_in", column="who.home.`c.c`", values=["CA"])
    assert country.message == "1 row with another value in Who.home.c.c (expected 0)"


def test_a_field_that_is_not_there_is_told_with_the_nearest(spark: SparkSession, table: str) -> None:
    with pytest.raises(DataflowError, match=r"has no column 'who\.ids'; did you mean 'Who\.Id'"):
        audit(spark, table, function="columns_should_be_unique", columns=["who.ids"])


@pytest.mark.parametrize(
    ("column", "low", "passed"),
    [
        ("at", "2026-02-01T04:30:00Z", True),
        ("at", "2026-01-31T23:30:00-05:00", True),
        ("at", "2026-02-01T05:31:00+01:00", False),
        ("at", "2026-02-01 04:30:00", True),
        ("wall", "2026-01-31 23:30:00", True),
    ],
)
def test_a_bound_with_an_offset_is_the_instant_that_it_says(
    spark: SparkSession, table: str, column: str, low: str, passed: bool
) -> None:
    assert audit(spark, table, function="column_should_be_between", column=column, min=low).passed == passed


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("wall", "has an offset, and the column has no time zone: write it without"),
        ("day", "is not a date, as the column is: write 2026-01-31, without a time or an offset"),
    ],
)
def test_an_offset_is_refused_where_the_column_has_none(
    spark: SparkSession, table: str, column: str, told: str
) -> None:
    value = "2026-01-31T23:30:00-05:00"
    with pytest.raises(DataflowError) as refused:
        audit(spark, table, function="column_should_be_between", column=column, min=value)
    assert refused.value.message == f"audit column_should_be_between, column {column}: {value!r} {told}"
