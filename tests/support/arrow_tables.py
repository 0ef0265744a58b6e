"""Rows of a mock's types as Arrow has them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dataflow.loading.convert import arrow_type
from dataflow.mocks import MockColumn
from dataflow.tables.schema.spark_types import SqlType


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
