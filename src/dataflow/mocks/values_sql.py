"""A mock as SQL: the fastest way for a few rows into Spark, and exact."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from dataflow.mocks.model import Mock, Value
from dataflow.tables.quoting import column_name, text
from dataflow.tables.schema.spark_types import SqlType

_FLOATS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def to_values_sql(mock: Mock) -> str:
    """Write a mock as a query that returns its rows, each column in its declared type."""
    casts = ", ".join(
        f"CAST(c{i} AS {column.type}) AS {column_name(column.name)}" for i, column in enumerate(mock.columns)
    )
    names = ", ".join(f"c{i}" for i in range(len(mock.columns)))
    types = [column.type for column in mock.columns]
    rows = mock.rows or ((None,) * len(types),)
    values = ",\n  ".join(f"({_joined(map(_cell, row, types))})" for row in rows)
    return f"SELECT {casts} FROM VALUES\n  {values}\nAS mock({names})" + ("" if mock.rows else " WHERE false")


def _cell(value: Value, type_: SqlType) -> str:
    # Scalars stay text until the outer CAST: all rows of a column must agree in type, nulls and all.
    cell = _expression(value, type_)
    return f"CAST({cell} AS {type_})" if type_.nested else cell


def _expression(value: Any, type_: SqlType) -> str:
    if value is None:
        return "NULL"
    if type_.name == "array":
        return f"array({_joined(_typed(item, type_.parts[0]) for item in value)})"
    if type_.name == "map":
        key, inner = type_.parts
        return f"map({_joined(f'{_typed(k, key)}, {_typed(v, inner)}' for k, v in value.items())})"
    if type_.name == "struct":
        return f"named_struct({_joined(f'{text(n)}, {_typed(value[n], t)}' for n, t in type_.fields)})"
    if type_.name == "binary":
        return f"unhex('{value.hex()}')"
    return text(_words(value))


def _typed(value: Any, type_: SqlType) -> str:
    return f"CAST({_expression(value, type_)} AS {type_})"


def _words(value: Any) -> str:
    """Write a scalar as text that Spark's CAST reads back to the same value, in any session's time zone."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return _FLOATS.get(repr(value), repr(value))
        case dt.datetime(tzinfo=None):
            return value.isoformat(" ")
        case dt.datetime():
            return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ") + "Z"
        case _:
            return str(value)


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)
