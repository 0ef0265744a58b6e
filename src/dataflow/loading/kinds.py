"""Which type values have: the narrowest that loses none of them, and text where there is any doubt.

A number that begins with a zero is text (a code, a telephone number), so is a date that is not written 2026-01-31, and
one that no calendar has. Whole numbers and decimals carry how many digits they need until all values have been seen.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cache, lru_cache
from typing import Any

from dataflow.loading.json_file import Number
from dataflow.tables.schema.spark_types import SqlType, distinct

STRING = SqlType("string")
_BOOLEAN = SqlType("boolean")
_DOUBLE = SqlType("double")
_DATE = SqlType("date")
_INSTANT = SqlType("timestamp")
_MOMENT = SqlType("timestamp_ntz")

_LONG_DIGITS, _MOST_DIGITS = 18, 38
_LONG = range(-(2**63), 2**63)

_NUMBER = re.compile(r"-?(?P<whole>0|[1-9][0-9]*)(?:\.(?P<places>[0-9]+))?(?P<exponent>[eE][+-]?[0-9]+)?", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<time>[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(?P<zone>Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?",
    re.ASCII,
)


class DifferentKindsError(ValueError):
    """Two values have no type in common."""


def kind_of(value: Any) -> SqlType | None:
    """Return the type of one value of JSON; None of a null.

    Raises:
        DifferentKindsError: It is a list of values that have no type in common.
    """
    match value:
        case None:
            return None
        case bool():
            return _BOOLEAN
        case Number():
            return _number(value)
        case str():
            return _time(value) or STRING
        case list():
            element: SqlType | None = None
            for item in value:
                element = common(element, kind_of(item))
            return SqlType("array", parts=(element or SqlType("void"),))
    fields = ((name, kind_of(item) or SqlType("void")) for name, item in value.items())
    return SqlType("struct", fields=distinct(fields))


@lru_cache(maxsize=100_000)
def kind_of_text(text: str) -> SqlType:
    """Return the type of a text of CSV."""
    if text.lower() in ("true", "false"):
        return _BOOLEAN
    first = text[0]
    return (_number(text) or _time(text) or STRING) if first == "-" or first.isdigit() else STRING


def common(one: SqlType | None, other: SqlType | None) -> SqlType | None:
    """Return the narrowest type that loses no value of two types; None where both know nothing but nulls.

    Raises:
        DifferentKindsError: There is none but text.
    """
    if one is None or one.name == "void" or one == other:
        return other if other is not None else one
    if other is None or other.name == "void":
        return one
    if one.number and other.number:
        return _common_number(one, other)
    if one.name == other.name == "array":
        return SqlType("array", parts=(common(one.parts[0], other.parts[0]) or SqlType("void"),))
    if one.name == other.name == "struct":
        left, right = dict(one.fields), dict(other.fields)
        names = dict.fromkeys((*left, *right))
        fields = ((name, common(left.get(name), right.get(name)) or SqlType("void")) for name in names)
        return SqlType("struct", fields=distinct(fields))
    if one.name == other.name and not one.nested:
        return one
    raise DifferentKindsError(f"{one} and {other}")


def settled(type_: SqlType | None) -> SqlType:
    """Return the type that a column gets once all of its values have been seen: with room for more of their kind."""
    if type_ is None or type_.name == "void":
        return STRING
    if type_.name == "bigint":
        return SqlType("bigint")
    if type_.name == "decimal":
        precision, scale = type_.digits
        return SqlType("decimal", digits=(_LONG_DIGITS if precision <= _LONG_DIGITS else _MOST_DIGITS, scale))
    if type_.nested:
        fields = tuple((name, settled(inner)) for name, inner in type_.fields)
        return SqlType(type_.name, parts=tuple(map(settled, type_.parts)), fields=fields)
    return type_


def _number(text: str) -> SqlType | None:
    """Return the type of what is written as a number; None of what is not."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    if found["exponent"]:
        return _DOUBLE if abs(float(text)) != float("inf") else STRING
    whole, places = len(found["whole"]), len(found["places"] or "")
    if whole + places > _MOST_DIGITS:
        return STRING
    if not places and (whole <= _LONG_DIGITS or int(text) in _LONG):
        return _sized("bigint", whole, 0)
    return _sized("decimal", whole + places, places)


@cache
def _sized(name: str, precision: int, scale: int) -> SqlType:
    """Return a type of numbers, always the same object: what looks at millions of values compares objects."""
    return SqlType(name, digits=(precision, scale))


def _common_number(one: SqlType, other: SqlType) -> SqlType:
    if {one.name, other.name} & {"float", "double"}:
        return _DOUBLE
    (left, left_scale), (right, right_scale) = one.digits, other.digits
    scale = max(left_scale, right_scale)
    precision = max(left - left_scale, right - right_scale) + scale
    if one.name != "decimal" and other.name != "decimal":
        widest = max(one, other, key=lambda it: ("tinyint", "smallint", "int", "bigint").index(it.name))
        return SqlType(widest.name, digits=(precision, 0))
    if precision > _MOST_DIGITS:
        raise DifferentKindsError(f"{one} and {other}, which take {precision} digits together")
    return SqlType("decimal", digits=(precision, scale))


def _time(text: str) -> SqlType | None:
    """Return the type of what is written as a date or a moment; None of what is not, or is in no calendar."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return _DATE if not found["time"] else _INSTANT if found["zone"] else _MOMENT
