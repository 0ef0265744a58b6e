"""Masking personal data in mocks. Types stay, and equal values stay equal in all mocks, so that joins still work.

What stands in for a value is derived from it with a secret key (HMAC, RFC 2104): whoever has the mock alone can't try
out which e-mail address gives this one. The key is made once per Dataflow home; a team that wants the same masks
everywhere sets `DATAFLOW_MASK_KEY`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import hmac
import math
import os
import re
import secrets
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from dataflow.errors import UsageError, did_you_mean
from dataflow.files import create_file
from dataflow.home import home, subfolder
from dataflow.mocks.arrow import SourceColumn
from dataflow.mocks.model import MockColumn, Row
from dataflow.secret import learn
from dataflow.tables.properties import PERSONAL_DATA
from dataflow.tables.schema.spark_types import SqlType

_KEY = "DATAFLOW_MASK_KEY"
_FILE = "mask.key"
_BITS = {"tinyint": 7, "smallint": 15}
_HASHED_BITS = 31  # of int and bigint alike, so that they still join
_TAG = re.compile(r"(?<![a-z])(pii|gdpr|personal(ly)?[ _-](data|identifiable|information))(?![a-z])", re.IGNORECASE)

# Words of a name, after `userEmail` and `user-email` have become user_email.
_NAMES = {
    "email": r"e_?mails?(_addr(ess)?)?",
    "phone": r"(tele)?phones?(_(no|number))?|mobile(_(no|number))?|msisdn|fax",
    "name": r"(first|last|full|middle|maiden|given|family|sur|user|display|nick|customer|person|contact|employee"
    r"|patient|holder)_?names?",
    "address": r"(street|home|postal|mailing|billing|shipping|delivery)_?address(es)?|address_?(line)?_?\d?"
    r"|street(_(name|no|number))?|post_?code|zip(_?code)?",
    "number": r"ssn|social_security(_(no|number))?|passport(_(no|number))?|tax_?id|national_id|iban"
    r"|(credit_?)?card_(no|number)|account_(no|number)|driving_licen[cs]e(_(no|number))?",
    "birth": r"(date_of_)?birth(_?(date|day))?|dob",
    "address on the internet": r"ip(v[46])?(_?addr(ess)?)?|client_ip|remote_addr",
    "secret": r"passwords?|passwd|pwd|secret|(access|auth|api)_?(token|key)",
}
_PERSONAL = [(what, re.compile(rf"(.*_)?({pattern})(_(hash|raw|text|value))?")) for what, pattern in _NAMES.items()]


class Rule(StrEnum):
    """How a value is replaced."""

    HASH = "hash"
    FAKE = "fake"
    REDACT = "redact"
    NULL = "null"
    KEEP = "keep"


@dataclass(frozen=True)
class Mask:
    """One masked column, or field of a struct.

    Attributes:
        path: Its names from the column down.
        rule: What stands in for its values.
        why: Why it is masked.
    """

    path: tuple[str, ...]
    rule: Rule
    why: str

    def __str__(self) -> str:
        return f"{'.'.join(self.path)} ({self.rule}: {self.why})"


def plan_masks(
    columns: Sequence[SourceColumn], asked: Sequence[str], properties: Mapping[str, str] | None = None
) -> list[Mask]:
    """Return what is masked: what was requested, and what looks like personal data.

    Args:
        columns: The columns of the mock.
        asked: `--mask`: `column` or `column=rule`; `keep` shows a column as it is.
        properties: The table's properties, which may name columns with personal data.

    Raises:
        UsageError: There is no such column or rule, or the column can't be null.
    """
    paths = {path: type_ for column in columns for path, type_ in _paths((column.name,), column.column.type)}
    given = dict(_asked(text, paths) for text in asked)
    tagged = {name.strip() for name in (properties or {}).get(PERSONAL_DATA, "").split(",")}
    found = [Mask(path, rule, "asked for") for path, rule in given.items()]
    for column in columns:
        for path, type_ in _paths((column.name,), column.column.type):
            comment = column.comment if len(path) == 1 else ""
            why = None if _covered(path, given) or type_.name == "boolean" else _why(path, comment, tagged)
            if why and not _covered(path, {mask.path: mask.rule for mask in found}):
                found.append(Mask(path, Rule.FAKE, why))
    for mask in found:
        column = next(column for column in columns if column.name == mask.path[0])
        if mask.rule is Rule.NULL and len(mask.path) == 1 and not column.nullable:
            raise UsageError(f"--mask {column.name}=null: the column can't be null", "hash and fake keep a value there")
    return sorted((mask for mask in found if mask.rule is not Rule.KEEP), key=lambda mask: mask.path)


def apply_masks(rows: Sequence[Row], columns: Sequence[MockColumn], masks: Sequence[Mask], key: bytes) -> list[Row]:
    """Return the rows with other values in the masked columns; each keeps its place."""
    if not masks:
        return list(rows)
    by_column: dict[str, list[Mask]] = {}
    for mask in masks:
        by_column.setdefault(mask.path[0], []).append(mask)
    masked = []
    for row in rows:
        cells = zip(columns, row, strict=True)
        masked.append(tuple(_column(value, column, by_column.get(column.name, ()), key) for column, value in cells))
    return masked


def mask_key() -> bytes:
    """Return the secret key: `DATAFLOW_MASK_KEY`, else the Dataflow home's own, which is made when it is missing."""
    if given := os.environ.get(_KEY):
        return learn(given).encode()
    file = home() / _FILE
    if not file.exists():
        with contextlib.suppress(FileExistsError):  # somebody was faster
            create_file(subfolder() / _FILE, secrets.token_hex(32), mode=0o600)
    return file.read_bytes()


