"""The values of a definition as SQL literals that compare rightly with a column of a given type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.tables.quoting import text
from dataflow.tables.values import date_of, flag_of, moment_of, number_of

if TYPE_CHECKING:
    from pyspark.sql.types import DataType

    from dataflow.workflow.values import Scalar

_WHOLE = frozenset({"byte", "short", "integer", "long"})


def literal(value: Scalar, type_: DataType) -> str:
    """Write a value for a comparison with a column.

    Raises:
        ValueError: No value of that column can be equal to it; the message says what it should be.
    """
    kind = type_.typeName()
    match kind:
        case "string" | "char" | "varchar":
            return text(_string(value))
        case "boolean":
            return str(flag_of(value)).lower()
        case "date":
            return f"DATE'{date_of(value).isoformat()}'"
        case "timestamp" | "timestamp_ntz":
            return f"{kind.upper()}'{moment_of(value, zoned=kind == 'timestamp').isoformat(' ')}'"
        case "float" | "double":
            return f"CAST('{number_of(value)}' AS {kind})"
        case "decimal" | "byte" | "short" | "integer" | "long":
            number = number_of(value)
            whole = kind in _WHOLE and number == number.to_integral_value() and abs(number) < 2**31
            return str(int(number)) if whole else f"{number:f}BD"
        case _:
            raise ValueError(f"a column of type {type_.simpleString()} can't be compared with a value")


def _string(value: Scalar) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is not a text, as the column is: write it in quotes")
