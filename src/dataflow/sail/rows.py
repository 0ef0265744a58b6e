"""Rows as Spark returns them, made of Sail's: the same Python values, and the same Arrow types."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dataflow.sail.judgement import SparkDecides

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Row

Convert = Callable[[Any], Any]


def spark_table(found: pa.Table) -> pa.Table:
    """Return rows with the Arrow types that Spark gives them, everything nullable.

    Raises:
        SparkDecides: A column has a type that was not compared.
    """
    import pyarrow as pa

    types = [_type(column.type) for column in found.columns]
    columns = [column.cast(type_) for column, type_ in zip(found.columns, types, strict=True)]
    return pa.Table.from_arrays(columns, names=found.schema.names)


def spark_rows(found: pa.Table) -> list[Row]:
    """Return rows as Spark's `collect` does."""
    from pyspark.sql import Row

    shape = Row(*found.schema.names)
    converted = [map(_converter(column.type), column.to_pylist()) for column in found.columns]
    return [shape(*values) for values in zip(*converted, strict=True)]


def plain_values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values with structs and maps as dictionaries; moments keep their zone, which is UTC."""
    return list(map(_plainly(column.type), column.to_pylist()))


def _plainly(type_: pa.DataType) -> Convert:
    import pyarrow as pa

    is_ = pa.types
    if is_.is_struct(type_):
        fields = [(it.name, _plainly(it.type)) for it in type_]
        return _or_null(lambda value: {name: convert(value[name]) for name, convert in fields})
    if is_.is_list(type_):
        convert = _plainly(type_.value_type)
        return _or_null(lambda value: [convert(each) for each in value])
    if is_.is_map(type_):
        key, item = _plainly(type_.key_type), _plainly(type_.item_type)
        return _or_null(lambda value: {key(k): item(v) for k, v in value})
    return lambda value: value


def _type(type_: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    is_ = pa.types
    if is_.is_struct(type_):
        return pa.struct([pa.field(it.name, _type(it.type)) for it in type_])
    if is_.is_list(type_) or is_.is_large_list(type_):
        return pa.list_(pa.field("element", _type(type_.value_type)))
    if is_.is_map(type_):
        return pa.map_(_type(type_.key_type), _type(type_.item_type))
    return _plain(type_)


def _plain(type_: pa.DataType) -> pa.DataType:
    """Return the type of a column without parts."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_string(type_) or is_.is_large_string(type_) or is_.is_string_view(type_):
        return pa.string()
    if is_.is_binary(type_) or is_.is_large_binary(type_) or is_.is_binary_view(type_):
        return pa.binary()
    if is_.is_timestamp(type_) and type_.unit == "us":
        return pa.timestamp("us", None if type_.tz is None else "UTC")
    alike = (is_.is_boolean, is_.is_float32, is_.is_float64, is_.is_date32, is_.is_decimal128, is_.is_null)
    if any(each(type_) for each in alike) or is_.is_signed_integer(type_):
        return type_
    raise SparkDecides(f"a column of type {type_} was not compared")


def _converter(type_: pa.DataType) -> Convert:
    """Return what turns Arrow's values of a type into those of Spark's rows."""
    import pyarrow as pa
    from pyspark.sql import Row

    is_ = pa.types
    if is_.is_struct(type_):
        fields = [(it.name, _converter(it.type)) for it in type_]
        shape = Row(*(name for name, _ in fields))
        return _or_null(lambda value: shape(*(convert(value[name]) for name, convert in fields)))
    if is_.is_list(type_):
        convert = _converter(type_.value_type)
        return _or_null(lambda value: [convert(each) for each in value])
    if is_.is_map(type_):
        key, item = _converter(type_.key_type), _converter(type_.item_type)
        return _or_null(lambda value: {key(k): item(v) for k, v in value})
    if is_.is_timestamp(type_) and type_.tz is not None:
        return _or_null(_local)
    return lambda value: value


def _local(moment: dt.datetime) -> dt.datetime:
    """Return a moment as PySpark does: the local time of this process, without its zone."""
    return moment.astimezone().replace(tzinfo=None)


def _or_null(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)
