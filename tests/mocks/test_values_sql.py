"""Mocks in a real Spark: what stands in the file is what a script reads, to the last bit."""

import datetime as dt
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from dataflow.mocks import Mock, MockColumn, to_values_sql
from dataflow.tables.schema.spark_types import parse_type
from dataflow.testing.row_diff import RowSet as Table
from dataflow.testing.row_diff import difference, table_rows
from dataflow.testing.row_matching import Tolerance

pytestmark = pytest.mark.spark

moments = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 30))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "tinyint": st.integers(-(2**7), 2**7 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32),
    "double": st.floats(),
    "decimal(38,10)": st.decimals(-(10**27), 10**27, places=10),
    "string": texts,
    "date": st.dates(),
    "timestamp": moments.map(lambda moment: moment.replace(tzinfo=dt.UTC)),
    "timestamp_ntz": moments,
    "binary": st.binary(max_size=8),
    "array<double>": st.lists(st.none() | st.floats(), max_size=3),
    "map<string,bigint>": st.dictionaries(texts, st.none() | st.integers(-9, 9), max_size=3),
    "struct<a:int,`b c`:array<date>>": st.fixed_dictionaries(
        {"a": st.none() | st.integers(-9, 9), "b c": st.lists(st.dates(), max_size=2)}
    ),
}
COLUMNS = tuple(MockColumn(f"`{i}.", parse_type(type_)) for i, type_ in enumerate(VALUES))


@settings(max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(rows=st.lists(st.tuples(*(st.none() | values for values in VALUES.values())), min_size=10, max_size=20))
def test_every_value_arrives_as_it_was_written(spark: SparkSession, rows: list[tuple[Any, ...]]) -> None:
    mock = Mock(Path("mock.yaml"), None, COLUMNS, tuple(rows))

    found = table_rows(spark, spark.sql(to_values_sql(mock)))

    assert found.types == tuple(str(column.type) for column in COLUMNS)
    expected = Table("", found.columns, [tuple(map(naive, row)) for row in rows])
    assert difference(found, expected, [], Tolerance(0)) == ""
    doubles = list(VALUES).index("double")
    assert [bits(row[doubles]) for row in found.rows] == [bits(row[doubles]) for row in rows]


def test_a_mock_without_rows_is_a_table_with_columns(spark: SparkSession) -> None:
    mock = Mock(Path("mock.yaml"), None, COLUMNS, ())

    frame = spark.sql(to_values_sql(mock))

    assert frame.columns == [column.name for column in COLUMNS]
    assert frame.collect() == []


def test_a_timestamp_means_the_same_moment_in_any_session(spark: SparkSession) -> None:
    noon = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    mock = Mock(Path("mock.yaml"), None, (MockColumn("at", parse_type("timestamp")),), ((noon,),))
    abroad = spark.newSession()
    abroad.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")

    assert abroad.sql(f"SELECT unix_seconds(at) FROM ({to_values_sql(mock)})").collect() == [(noon.timestamp(),)]


def naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value


def bits(value: float | None) -> bytes:
    return b"" if value is None else b"nan" if math.isnan(value) else struct.pack("<d", value)
