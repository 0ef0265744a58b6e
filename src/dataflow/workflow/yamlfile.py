"""Reading a YAML file into plain data that remembers where each of its words stands.

Only what YAML 1.2's core schema calls a number, true, false or null is converted, and even then the text as
written is kept: `NO`, `12:30` and `2026-01-31` mean other things to other readers, so here they stay text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from dataflow.errors import DefinitionError, Problem, broken_link, did_you_mean, display_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

YamlPath = tuple[str | int, ...]
"""How to get to a value: keys and list positions from the top of the file."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")  # leading zeros carry meaning in codes: they stay text
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_ZERO = "a zero character can't stand in a text"
_OPEN_QUOTE = "this quote never closes"
_MAX_DEPTH = 60  # libyaml's compose is recursive C: some thousands of brackets would end the process
_MAX_VALUES = 50_000  # a few aliases of aliases can stand for billions of values


@dataclass(frozen=True)
class SourceLocation:
    """Where a word stands in a file.

    Attributes:
        file: The file.
        line: Line, from 1.
        column: Column, from 1.
        written: The text that stands there, quotes and line breaks included.
    """

    file: Path
    line: int
    column: int
    written: str = field(default="", compare=False)

    def problem(self, message: str) -> Problem:
        """Return a mistake at this place."""
        return Problem(self.file, self.line, self.column, message)

    def inside(self, offset: int) -> SourceLocation:
        """Return the place of one character of what is written here."""
        before = self.written[:offset]
        lines = before.count("\n")
        column = offset - before.rfind("\n") if lines else self.column + offset
        return SourceLocation(self.file, self.line + lines, column, self.written[offset:])


@dataclass(frozen=True)
class YamlFile:
    """A YAML file as plain data with positions.

    Attributes:
        path: The file.
        data: What it holds; its top is a mapping.
        keys: Where each key stands.
        values: Where each value stands.
        texts: Each scalar as text, before any conversion.
    """

    path: Path
    data: dict[str, Any]
    keys: Mapping[YamlPath, SourceLocation]
    values: Mapping[YamlPath, SourceLocation]
    texts: Mapping[YamlPath, str]

    def value_place(self, route: YamlPath) -> SourceLocation:
        """Return where a value stands, or the nearest thing around it that is written."""
        while route not in self.values:
            route = route[:-1]
        return self.values[route]

    def key_place(self, route: YamlPath) -> SourceLocation:
        """Return where a key stands; for an item of a list, where the item begins."""
        return self.keys.get(route) or self.value_place(route)

    def part(self, route: YamlPath) -> YamlFile:
        """Return a mapping inside the file as if it were one by itself; what stands in it keeps its place."""
        data: Any = self.data
        for step in route:
            data = data[step]
        depth = len(route)

        def below(whole: Mapping[YamlPath, Any]) -> dict[YamlPath, Any]:
            return {each[depth:]: found for each, found in whole.items() if each[:depth] == route}

        return YamlFile(self.path, data, below(self.keys), below(self.values), below(self.texts))

    def filled(
        self, route: YamlPath, fill: Callable[[YamlPath, str], str | None], failed: set[YamlPath], skip: str = ""
    ) -> Any:
        """Return a copy of a part of the data with its texts replaced.

        Args:
            route: The part.
            fill: Given a text and its route: what to put instead, or None to keep it and note its route.
            failed: Where those routes are noted.
            skip: A key whose values are kept as they are.
        """
        data: Any = self.data
        for step in route:
            data = data[step]
        return _filled(data, route, fill, failed, skip)


def _filled(
    data: Any, route: YamlPath, fill: Callable[[YamlPath, str], str | None], failed: set[YamlPath], skip: str
) -> Any:
    if isinstance(data, dict):
        return {
            key: value if key == skip else _filled(value, (*route, key), fill, failed, skip)
            for key, value in data.items()
        }
    if isinstance(data, list):
        return [_filled(value, (*route, i), fill, failed, skip) for i, value in enumerate(data)]
    if not isinstance(data, str):
        return data
    text = fill(route, data)
    if text is None:
        failed.add(route)
        return data
    return text


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file whose top is a mapping.

    Raises:
        DefinitionError: It can't be read, isn't YAML, or holds a key twice.
    """
    text = read_text(path)
    reader = _Reader(path, text)
    try:
        _check_depth(path, text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise DefinitionError([_syntax_problem(path, text, error)]) from None
    if not isinstance(node, yaml.MappingNode):
        raise DefinitionError([Problem(path, 1, 1, "expected a mapping: lines of the form 'key: value'")])
    data = reader.value(node, (), ())
    if reader.problems:
        raise DefinitionError(reader.problems)
    return YamlFile(path, data, reader.keys, reader.values, reader.texts)


def read_text(path: Path) -> str:
    """Read a text file in UTF-8.

    Raises:
        DefinitionError: It isn't there (the nearest file is named), or can't be read as text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DefinitionError([Problem(path, 1, 1, unreadable(path, error))]) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_start = raw.rfind(b"\n", 0, error.start) + 1
        line = raw.count(b"\n", 0, error.start) + 1
        message = "this character is not UTF-8; save the file in UTF-8"
        raise DefinitionError([Problem(path, line, error.start - line_start + 1, message)]) from None


