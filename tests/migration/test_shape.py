"""A live table's shape, in names and types that are anything but plain."""

from __future__ import annotations

import pytest
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.types import IntegerType, ListType, MapType, NestedField, StringType, StructType, TimestampNanoType

from dataflow.migration.columns import sql_type
from dataflow.migration.shape import shape_in_spark, shape_of

NESTED = "STRUCT<order: INT, `A b`: ARRAY<STRUCT<`x-y`: MAP<STRING, INT>>>>"


class Live:
    """What PyIceberg tells of a table."""

    def __init__(self, *fields):
        self._schema = Schema(*fields)
        self.properties = {}

    def schema(self):
        return self._schema

    def spec(self):
        return PartitionSpec()


def test_names_inside_a_type_are_kept_whatever_they_hold():
    inner = StructType(NestedField(6, "x-y", MapType(7, StringType(), 8, IntegerType())))
    outer = StructType(NestedField(3, "order", IntegerType()), NestedField(4, "A b", ListType(5, inner)))
    (column,) = shape_of("s.t", Live(NestedField(1, "place", outer))).columns
    assert column.type == NESTED


def test_a_type_that_is_newer_than_we_are_is_named_and_stops_nothing():
    shape = shape_of("s.t", Live(NestedField(1, "at", TimestampNanoType()), NestedField(2, "id", IntegerType())))
    assert [column.type for column in shape.columns] == ["TIMESTAMP_NS", "INT"]


@pytest.mark.spark
def test_spark_tells_the_same_of_it(spark):
    spark.sql("CREATE NAMESPACE IF NOT EXISTS shapes")
    spark.sql(f"CREATE TABLE shapes.nested (place {NESTED}) USING iceberg")
    (column,) = shape_in_spark(spark, "shapes.nested").columns
    assert column.type == NESTED == sql_type(NESTED.replace("order", "`order`")).type
