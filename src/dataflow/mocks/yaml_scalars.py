"""One value of a mock against its declared type.

A mock is read by Python, Java and R, and to some YAML readers `NO` is false, `12:30` is 750 and `1e3` a text.
So only what all of them read alike is taken: texts in quotes, and the plainest form of a number.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import struct
from collections.abc import Callable
from decimal import Decimal

from dataflow.mocks.model import Value
from dataflow.tables.schema.spark_types import SqlType

_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_INTEGER = re.compile(r"-?(0|[1-9]\d*)")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_FLOAT = re.compile(r"-?(0|[1-9]\d*)(\.\d+([eE][-+]\d+)?)?")
_SPECIAL = {".nan": "nan", ".inf": "inf", "-.inf": "-inf"}
_DAY = r"\d{4}-\d\d-\d\d"
_DATE = re.compile(_DAY)
_MOMENT = re.compile(_DAY + r"[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[-+]\d\d:\d\d)?")


def read_scalar(word: str, quoted: bool, type_: SqlType) -> Value:
    """Read a value that is not null.

    Args:
        word: What stands in the file, without quotes.
        quoted: Whether it stood in quotes.
        type_: A type that is not nested.

    Raises:
        ValueError: It is not such a value, or not written as one; the message says how it should be.
    """
    if type_.name == "void":
        raise ValueError("a void is always null")
    if type_.name in _IN_QUOTES:
        if not quoted:
            raise ValueError(f'{_article(type_)} stands in quotes: "{word}"')
        return _IN_QUOTES[type_.name](word)
    if quoted and type_.name != "decimal":
        raise ValueError(f"{_article(type_)} stands without quotes")
    if type_.name in _BITS:
        return _integer(word, type_)
    if type_.name == "decimal":
        return _decimal(word, type_)
    return _PLAIN[type_.name](word)


def _article(type_: SqlType) -> str:
    return f"{'an' if type_.name[0] in 'ai' else 'a'} {type_}"


def _integer(word: str, type_: SqlType) -> int:
    if not _INTEGER.fullmatch(word):
        raise ValueError(f"'{word}' is not {_article(type_)}: write a whole number, such as 1000")
    bound = 2 ** (_BITS[type_.name] - 1)
    if not -bound <= int(word) < bound:
        raise ValueError(f"{word} does not fit into {_article(type_)}")
    return int(word)


def _decimal(word: str, type_: SqlType) -> Decimal:
    if not _NUMBER.fullmatch(word):
        raise ValueError(f"'{word}' is not a decimal: write it in full, such as 1000.25")
    precision, scale = type_.digits
    whole, _, fraction = word.lstrip("-").partition(".")
    if len(fraction) > scale or len(whole.lstrip("0")) > precision - scale:
        raise ValueError(f"{word} does not fit into a {type_}")
    return Decimal(f"{word}{'' if fraction else '.' * bool(scale)}{'0' * (scale - len(fraction))}")


def _double(word: str) -> float:
    if word in _SPECIAL:
        return float(_SPECIAL[word])
    if not _FLOAT.fullmatch(word):
        raise ValueError(f"'{word}' is not a number as every YAML reader takes it: write 1000.0 or 1.0e+3")
    return float(word)


def _float(word: str) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", _double(word)))[0])
    except OverflowError:
        raise ValueError(f"{word} does not fit into a float") from None


def _boolean(word: str) -> bool:
    if word not in {"true", "false"}:
        raise ValueError(f"'{word}' is not a boolean: write true or false")
    return word == "true"


def _date(word: str) -> dt.date:
    with contextlib.suppress(ValueError):
        if _DATE.fullmatch(word):
            return dt.date.fromisoformat(word)
    raise ValueError(f"'{word}' is not a date: write \"2026-01-31\"")


def _moment(word: str) -> dt.datetime:
    with contextlib.suppress(ValueError):
        if _MOMENT.fullmatch(word):
            return dt.datetime.fromisoformat(word)
    raise ValueError(f"'{word}' is not a timestamp: write \"2026-01-31 12:30:00\"")


def _timestamp(word: str) -> dt.datetime:
    moment = _moment(word)
    try:
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError(f"'{word}' is not in the years 0001 to 9999 in UTC, which a mock can hold") from None


def _timestamp_ntz(word: str) -> dt.datetime:
    moment = _moment(word)
    if moment.tzinfo is not None:
        raise ValueError(f"'{word}' has a time zone, and a timestamp_ntz has none")
    return moment


def _binary(word: str) -> bytes:
    try:
        return bytes.fromhex(word)
    except ValueError:
        raise ValueError(f"'{word}' is not binary: write its bytes in hex, such as \"00ff\"") from None


_IN_QUOTES: dict[str, Callable[[str], Value]] = {
    "string": str,
    "date": _date,
    "timestamp": _timestamp,
    "timestamp_ntz": _timestamp_ntz,
    "binary": _binary,
}
_PLAIN: dict[str, Callable[[str], Value]] = {"boolean": _boolean, "float": _float, "double": _double}
