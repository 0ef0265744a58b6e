"""How single values are written in a definition."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from dataflow.workflow import table_names

FIRST_DAY, LAST_DAY = dt.date(1000, 1, 1), dt.date(9998, 12, 31)
"""The days that a run may be for: Python's calendar goes on far enough for what stands before and after them."""

_MOST = 366 * 86400.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


Scalar = str | int | float | bool
"""A value that a partition or an audit is compared with; a date is text, as YAML has it."""


def seconds(value: object) -> object:
    """Read a duration such as 30s, 10m, 2h or 1d."""
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", value.strip())):
        if (span := float(found[1]) * _UNITS[found[2]]) <= _MOST:
            return span
        raise ValueError("should be a year at most")
    raise ValueError("should be a number and a unit, such as 30s, 10m, 2h or 1d")


def day(value: object) -> object:
    """Read a date such as 2026-01-31, and nothing else: Pydantic takes numbers for seconds since 1970."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        try:
            found = dt.date.fromisoformat(value)
        except ValueError:
            raise ValueError("should be a date that exists") from None
        if not FIRST_DAY <= found <= LAST_DAY:
            raise ValueError(f"should be a day from {FIRST_DAY} to {LAST_DAY}")
        return found
    if isinstance(value, dt.date):
        return value
    raise ValueError("should be a date such as 2026-01-31")


def is_timezone(name: str) -> bool:
    """Say whether a time zone of this name exists."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def table_name(value: str) -> str:
    """Read a table's name, in backticks or not, and return it as people would say it."""
    if not table_names.is_name(value):
        raise ValueError(f"'{value}' is not a table's name: write database.table, in backticks what holds a dot")
    return table_names.plain(value)


Duration = Annotated[float, BeforeValidator(seconds, json_schema_input_type=str), Field(examples=["30s", "10m", "2h"])]
"""Seconds, written as a number and a unit."""

TableName = Annotated[str, AfterValidator(table_name)]
"""A table's name, quoted or not; within the tool it has no quotes."""
