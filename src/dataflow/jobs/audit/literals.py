"""The values of a definition as SQL literals that compare rightly with a column of a given type."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from dataflow.tables.literals import text

if TYPE_CHECKING:
    from pyspark.sql.types import DataType

    from dataflow.workflow.auditmodels import Scalar

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
            return _boolean(value)
        case "date":
            return f"DATE'{_date(value).isoformat()}'"
        case "timestamp" | "timestamp_ntz":
            return f"CAST('{_moment(value).isoformat(' ')}' AS {kind})"
        case "float" | "double":
            return f"CAST('{_number(value)}' AS {kind})"
        case "decimal" | "byte" | "short" | "integer" | "long":
            number = _number(value)
            whole = kind in _WHOLE and number == number.to_integral_value() and abs(number) < 2**31
            return str(int(number)) if whole else f"{number:f}BD"
        case _:
            raise ValueError(f"a column of type {type_.simpleString()} can't be compared with a value")


def _string(value: Scalar) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is not a text, as the column is: write it in quotes")


def _boolean(value: Scalar) -> str:
    if str(value).lower() not in {"true", "false"}:
        raise ValueError(f"{value!r} is not a boolean, as the column is: write true or false")
    return str(value).lower()


def _date(value: Scalar) -> dt.date:
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a date, as the column is: write 2026-01-31") from None


def _moment(value: Scalar) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a time, as the column is: write '2026-01-31 12:30:00'") from None


def _number(value: Scalar) -> Decimal:
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            number = Decimal(str(value))
            if number.is_finite():
                return number
    except InvalidOperation:
        pass
    raise ValueError(f"{value!r} is not a number, as the column is")