def is_file(path: Path) -> bool:
    """Say whether a file is there; what can't be a file's name is no file."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Say whether a folder is there; what can't be a folder's name is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def unreadable(path: Path, error: OSError | None = None) -> str:
    """Say why a file can't be read, with the nearest file that can."""
    try:
        return _unreadable(path, error)
    except (OSError, ValueError) as other:
        return f"can't read '{path.name}': {getattr(other, 'strerror', None) or other}"


def _unreadable(path: Path, error: OSError | None) -> str:
    if path.is_dir():
        return f"'{path.name}' is a folder, not a file"
    if path.exists():
        reason = error.strerror if error else "it is not a regular file"
        return f"can't read '{path.name}': {reason}"
    if not path.parent.is_dir():
        return f"there is no folder '{display_path(path.parent)}'"
    alike = (file.name for file in path.parent.iterdir() if file.suffix == path.suffix or path.stem == file.stem)
    others = [name for name in alike if not name.startswith(".")]
    return broken_link(path) or f"there is no file '{display_path(path)}'{did_you_mean(path.name, others)}"


class _Reader:
    """Turns YAML nodes into plain data, noting positions and mistakes on the way."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.keys: dict[YamlPath, SourceLocation] = {}
        self.values: dict[YamlPath, SourceLocation] = {}
        self.texts: dict[YamlPath, str] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, route: YamlPath, around: tuple[int, ...]) -> Any:
        place = self.place(node)
        if id(node) in around:
            raise DefinitionError([place.problem("an anchor holds itself")])
        if len(self.values) > _MAX_VALUES:
            raise DefinitionError([place.problem(f"too large: more than {_MAX_VALUES:,} values")])
        if not node.tag.startswith("tag:yaml.org,2002:") or "python/" in node.tag:
            self.problems.append(place.problem(f"tags such as '{node.tag}' mean nothing here"))
        self.values[route] = place
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, route, (*around, id(node)))
        if isinstance(node, yaml.SequenceNode):
            inner = (*around, id(node))
            return [self.value(item, (*route, i), inner) for i, item in enumerate(node.value)]
        if "\0" in node.value:
            self.problems.append(place.problem(_ZERO))
        self.texts[route] = node.value
        quoted = isinstance(node, yaml.ScalarNode) and node.style
        return node.value if quoted else plain(node.value)

    def mapping(self, node: yaml.MappingNode, route: YamlPath, around: tuple[int, ...]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in node.value:
            place = self.place(key)
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(place.problem("a key must be a word"))
                continue
            name = key.value
            if "\0" in name:
                self.problems.append(place.problem(_ZERO))
            if name in data:
                first = self.keys[(*route, name)].line
                self.problems.append(place.problem(f"duplicate key '{name}'; it stands on line {first} already"))
                continue
            self.keys[(*route, name)] = place
            data[name] = self.value(value, (*route, name), around)
        return data

    def place(self, node: yaml.Node) -> SourceLocation:
        start, end = node.start_mark, node.end_mark
        return SourceLocation(self.path, start.line + 1, start.column + 1, self.text[start.index : end.index])


def plain(text: str) -> str | int | float | bool | None:
    """Convert what YAML's core schema says is no text; `1e3` in a field for text is converted back later."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _check_depth(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH and (mark := event.start_mark):
                message = f"nested more than {_MAX_DEPTH} deep"
                raise DefinitionError([Problem(path, mark.line + 1, mark.column + 1, message)])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _syntax_problem(path: Path, text: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # a reader error: libyaml gives an offset in characters alone
        offset = min(getattr(error, "position", 0), len(text))
        line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
        return Problem(path, line, column, f"not YAML: {getattr(error, 'reason', error)}")
    explanation = _explain(text, error, mark.index)
    if explanation == _OPEN_QUOTE:
        mark = getattr(error, "context_mark", None) or mark
    return Problem(path, mark.line + 1, mark.column + 1, f"not YAML: {explanation}")


def _explain(text: str, error: yaml.YAMLError, index: int) -> str:
    """Put libyaml's words for the mistakes that people make most into words that say what to do."""
    said = str(getattr(error, "problem", "") or error)
    context = str(getattr(error, "context", "") or "")
    for fits, explanation in _explanations(text, said, context, index):
        if fits:
            return explanation
    return f"{said} ({context})" if context else said


def _explanations(text: str, said: str, context: str, index: int) -> Iterator[tuple[bool, str]]:
    here = text[index : index + 1]
    line = text[text.rfind("\n", 0, index) + 1 :].partition("\n")[0]
    yield here == "\t", "a tab can't indent; use spaces"
    yield "flow" in context and "${" in line, 'a ${...} inside { } or [ ] must stand in quotes: "${...}"'
    yield "cannot start any token" in said, f"a value can't begin with {here}; put it in quotes"
    yield "scanning an alias" in context, "a value can't begin with *; put it in quotes"
    yield "mapping values" in said, "a ': ' inside a value; put the value in quotes"
    yield "unexpected end of stream" in said and "quoted" in context, _OPEN_QUOTE
    yield "single document" in context, "a second document begins here; a file holds one"
    yield "nesting depth" in said, f"nested more than {_MAX_DEPTH} deep"  # newer ones look far ahead of us
    yield "expected key" in said, "this line doesn't fit the lines above it; check its indentation"
