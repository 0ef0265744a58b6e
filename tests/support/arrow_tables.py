"""Rows of a mock's types as Arrow has them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dataflow.mocks import MockColumn
from dataflow.tables.schema.spark_types import SqlType


def arrow_type(type_: SqlType) -> pa.DataType:
    match type_.name:
        case "decimal":
            return pa.decimal128(*type_.digits)
        case "array":
            return pa.list_(arrow_type(type_.parts[0]))
        case "map":
            return pa.map_(*map(arrow_type, type_.parts))
        case "struct":
            return pa.struct([(name, arrow_type(inner)) for name, inner in type_.fields])
    return {
        "boolean": pa.bool_(), "int": pa.int32(), "bigint": pa.int64(), "float": pa.float32(), "double": pa.float64(),
        "string": pa.string(), "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC"),
        "timestamp_ntz": pa.timestamp("us"), "binary": pa.binary(),
    }[type_.name]  # fmt: skip


def arrow_value(value: Any, type_: SqlType) -> Any:
    match type_.name, value:
        case _, None:
            return None
        case "array", list():
            return [arrow_value(item, type_.parts[0]) for item in value]
        case "map", dict():
            return [(key, arrow_value(item, type_.parts[1])) for key, item in value.items()]
        case "struct", dict():
            return {name: arrow_value(value[name], inner) for name, inner in type_.fields}
    return value


def arrow_table(of: tuple[MockColumn, ...], some: tuple[tuple[Any, ...], ...]) -> pa.Table:
    arrays = [
        pa.array([arrow_value(row[i], column.type) for row in some], arrow_type(column.type))
        for i, column in enumerate(of)
    ]
    return pa.Table.from_arrays(arrays, names=[column.name for column in of])
