"""JSON: an object on each line, or one array of objects; numbers keep the digits that they are written with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from dataflow.loading.chunks import ROWS, BadRows, Chunk
from dataflow.loading.text_files import is_utf8, opened
from dataflow.tables.schema.spark_types import SqlType

_READ = 1_000_000  # characters at a time
_LONGEST_ROW = 64_000_000
_BETWEEN = " \t\r\n"


class Number(str):
    """A number, as it is written."""

    __slots__ = ()


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"the key '{twice}' stands twice")
    return found


_DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_not_json, object_pairs_hook=_distinct)


class JsonFile:
    """A JSON file.

    Attributes:
        path: The file.
        is_text: Whether it writes everything as text.
    """

    is_text = False

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def names(self) -> Sequence[str]:
        """None: each row names its own columns."""
        return ()

    @property
    def types(self) -> Mapping[str, SqlType]:
        """None: they are seen in the rows."""
        return {}

    def chunks(self, bad: BadRows) -> Iterator[Chunk]:
        """Yield its rows; what is not an object is noted."""
        rows: list[dict[str, Any]] = []
        lines: list[int] = []
        for line, row in self._objects(bad):
            rows.append(row)
            lines.append(line)
            if len(rows) == ROWS:
                yield _chunk(rows, lines)
                rows, lines = [], []
        if rows:
            yield _chunk(rows, lines)

    def _objects(self, bad: BadRows) -> Iterator[tuple[int, dict[str, Any]]]:
        with opened(self.path) as stream:
            first, line = _first_character(stream)
            found = _Array(stream, line).values() if first == "[" else _of_lines(stream, first, line)
            for at, value in found:
                if isinstance(value, ValueError):
                    bad.add(self.path, at, _reason(value))
                elif not isinstance(value, dict):
                    bad.add(self.path, at, "is not an object: a row is written {…}")
                elif not is_utf8(repr(value)):
                    bad.add(self.path, at, "is not UTF-8")
                else:
                    yield at, value


def _chunk(rows: list[dict[str, Any]], lines: list[int]) -> Chunk:
    names = dict.fromkeys(name for row in rows for name in row)
    return Chunk({name: [row.get(name) for row in rows] for name in names}, lines)


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: {error.msg} at column {error.colno}"
    return str(error)


def _first_character(stream: IO[str]) -> tuple[str, int]:
    """Read up to the first character that is not blank; return it, and its line."""
    line = 1
    while (letter := stream.read(1)) and letter in _BETWEEN:
        line += letter == "\n"
    return letter, line


def _of_lines(stream: IO[str], first: str, line: int) -> Iterator[tuple[int, Any]]:
    """Yield what each line holds, or what is wrong with it."""
    text = first + stream.readline()
    while text:
        if text.strip():
            try:
                value, end = _DECODER.raw_decode(text.strip())
                if end < len(text.strip()):
                    raise json.JSONDecodeError("there is more after the object", text.strip(), end)
                yield line, value
            except ValueError as error:
                yield line, error
            except RecursionError:
                yield line, ValueError("is nested too deep")
        text = stream.readline()
        line += 1


class _Array:
    """An array that is read piece by piece; its opening bracket is read already."""

    def __init__(self, stream: IO[str], line: int) -> None:
        self._stream = stream
        self._text = ""
        self._at = 0
        self._line = line
        self._ended = False

    def values(self) -> Iterator[tuple[int, Any]]:
        """Yield each value, and the first mistake as the last: nobody knows where rows begin behind it."""
        self._skip_blanks()
        after = self._here()
        while after != "]":
            self._skip_blanks()
            try:
                value, end = self._value()
            except (ValueError, RecursionError) as error:
                yield self._line, error if isinstance(error, ValueError) else ValueError("is nested too deep")
                return
            yield self._line, value
            self._move(end)
            self._skip_blanks()
            after = self._here()
            if after not in (",", "]"):
                yield self._line, ValueError("the array goes on without a comma, or is never closed")
                return
            self._at += after == ","
        yield from self._rest()

    def _here(self) -> str:
        return self._text[self._at : self._at + 1]

    def _rest(self) -> Iterator[tuple[int, Any]]:
        self._at += 1
        self._skip_blanks()
        if self._at < len(self._text):
            yield self._line, ValueError("there is more after the array")

    def _value(self) -> tuple[Any, int]:
        """Read one value, which may need more of the file than is there."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                if end < len(self._text) or self._ended:  # a number may go on
                    return value, end
            except json.JSONDecodeError as error:
                if self._ended or len(self._text) - self._at > _LONGEST_ROW:
                    raise ValueError(f"is not JSON: {error.msg}") from None
            self._more(max(_READ, len(self._text) - self._at))

    def _skip_blanks(self) -> None:
        while True:
            at = self._at
            while at < len(self._text) and self._text[at] in _BETWEEN:
                at += 1
            self._move(at)
            if at < len(self._text) or self._ended:
                return
            self._more(_READ)

    def _move(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _more(self, characters: int) -> None:
        text = self._stream.read(characters)
        self._ended = not text
        self._text = self._text[self._at :] + text
        self._at = 0
