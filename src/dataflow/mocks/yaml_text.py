"""Values and types as a mock file writes them; `yaml_scalars` and `spark_types` read them back unchanged."""

from __future__ import annotations

import datetime as dt
import re
import struct
from decimal import Decimal
from typing import Any

from dataflow.mocks.model import Value
from dataflow.tables.schema.spark_types import SqlType
from dataflow.workflow.table_names import quote

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_TYPE = re.compile(r"[\w<>(),:]+")
_OTHER_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML 1.1 reads as a boolean or null, in any capitalisation."""

# YAML 1.2, section 5.1: what may stand as it is. Left out besides: line separators, and what can't be seen.
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa1-\u2027\u2030-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
LONGEST_KEY = 1000  # YAML 1.2, section 7.4.2: a key ends within 1024 characters


def cell_text(value: Value, type_: SqlType) -> str:
    """Write a value, whatever its type, in one line.

    Raises:
        ValueError: A mock can't hold it; the message says why.
    """
    if value is None:
        return "null"
    match type_.name, value:
        case "array", list():
            return f"[{', '.join(cell_text(item, type_.parts[0]) for item in value)}]"
        case "struct", dict():
            inside = (f"{name_text(name)}: {cell_text(value.get(name), inner)}" for name, inner in type_.fields)
            return f"{{{', '.join(inside)}}}"
        case "map", dict():
            key, inner = type_.parts
            return f"{{{', '.join(f'{_key_text(k, key)}: {cell_text(v, inner)}' for k, v in value.items())}}}"
    return _scalar_text(value, type_)


def name_text(name: str) -> str:
    """Write a column's or field's name, in quotes where another reader of YAML could take it for something else."""
    plain = _PLAIN_NAME.fullmatch(name) and name.lower() not in _OTHER_WORDS
    return name if plain else _key(quoted(name))


def type_text(type_: SqlType) -> str:
    """Write a type as short as it can be: names in backticks only where they need them."""
    words = _type_words(type_)
    return words if _PLAIN_TYPE.fullmatch(words) else quoted(words)


def quoted(text: str) -> str:
    r"""Write a text in double quotes, with what is not to be seen as `\n`, `\xa0`, `\u2028`.

    Raises:
        ValueError: It holds a zero character, which readers of YAML refuse.
    """
    if "\0" in text:
        raise ValueError("a mock can't contain a NUL character")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_UNPRINTABLE.sub(lambda found: _escape(found[0]), escaped)}"'


def comment_text(text: str) -> str:
    """Write a text so that it can stand in a comment: in one line, and with nothing that can't be seen."""
    return _UNPRINTABLE.sub(" ", text)


def _escape(character: str) -> str:
    code = ord(character)
    return _ESCAPES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _scalar_text(value: Any, type_: SqlType) -> str:  # noqa: PLR0911  # one for each kind of value
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return _float_text(value, single=type_.name == "float")
        case Decimal():
            return f"{value:f}"
        case bytes():
            return f'"{value.hex()}"'
        case dt.datetime():
            return f'"{_moment_text(value)}"'
        case dt.date():
            return f'"{value.isoformat()}"'
        case _:
            return quoted(str(value))


def _moment_text(moment: dt.datetime) -> str:
    """Write a moment without its zone: a timestamp's is UTC where none is written."""
    plain = moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)
    return plain.isoformat(" ")


def _float_text(value: float, *, single: bool) -> str:
    """Write a floating point number as all readers take it: `1.0e+16`, not `1e+16`."""
    word = _shortest_single(value) if single else repr(value)
    if word in {"nan", "inf", "-inf"}:
        return f"-.{word[1:]}" if word[0] == "-" else f".{word}"
    digits, exponent, power = word.partition("e")
    return f"{digits}{'' if '.' in digits else '.0'}{exponent}{power}"


def _shortest_single(value: float) -> str:
    """Return the shortest decimal that is this number in 32 bits, as `repr` does for 64."""
    for digits in range(6, 10):  # nine digits tell any two apart (IEEE 754)
        word = repr(float(f"{value:.{digits}g}"))
        try:
            if struct.pack("<f", float(word)) == struct.pack("<f", value):
                return word
        except OverflowError:  # rounded up beyond the largest
            continue
    return repr(value)


def _key_text(key: Any, type_: SqlType) -> str:
    return _key(_scalar_text(key, type_))


def _key(text: str) -> str:
    if len(text) > LONGEST_KEY:
        raise ValueError(f"a key of {len(text)} characters is too long for YAML")
    return text


def _type_words(type_: SqlType) -> str:
    if type_.name == "struct":
        return f"struct<{','.join(f'{_field(name)}:{_type_words(inner)}' for name, inner in type_.fields)}>"
    return f"{type_.name}<{','.join(map(_type_words, type_.parts))}>" if type_.parts else str(type_)


def _field(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else quote(name)