def _paths(path: tuple[str, ...], type_: SqlType) -> Iterator[tuple[tuple[str, ...], SqlType]]:
    """Yield a column and the fields below it, seen through arrays and maps."""
    yield path, type_
    inner = type_
    while inner.name in {"array", "map"}:
        inner = inner.parts[-1]
    for name, field in inner.fields:
        yield from _paths((*path, name), field)


def _asked(text: str, paths: Mapping[tuple[str, ...], SqlType]) -> tuple[tuple[str, ...], Rule]:
    names = {".".join(path): path for path in paths}
    name, equals, word = text.rpartition("=") if "=" in text else (text, "", "")
    if name not in names:
        raise UsageError(f"--mask {text}: there is no column '{name}'{did_you_mean(name, names)}")
    if not equals:
        return names[name], Rule.FAKE
    try:
        return names[name], Rule(word.strip().lower())
    except ValueError:
        raise UsageError(f"--mask {text}: there is no rule '{word}'{did_you_mean(word, list(Rule))}") from None


def _covered(path: tuple[str, ...], masks: Mapping[tuple[str, ...], Rule]) -> bool:
    return any(path[: len(other)] == other for other in masks)


def _why(path: tuple[str, ...], comment: str, tagged: set[str]) -> str | None:
    if ".".join(path) in tagged:
        return f"named by the table's {PERSONAL_DATA}"
    if tag := _TAG.search(comment):
        return f"its comment says '{tag[0]}'"
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", path[-1]).lower().strip("_")
    what = next((what for what, pattern in _PERSONAL if pattern.fullmatch(name)), None)
    return f"its name says {what}" if what else None


def _column(value: Any, column: MockColumn, masks: Sequence[Mask], key: bytes) -> Any:
    for mask in masks:
        value = _below(value, column.type, mask.path[1:], mask.rule, key)
    return value


def _below(value: Any, type_: SqlType, path: tuple[str, ...], rule: Rule, key: bytes) -> Any:
    """Mask what lies below a value, or all of it where the path ends."""
    if value is None:
        return None
    if not path:
        return None if rule is Rule.NULL else _masked(value, type_, rule, key)
    match type_.name:
        case "array":
            return [_below(item, type_.parts[0], path, rule, key) for item in value]
        case "map":
            return {name: _below(item, type_.parts[1], path, rule, key) for name, item in value.items()}
    inner = dict(type_.fields)[path[0]]
    return {**value, path[0]: _below(value[path[0]], inner, path[1:], rule, key)}


def _masked(value: Any, type_: SqlType, rule: Rule, key: bytes) -> Any:
    if value is None:
        return None
    match type_.name:
        case "array":
            return [_masked(item, type_.parts[0], rule, key) for item in value]
        case "map":
            of_key, of_value = type_.parts
            return {_masked(k, of_key, rule, key): _masked(v, of_value, rule, key) for k, v in value.items()}
        case "struct":
            return {name: _masked(value[name], inner, rule, key) for name, inner in type_.fields}
    if rule is Rule.REDACT:
        return _redacted(value)
    digits = _Digits(key, value)
    return _hashed(value, type_, digits) if rule is Rule.HASH else _faked(value, type_, digits)


