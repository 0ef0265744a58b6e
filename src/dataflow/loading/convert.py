"""Values into Arrow, in the types that they are to have; what does not fit is named, value by value."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dataflow.errors import UsageError
from dataflow.loading.json_file import Number
from dataflow.tables import values
from dataflow.tables.schema.spark_types import SqlType

if TYPE_CHECKING:
    import pyarrow as pa

_CUT = 40  # characters of a value that a message shows


def arrow_type(type_: SqlType) -> pa.DataType:
    """Return the Arrow type that Iceberg stores a Spark type from."""
    import pyarrow as pa

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
        "boolean": pa.bool_(),
        "tinyint": pa.int32(),  # Iceberg has none that are smaller
        "smallint": pa.int32(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "string": pa.string(),
        "binary": pa.binary(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", "UTC"),
        "timestamp_ntz": pa.timestamp("us"),
    }[type_.name]


def spark_type(type_: pa.DataType) -> SqlType:  # noqa: C901, PLR0911  # one for each kind of type
    """Return the Spark type that a column of a Parquet file gets.

    Raises:
        ValueError: There is none.
    """
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_dictionary(type_):
        return spark_type(type_.value_type)
    if kinds.is_uint64(type_):
        return SqlType("decimal", digits=(20, 0))
    if kinds.is_int64(type_) or kinds.is_uint32(type_):
        return SqlType("bigint", digits=(19, 0))
    if kinds.is_integer(type_):
        return SqlType("int", digits=(10, 0))
    if kinds.is_decimal(type_) and type_.precision <= 38 and 0 <= type_.scale <= type_.precision:
        return SqlType("decimal", digits=(type_.precision, type_.scale))
    if kinds.is_timestamp(type_):
        return SqlType("timestamp" if type_.tz else "timestamp_ntz")
    if kinds.is_list(type_) or kinds.is_large_list(type_) or kinds.is_fixed_size_list(type_):
        return SqlType("array", parts=(spark_type(type_.value_type),))
    if kinds.is_map(type_):
        return SqlType("map", parts=(spark_type(type_.key_type), spark_type(type_.item_type)))
    if kinds.is_struct(type_):
        return SqlType("struct", fields=tuple((it.name, spark_type(it.type)) for it in type_))
    tests: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
        (kinds.is_boolean, "boolean"),
        (kinds.is_float16, "float"),
        (kinds.is_float32, "float"),
        (kinds.is_float64, "double"),
        (kinds.is_string, "string"),
        (kinds.is_large_string, "string"),
        (kinds.is_string_view, "string"),
        (kinds.is_binary, "binary"),
        (kinds.is_large_binary, "binary"),
        (kinds.is_fixed_size_binary, "binary"),
        (kinds.is_date, "date"),
        (kinds.is_null, "void"),
    )
    for test, name in tests:
        if test(type_):
            return SqlType(name)
    raise ValueError(f"a table has no type for Parquet's {type_}")


def converted(column: Any, type_: SqlType) -> tuple[pa.Array, dict[int, str]]:
    """Convert a column of a chunk.

    Returns:
        The values, null where one does not fit, and by position what is wrong with those.
    """
    import pyarrow as pa

    target = arrow_type(type_)
    if isinstance(column, pa.Array | pa.ChunkedArray):
        try:
            return column.cast(target), {}
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # a value, or all of this type, can't be cast
            column = column.to_pylist()
    elif not type_.nested and type_.name != "binary" and all(it is None or type(it) is str for it in column):
        try:
            return pa.array(column, pa.string()).cast(target), {}
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass  # below each value is looked at, and those that don't fit are named
    return _one_by_one(column, type_, target)


def _one_by_one(column: Sequence[Any], type_: SqlType, target: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
    import pyarrow as pa

    found: list[Any] = []
    wrong: dict[int, str] = {}
    for position, given in enumerate(column):
        try:
            value = _value(given, type_)
            pa.scalar(value, target)
        except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
            value = None
            own = type(error) is ValueError  # our own words
            wrong[position] = str(error) if own else f"{shown(given)} does not fit {type_}"
        found.append(value)
    return pa.array(found, target), wrong


def shown(value: Any) -> str:
    """Return a value for a message, cut."""
    text = value if isinstance(value, str) else _json(value)
    quoted = f"'{text[:_CUT]}…'" if len(text) > _CUT else f"'{text}'"
    return quoted if quoted.isprintable() else ascii(quoted)


def _json(value: Any) -> str:
    """Write a value as the JSON that it was, numbers with their own digits."""
    match value:
        case Number():
            return str(value)
        case list():
            return f"[{', '.join(map(_json, value))}]"
        case dict():
            return "{" + ", ".join(f"{_json(str(key))}: {_json(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False, default=str)


def _value(given: Any, type_: SqlType) -> Any:  # noqa: C901, PLR0911  # one for each kind of type
    """Convert one value.

    Raises:
        ValueError: It is not a value of the type.
    """
    if given is None:
        return None
    match type_.name:
        case "array" if isinstance(given, list):
            return [_value(item, type_.parts[0]) for item in given]
        case "map" if isinstance(given, dict):
            return [(_value(key, type_.parts[0]), _value(item, type_.parts[1])) for key, item in given.items()]
        case "map" if isinstance(given, list):
            return given
        case "struct" if isinstance(given, dict):
            if more := given.keys() - dict(type_.fields).keys():
                raise ValueError(f"has the field {min(more)}, which the table's column has not")
            return {name: _value(given.get(name), inner) for name, inner in type_.fields}
        case "string" if not isinstance(given, bytes):
            return given if isinstance(given, str) else _json(given)
        case "binary" if isinstance(given, bytes):
            return given
        case "array" | "map" | "struct" | "binary":
            raise ValueError(f"{shown(given)} is not {type_}")
    if not isinstance(given, str):
        return given  # Arrow says whether it fits
    return _scalar(str(given), type_)


def _scalar(text: str, type_: SqlType) -> Any:  # noqa: PLR0911  # one for each kind of type
    try:
        match type_.name:
            case "boolean":
                return values.flag_of(text)
            case "tinyint" | "smallint" | "int":
                return values.whole_of(text, 32)
            case "bigint":
                return values.whole_of(text, 64)
            case "decimal":
                return values.number_of(text)
            case "float" | "double":
                return float(text)
            case "date":
                return values.date_of(text)
            case _:
                return values.moment_of(text, zoned=type_.name == "timestamp")
    except (UsageError, ValueError):
        raise ValueError(f"{shown(text)} is not {_article(type_)}") from None


def _article(type_: SqlType) -> str:
    return f"{'an' if type_.name[0] in 'aeiou' else 'a'} {type_}"
