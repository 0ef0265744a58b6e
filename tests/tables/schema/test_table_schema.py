"""A live table's shape, in names and types that are anything but plain."""

from __future__ import annotations

import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform
from pyiceberg.types import (
    IntegerType,
    ListType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampNanoType,
    TimestamptzType,
)

from dataflow.tables.schema.columns import sql_type
from dataflow.tables.schema.table_schema import live_schema, live_schema_in_spark

NESTED = "STRUCT<order: INT, `A b`: ARRAY<STRUCT<`x-y`: MAP<STRING, INT>>>>"


class Live:
    """What PyIceberg tells of a table."""

    def __init__(self, *fields, spec=None, properties=None):
        self._schema = Schema(*fields)
        self._spec = spec or PartitionSpec()
        self.properties = properties or {}

    def schema(self):
        return self._schema

    def spec(self):
        return self._spec


def test_names_inside_a_type_are_kept_whatever_they_hold():
    inner = StructType(NestedField(6, "x-y", MapType(7, StringType(), 8, IntegerType())))
    outer = StructType(NestedField(3, "order", IntegerType()), NestedField(4, "A b", ListType(5, inner)))
    (column,) = live_schema("s.t", Live(NestedField(1, "place", outer))).columns
    assert column.type == NESTED


def test_a_type_that_is_newer_than_we_are_is_named_and_stops_nothing():
    shape = live_schema("s.t", Live(NestedField(1, "at", TimestampNanoType()), NestedField(2, "id", IntegerType())))
    assert [column.type for column in shape.columns] == ["TIMESTAMP_NS", "INT"]


def test_what_a_table_is_made_of_goes_below_its_columns_and_what_it_says_of_itself_is_read():
    deep = StructType(NestedField(3, "at", TimestamptzType(), required=True, doc="when"))
    live = Live(
        NestedField(1, "place", StructType(NestedField(2, "in", deep, required=False))),
        spec=PartitionSpec(
            PartitionField(3, 1000, DayTransform(), "d"), PartitionField(3, 1001, BucketTransform(4), "b")
        ),
        properties={
            "comment": "what was played",
            "dataflow.primary-key": "id, day",
            "dataflow.moving-columns": '{"a": "B", "c": null}',
            "dataflow.retired-column.Z": "true",
        },
    )
    shape = live_schema("s.t", live)
    assert shape.partition == ("days(place.in.at)", "bucket(4, place.in.at)")
    assert shape.columns[0].full_type == "STRUCT<in: STRUCT<at: TIMESTAMP NOT NULL COMMENT 'when'>>"
    assert (shape.comment, shape.key) == ("what was played", ("id", "day"))
    assert (shape.optional, shape.retired) == ({"a", "b", "c"}, {"z"})


@pytest.mark.spark
def test_spark_tells_the_same_of_it(spark):
    spark.sql("CREATE NAMESPACE IF NOT EXISTS shapes")
    spark.sql(f"CREATE TABLE shapes.nested (place {NESTED}) USING iceberg")
    (column,) = live_schema_in_spark(spark, "shapes.nested").columns
    assert column.type == NESTED == sql_type(NESTED.replace("order", "`order`")).type
