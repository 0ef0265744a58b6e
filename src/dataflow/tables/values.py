"""Values of a definition as a column's own: converted to what the column means, or refused.

YAML knows no dates here: a date, a moment and an offset are text. A moment with an offset is an instant, which a
timestamp has; a timestamp without a zone and a date have no such thing, so an offset there is refused, not dropped.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.workflow.values import Scalar

_WHOLE = re.compile(r"[+-]?\d+")
_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}")


def date_of(value: Scalar) -> dt.date:
    """Read the value of a column of dates.

    Raises:
        ValueError: It is none; the message says what it should be.
    """
    try:
        if _DATE.fullmatch(str(value)):
            return dt.date.fromisoformat(str(value))
    except ValueError:
        pass
    hint = ", without a time or an offset" if _moment(value) is not None else ""
    raise ValueError(f"{value!r} is not a date, as the column is: write 2026-01-31{hint}")


def moment_of(value: Scalar, *, zoned: bool) -> dt.datetime:
    """Read the value of a column of moments: in UTC where it has an offset, else as it is written.

    Args:
        value: The value.
        zoned: Whether the column has instants.

    Raises:
        ValueError: It is none; the message says what it should be.
    """
    moment = _moment(value)
    if moment is None:
        raise ValueError(f"{value!r} is not a time, as the column is: write '2026-01-31 12:30:00'")
    if moment.tzinfo is None:
        return moment
    if not zoned:
        raise ValueError(f"{value!r} has an offset, and the column has no time zone: write it without")
    return moment.astimezone(dt.UTC)


def is_day(value: Scalar) -> bool:
    """Say whether a value is a date and no more."""
    return bool(_DATE.fullmatch(str(value)))


def number_of(value: Scalar) -> Decimal:
    """Read the value of a column of numbers.

    Raises:
        ValueError: It is none.
    """
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            number = Decimal(str(value))
            if number.is_finite():
                return number
    except InvalidOperation:
        pass
    raise ValueError(f"{value!r} is not a number, as the column is")


def whole_of(value: Scalar, bits: int) -> int:
    """Read the value of a column of whole numbers.

    Raises:
        ValueError: It is none, or does not fit.
    """
    given = str(value).strip()
    if isinstance(value, bool) or not _WHOLE.fullmatch(given):
        raise ValueError(f"{value!r} is not a whole number, as the column is")
    if not -(2 ** (bits - 1)) <= int(given) < 2 ** (bits - 1):
        raise ValueError(f"{value!r} is too large for the column, which has {bits} bits")
    return int(given)


def flag_of(value: Scalar) -> bool:
    """Read the value of a column of booleans.

    Raises:
        ValueError: It is none; the message says what it should be.
    """
    if str(value).lower() not in {"true", "false"}:
        raise ValueError(f"{value!r} is not a boolean, as the column is: write true or false")
    return str(value).lower() == "true"


def _moment(value: Scalar) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
