"""Spark's column types as a mock declares them: `int`, `decimal(10,2)`, `map<string, array<double>>`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dataflow.errors import did_you_mean
from dataflow.workflow.table_names import quote

_ALIASES = {
    "boolean": "boolean",
    "byte": "tinyint",
    "tinyint": "tinyint",
    "short": "smallint",
    "smallint": "smallint",
    "int": "int",
    "integer": "int",
    "long": "bigint",
    "bigint": "bigint",
    "real": "float",
    "float": "float",
    "double": "double",
    "dec": "decimal",
    "decimal": "decimal",
    "numeric": "decimal",
    "string": "string",
    "binary": "binary",
    "date": "date",
    "timestamp": "timestamp",
    "timestamp_ltz": "timestamp",
    "timestamp_ntz": "timestamp_ntz",
    "char": "string",
    "varchar": "string",
    "array": "array",
    "map": "map",
    "struct": "struct",
    "void": "void",
}
NAMES = frozenset(_ALIASES)
"""All words that a type may begin with."""

NUMBERS = frozenset({"tinyint", "smallint", "int", "bigint", "float", "double", "decimal"})

LONGEST_NAME = 255
"""How many letters a name may have, as in most catalogs."""

_MAX_DEPTH = 50  # as deep as a YAML file may be nested
_SHOWN = 60  # letters of a type that a message quotes

_SIZED = frozenset({"char", "varchar"})  # texts to whoever reads them, with or without their length
_NESTED = frozenset({"array", "map", "struct"})
_TOKEN = re.compile(r"\s*(`(?:[^`]|``)+`|\w+|[<>(),:])\s*")


@dataclass(frozen=True)
class SqlType:
    """A Spark type.

    Attributes:
        name: Spark's short name, lower case.
        digits: Precision and scale of a decimal.
        parts: An array's element, a map's key and value.
        fields: A struct's fields by name, in order.
    """

    name: str
    digits: tuple[int, int] = (10, 0)
    parts: tuple[SqlType, ...] = ()
    fields: tuple[tuple[str, SqlType], ...] = ()

    @property
    def nested(self) -> bool:
        """Whether values are made of other values."""
        return self.name in _NESTED

    @property
    def number(self) -> bool:
        """Whether values are numbers."""
        return self.name in NUMBERS

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.digits[0]},{self.digits[1]})"
        if self.name == "struct":
            inside = ",".join(f"{quote(name)}:{type_}" for name, type_ in self.fields)
            return f"struct<{inside}>"
        return f"{self.name}<{','.join(map(str, self.parts))}>" if self.parts else self.name


def parse_type(text: str) -> SqlType:
    """Read a type as it stands in a DDL.

    Raises:
        ValueError: It is not a type that a mock can have; the message says why.
    """
    tokens = _TOKEN.findall(text)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    if _TOKEN.sub("", text):
        raise ValueError(f"'{shown}' is not a type")
    reader = _Reader(tokens, shown)
    found = reader.type()
    if reader.tokens:
        raise ValueError(f"'{shown}' goes on after {found}")
    return found


def distinct(fields: Iterable[tuple[str, SqlType]]) -> tuple[tuple[str, SqlType], ...]:
    """Return a struct's fields.

    Raises:
        ValueError: Two of them have one name to Spark.
    """
    known: dict[str, str] = {}
    found = tuple(fields)
    for name, _ in found:
        if (twin := known.setdefault(name.lower(), name)) != name or sum(name == other for other, _ in found) > 1:
            raise ValueError(f"the fields '{twin}' and '{name}' of a struct are one to Spark")
    return found


class _Reader:
    """Recursive descent over a type's tokens."""

    def __init__(self, tokens: list[str], text: str) -> None:
        self.tokens = tokens
        self._text = text
        self._depth = 0

    def type(self) -> SqlType:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError(f"'{self._text}' is nested more than {_MAX_DEPTH} deep")
        found = self._type()
        self._depth -= 1
        return found

    def _type(self) -> SqlType:
        word = self._next()
        name = _ALIASES.get(word.lower())
        if name is None:
            raise ValueError(f"'{word}' is not a type that a mock can have{did_you_mean(word.lower(), _ALIASES)}")
        if name == "decimal":
            return SqlType(name, digits=self._digits())
        if name == "array":
            return SqlType(name, parts=self._inside(1))
        if name == "map":
            return self._map()
        if name == "struct":
            return SqlType(name, fields=self._fields())
        if word.lower() in _SIZED:
            self._length()
        return SqlType(name)

    def _map(self) -> SqlType:
        key, value = self._inside(2)
        if key.nested:
            raise ValueError(f"a map's key can't be {key} in a mock")
        return SqlType("map", parts=(key, value))

    def _inside(self, count: int) -> tuple[SqlType, ...]:
        self._take("<")
        parts = [self.type()]
        for _ in range(count - 1):
            self._take(",")
            parts.append(self.type())
        self._take(">")
        return tuple(parts)

    def _fields(self) -> tuple[tuple[str, SqlType], ...]:
        fields = []
        separator = "<"
        while separator != ">":
            self._take(separator)
            name = self._next()
            if len(name) > LONGEST_NAME:
                raise ValueError(f"a field's name of {len(name):,} letters is too long: {LONGEST_NAME} are the most")
            if self.tokens[:1] == [":"]:
                self._take(":")
            fields.append((name[1:-1].replace("``", "`") if name[0] == "`" else name, self.type()))
            separator = self.tokens[0] if self.tokens[:1] in ([","], [">"]) else ","
        self._take(">")
        return distinct(fields)

    def _digits(self) -> tuple[int, int]:
        if self.tokens[:1] != ["("]:
            return 10, 0
        self._take("(")
        precision, scale = self._next(), "0"
        if self.tokens[:1] == [","]:
            self._take(",")
            scale = self._next()
        self._take(")")
        if not (precision.isdecimal() and scale.isdecimal() and int(scale) <= int(precision) <= 38):
            raise ValueError(f"decimal({precision},{scale}) is not a decimal that Spark has: at most 38 digits")
        return int(precision), int(scale)

    def _length(self) -> None:
        if self.tokens[:1] == ["("]:
            self._take("(")
            self._next()
            self._take(")")

    def _next(self) -> str:
        if not self.tokens:
            raise ValueError(f"'{self._text}' ends too early")
        return self.tokens.pop(0)

    def _take(self, wanted: str) -> None:
        if (found := self._next()) != wanted:
            raise ValueError(f"'{self._text}' has '{found}' where '{wanted}' should be")
