"""Iceberg's types as a mock declares them, and Arrow's values as a mock holds them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.mocks.model import MockColumn, Row
from dataflow.mocks.yaml_text import name_text, type_text
from dataflow.tables.schema.spark_types import SqlType, distinct
from dataflow.wording import shown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa
    from pyiceberg.schema import Schema
    from pyiceberg.types import IcebergType

_NAMED = 12  # names of columns that a hint can list

# https://iceberg.apache.org/docs/latest/spark-getting-started/#iceberg-type-to-spark-type
_SPARK = {
    "boolean": "boolean",
    "int": "int",
    "long": "bigint",
    "float": "float",
    "double": "double",
    "date": "date",
    "timestamp": "timestamp_ntz",
    "timestamptz": "timestamp",
    "timestamp_ns": "timestamp_ntz",
    "timestamptz_ns": "timestamp",
    "string": "string",
    "uuid": "string",
    "binary": "binary",
    "unknown": "void",
}


@dataclass(frozen=True)
class SourceColumn:
    """A column of a table that mocks are made of.

    Attributes:
        column: Its name and type.
        nullable: Whether it may be null.
        comment: Its comment in the table.
        before: The names of the columns before it, where its place matters.
    """

    column: MockColumn
    nullable: bool = True
    comment: str = ""
    before: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name


class UnmockableError(DataflowError):
    """A table has columns that a mock can't have."""

    permanent = True

    def __init__(self, table: str, why: Mapping[str, str], others: Sequence[str]) -> None:
        """Name them.

        Args:
            table: The table.
            why: What is wrong with each of them, by its name.
            others: The names of those that a mock can have.
        """
        reasons = "; ".join(f"column {shown_name(name)}: {reason}" for name, reason in why.items())
        rest = f": --columns {','.join(others)}" if others and len(others) <= _NAMED else ""
        super().__init__(f"{table}: {reasons}", f"--columns names those that are wanted{rest}")


def source_columns(schema: Schema, table: str = "") -> tuple[SourceColumn, ...]:
    """Return the columns of an Iceberg schema as Spark sees them.

    Raises:
        UnmockableError: A mock can't have some of them; all of these are named.
    """
    fields = [(it.name, partial(spark_type, it.field_type), not it.required, it.doc) for it in schema.fields]
    return mockable(table, fields)


def mockable(
    table: str, fields: Iterable[tuple[str, Callable[[], SqlType], bool, str | None]]
) -> tuple[SourceColumn, ...]:
    """Return columns, given by name, type, whether they may be null, and comment.

    Raises:
        UnmockableError: A mock can't have some of them; all of these are named.
    """
    found: list[SourceColumn] = []
    wrong: dict[str, str] = {}
    for name, type_of, nullable, comment in fields:
        try:
            column = MockColumn(name, type_of())
            name_text(name)
            type_text(column.type)
            if name.lower() in (twin := {it.name.lower(): it.name for it in found}):
                raise ValueError(f"to Spark it is the same as {shown_name(twin[name.lower()])}")
        except ValueError as error:
            wrong[name] = str(error)
        else:
            found.append(SourceColumn(column, nullable, comment or ""))
    if wrong:
        raise UnmockableError(table, wrong, [it.name for it in found])
    return tuple(found)


def spark_type(type_: IcebergType) -> SqlType:
    """Return the Spark type that an Iceberg type is read as.

    Raises:
        ValueError: There is none.
    """
    from pyiceberg.types import DecimalType, FixedType, ListType, MapType, StructType

    match type_:
        case DecimalType():
            return SqlType("decimal", digits=(type_.precision, type_.scale))
        case FixedType():
            return SqlType("binary")
        case ListType():
            return SqlType("array", parts=(spark_type(type_.element_type),))
        case MapType():
            key, value = spark_type(type_.key_type), spark_type(type_.value_type)
            if key.nested:
                raise ValueError(f"a map's key can't be {key} in a mock")
            return SqlType("map", parts=(key, value))
        case StructType():
            return SqlType(
                "struct", fields=distinct((field.name, spark_type(field.field_type)) for field in type_.fields)
            )
    name = _SPARK.get(str(type_))
    if name is None:
        raise ValueError(f"Spark has no type for Iceberg's {type_}")
    return SqlType(name)


def rows_of(table: pa.Table, columns: Sequence[MockColumn]) -> tuple[list[Row], int]:
    """Turn an Arrow table's rows into those of a mock.

    Returns:
        The rows, and how many were left out: a mock can't contain a NUL character, nor a year beyond 9999.
    """
    rows, left_out = [], 0
    arrays = [table.column(column.name) for column in columns]
    for i in range(table.num_rows):
        try:
            row = tuple(value_of(a[i].as_py(), c.type) for a, c in zip(arrays, columns, strict=True))
        except (ValueError, OverflowError):
            left_out += 1
        else:
            rows.append(row)
    return rows, left_out


def value_of(value: Any, type_: SqlType) -> Any:  # noqa: PLR0911  # one for each kind of type
    """Turn a value as Arrow gives it into one as a mock holds it.

    Raises:
        ValueError: A mock can't hold it.
    """
    if value is None:
        return None
    match type_.name:
        case "array":
            return [value_of(item, type_.parts[0]) for item in value]
        case "map":
            return _map(value.items() if isinstance(value, dict) else value, *type_.parts)
        case "struct":
            return {name: value_of(value[name], inner) for name, inner in type_.fields}
        case "timestamp":
            return _micros(value).astimezone(dt.UTC)
        case "timestamp_ntz":
            return _micros(value).replace(tzinfo=None)
        case "string":
            if "\0" in (text := str(value)):
                raise ValueError("a mock can't contain a NUL character")
            return text
    return value


def _map(pairs: Iterable[tuple[Any, Any]], key: SqlType, value: SqlType) -> dict[Any, Any]:
    return {value_of(k, key): value_of(v, value) for k, v in pairs}


def _micros(moment: Any) -> dt.datetime:
    """Return a moment to the microsecond, as Spark reads it; PyArrow gives nanoseconds as pandas has them."""
    plain: dt.datetime = moment.to_pydatetime(warn=False) if hasattr(moment, "to_pydatetime") else moment
    return plain