_REDACTED: dict[type, Any] = {
    str: "***",
    bool: False,
    int: 0,
    float: 0.0,
    bytes: b"",
    dt.date: dt.date(1970, 1, 1),
    dt.datetime: dt.datetime(1970, 1, 1),
}


def _redacted(value: Any) -> Any:
    match value:
        case Decimal():
            return value * 0  # keeps its scale
        case dt.datetime():
            return _REDACTED[dt.datetime].replace(tzinfo=value.tzinfo)
    return _REDACTED[type(value)]


class _Digits:
    """A sequence of numbers that depends on a value and the key."""

    def __init__(self, key: bytes, value: Any) -> None:
        plain = value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value
        self._seed = hmac.new(key, repr(plain).encode(), hashlib.sha256).digest()
        self._pool, self._block = int.from_bytes(self._seed), 0
        self.hex = self._seed.hex()

    def below(self, bound: int) -> int:
        """Return the next number from 0 up to a bound."""
        if self._pool < bound << 32:  # a bias of one in 2**32 is none
            self._block += 1
            self._pool = int.from_bytes(hashlib.sha256(self._seed + self._block.to_bytes(4)).digest())
        self._pool, found = divmod(self._pool, bound)
        return found


def _hashed(value: Any, type_: SqlType, digits: _Digits) -> Any:
    match value:
        case bool():
            return bool(digits.below(2))
        case str():
            return digits.hex[:16]
        case bytes():
            return bytes.fromhex(digits.hex[:16])
        case int():
            return digits.below(2 ** _BITS.get(type_.name, _HASHED_BITS))
    return _faked(value, type_, digits)


def _faked(value: Any, type_: SqlType, digits: _Digits) -> Any:  # noqa: PLR0911  # one for each kind of value
    """Return a value of the same shape: letters for letters, digits for digits, a day for a day."""
    match value:
        case bool():
            return bool(digits.below(2))
        case str():
            return _faked_text(value, digits)
        case bytes():
            return bytes(digits.below(256) for _ in value)
        case int():
            return _faked_int(value, type_, digits)
        case Decimal():
            return Decimal(_faked_number(f"{value:f}", digits))
        case float():
            return _faked_float(value, type_, digits)
        case dt.datetime():
            second = digits.below(86_400)
            day = _faked_day(value.date(), digits)
            return value.replace(
                year=day.year, month=day.month, day=day.day, hour=second // 3600, minute=second // 60 % 60,
                second=second % 60,
            )  # fmt: skip
        case dt.date():
            return _faked_day(value, digits)
    return value


def _faked_text(text: str, digits: _Digits) -> str:
    before, at, domain = text.partition("@")
    if at and "." in domain and " " not in text:  # nobody's address: RFC 2606
        return f"{_scrambled(before, digits)}@example.org"
    return _scrambled(text, digits)


def _scrambled(text: str, digits: _Digits) -> str:
    return "".join(_letter(letter, digits) for letter in text)


def _letter(letter: str, digits: _Digits) -> str:
    if letter.isdigit():
        return str(digits.below(10))
    if letter.isalpha():
        found = chr(ord("a") + digits.below(26))
        return found.upper() if letter.isupper() else found
    return letter


def _faked_int(value: int, type_: SqlType, digits: _Digits) -> int:
    """Return a number with as many digits, in the type's range."""
    faked = int(_faked_number(str(value), digits))
    bits = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}.get(type_.name, 63)
    return faked if -(2**bits) <= faked < 2**bits else faked // 10


def _faked_float(value: float, type_: SqlType, digits: _Digits) -> float:
    number, exponent, power = repr(value).partition("e")
    faked = float(f"{_faked_number(number, digits)}{exponent}{power}")
    if type_.name == "float" and math.isfinite(faked):
        with contextlib.suppress(OverflowError):
            return float(struct.unpack("<f", struct.pack("<f", faked))[0])
        return value / 10
    return faked


def _faked_number(text: str, digits: _Digits) -> str:
    first = re.search("[1-9]", text)
    if first is None:
        return text
    at = first.start()
    rest = re.sub(r"\d", lambda _: str(digits.below(10)), text[at + 1 :])
    return f"{text[:at]}{1 + digits.below(9)}{rest}"


def _faked_day(day: dt.date, digits: _Digits) -> dt.date:
    return dt.date(day.year, 1, 1) + dt.timedelta(days=digits.below(365))
