"""Parameters: what `${NAME}` stands for in definitions and SQL scripts; strict, with no expressions.

| written             | means                                                                  |
|---------------------|------------------------------------------------------------------------|
| `${NAME}`           | a parameter of the user's, in upper case                               |
| `${dataflow.name}`  | a built-in, from a closed set                                          |
| `${secret:NAME}`    | stays as it stands until it is used: never rendered, recorded or logged |
| `${dataflow.jar.x}` | an asset of this repository or another: see `REFERENCE`                |
| `$${NAME}`          | the text `${NAME}` itself                                              |
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, DefinitionError, Problem, did_you_mean, display_path
from dataflow.secret import learn
from dataflow.workflow.yamlfile import SourceLocation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

BUILTINS = (
    "owner",
    "user",
    "package_id",
    "package_slug",
    "env",
    "run_id",
    "workflow_id",
    "today",
    "yesterday",
    "last_hour",
    "last_week",
    "last_month",
    "each",
)
"""What may follow `dataflow.` in a placeholder; `each` inside a foreach alone."""

PREFIX = "dataflow."
MAX_VALUE = 100_000
"""How long a text may become by what is put into it: a few parameters of parameters can stand for billions."""

MAX_SCRIPT = 10_000_000
"""How long a script may become."""

PARAMETER_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
REFERENCE = re.compile(r"dataflow\.(wheel|egg|jar|sql|py|r)\.[^\s{}]+")
"""The name of an asset: `dataflow.jar.scala-workflow`, with `@<branch>.<build>`, or a full id."""

POINTER = "asset:"
"""What the name of an asset is rendered to begins so, until the asset's file is at hand."""

_PLACEHOLDER = re.compile(r"(\$?)\$\{([^}\n]*)(\}?)")
_SECRET = re.compile(r"\$\{secret:([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_NAME = re.compile(r"secret:[A-Za-z_][A-Za-z0-9_]*")
_FOREIGN = re.compile(r"(env|system|spark|sparkconf|hiveconf|hivevar):")


@dataclass(frozen=True)
class Placeholder:
    """One `${...}` in a text.

    Attributes:
        name: What stands between the braces.
        start: Offset of its first character.
        end: Offset after its last.
        escaped: Whether it is written `$${...}` and so means itself.
        closed: Whether its brace closes.
    """

    name: str
    start: int
    end: int
    escaped: bool = False
    closed: bool = True

    def mistake(self, known: Collection[str]) -> str | None:
        """Say what is wrong with it when only these names are known, or return None.

        Args:
            known: Names of parameters, and of built-ins with their prefix.
        """
        if self.escaped or (self.closed and (self.name in known or _SECRET_NAME.fullmatch(self.name))):
            return None
        if not self.closed:
            return "'${' without a closing '}'"
        if found := _FOREIGN.match(self.name):
            return f"'${{{found[1]}:...}}' is refused: pass a parameter, or a secret as ${{secret:NAME}}"
        if self.name.startswith(PREFIX):
            return self._unknown_builtin(known)
        return self._unknown_parameter(known)

    def _unknown_parameter(self, known: Collection[str]) -> str:
        names = [name for name in known if not name.startswith(PREFIX)]
        if self.name.startswith("secret:"):
            return f"'{self.name[7:]}' can't name a secret: letters, digits and underscores only"
        if PARAMETER_NAME.fullmatch(self.name):
            return f"undefined parameter '{self.name}'{did_you_mean(self.name, names)}"
        nearest = did_you_mean(self.name.upper(), names)
        if f"{PREFIX}{self.name}" in known:
            nearest = f"; did you mean '{PREFIX}{self.name}'?"
        return f"'{self.name}' is not a parameter: those are upper case{nearest}"

    def _unknown_builtin(self, known: Iterable[str]) -> str:
        if self.name == f"{PREFIX}each":
            return "'dataflow.each' has a value inside a foreach alone"
        builtins = [name for name in known if name.startswith(PREFIX)]
        return f"unknown built-in '{self.name}'{did_you_mean(self.name, builtins, limit=len(BUILTINS))}"


def placeholders(text: str) -> Iterator[Placeholder]:
    """Find every `${...}` of a text, from left to right."""
    for found in _PLACEHOLDER.finditer(text):
        yield Placeholder(found[2], found.start(), found.end(), bool(found[1]), bool(found[3]))


def sql_placeholders(text: str) -> Iterator[Placeholder]:
    """Find every `${...}` of a SQL script that stands in code or in a string, not in a comment."""
    comments = list(_comments(text))
    for found in placeholders(text):
        if not any(start <= found.start < end for start, end in comments):
            yield found


def substitute(text: str, values: Mapping[str, str], *, where: Path) -> str:
    """Put parameters into a SQL script; comments stay as they are, and so do secrets.

    The same rules hold for a script in production, under an audit and in a unit test.

    Args:
        text: The script.
        values: Values by name; built-ins under their whole name, `dataflow.user`.
        where: The script's file, for messages.

    Raises:
        DefinitionError: A placeholder has no value, or none that may be had: each with line and column.
    """
    problems = script_problems(text, values, where)
    if problems:
        raise DefinitionError(problems)
    found = [*sql_placeholders(text)]
    if len(text) + sum(len(values.get(it.name, "")) for it in found) > MAX_SCRIPT:
        raise DefinitionError([Problem(where, 1, 1, f"this becomes longer than {MAX_SCRIPT:,} characters")])
    return _replace(text, found, values)


def ends_open(script: str) -> bool:
    """Say whether the last statement of a SQL script has no semicolon behind it."""
    comments = list(_comments(script))
    code = [
        at for at, letter in enumerate(script) if not letter.isspace() and not any(a <= at < b for a, b in comments)
    ]
    return bool(code) and script[code[-1]] != ";"


def placed_back(text: str, values: Mapping[str, str], offset: int) -> int:
    """Return where in a SQL script stands what is at an offset once its parameters are put in."""
    shift = 0  # how far what stands behind the last placeholder has moved
    for found in sql_placeholders(text):
        start = found.start + shift
        if offset < start:
            break
        written = text[found.start : found.end]
        length = len(written) - 1 if found.escaped else len(values.get(found.name, written))
        if offset < start + length:
            return found.start
        shift += length - len(written)
    return offset - shift


def script_problems(text: str, known: Collection[str], where: Path) -> list[Problem]:
    """Say which placeholders of a SQL script have no value when only these names are known."""
    place = SourceLocation(where, 1, 1, text)
    return [
        place.inside(found.start).problem(message)
        for found in sql_placeholders(text)
        if (message := found.mistake(known))
    ]


def resolve_secrets(text: str) -> str:
    """Put secrets in, at the last moment before use; from then on they are masked wherever text leaves.

    `${secret:NAME}` is the environment variable NAME, or what the file named by NAME_FILE holds.

    Raises:
        DataflowError: There is neither.
    """
    return _SECRET.sub(lambda found: learn(_secret(found[1]), found[1]), text)


def _secret(name: str) -> str:
    if (value := os.environ.get(name)) is not None:
        return value
    file = os.environ.get(f"{name}_FILE")
    if file is None:
        raise DataflowError(
            f"secret {name} is not set",
            f"set the environment variable {name}, or {name}_FILE to a file that holds it",
        )
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataflowError(f"can't read secret {name} from {display_path(Path(file))}: {error}") from None


@dataclass(frozen=True)
class ParameterSource:
    """Where the value of a parameter comes from.

    Attributes:
        text: The value as written; None when a mistake, reported already, keeps it from having one.
        origin: Who gave it: `--param`, `caller`, `environment`, `definition`, ….
        place: Where it is written.
        final: Whether it was resolved by whoever gave it; else placeholders in it are filled.
    """

    text: str | None
    origin: str
    place: SourceLocation
    final: bool = False


@dataclass
class ParameterResolver:
    """Gives every parameter its value, once each, whatever order they refer to one another in.

    Attributes:
        sources: Where each name's value comes from. Built-ins that depend on parameters stand among them,
            under their whole names.
        builtins: The other built-ins, under their whole names; called when first asked for.
        problems: Mistakes met on the way: each is reported once, however many values depend on it.
        used: The names that were asked for, known or not.
        reference: Says what the name of an asset stands for; raises DataflowError when there is none.
    """

    sources: Mapping[str, ParameterSource]
    builtins: Mapping[str, Callable[[], str]]
    problems: list[Problem] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    reference: Callable[[str], str] | None = None
    _values: dict[str, str | None] = field(default_factory=dict)
    _resolving: list[str] = field(default_factory=list)

    @property
    def known(self) -> set[str]:
        """All names that have a value."""
        return {*self.sources, *self.builtins}

    def value(self, name: str) -> str | None:
        """Return a parameter's value; None when a mistake keeps it from having one."""
        if name not in self._values:
            if name in self._resolving:
                self._report_cycle(name)
                return None
            self._resolving.append(name)
            value = self._resolve(name)
            self._resolving.pop()
            self._values.setdefault(name, value)
        return self._values[name]

    def settle(self, name: str, value: str) -> None:
        """Let a parameter have its value in the form that all use."""
        self._values[name] = value

    def fail(self, name: str, message: str) -> None:
        """Say that a parameter's value can't be used; what depends on it is not reported again."""
        self.problems.append(self.sources[name].place.problem(message))
        self._values[name] = None

    def render(self, text: str, place: SourceLocation, extra: Mapping[str, str] | None = None) -> str | None:
        """Fill the placeholders of a text.

        Args:
            text: The text.
            place: Where it is written, for messages.
            extra: Values that hold here alone.

        Returns:
            The text, or None when a mistake was found in it or in what it depends on.
        """
        if "${" not in text:
            return text
        extra = extra or {}
        values: dict[str, str] = {}
        complete = True
        known = self.known | extra.keys()
        for number, found in enumerate(placeholders(text)):
            self.used.add(found.name)
            if self.reference is not None and not found.escaped and REFERENCE.fullmatch(found.name):
                try:
                    values[found.name] = self.reference(found.name)
                except DataflowError as error:
                    hint = f"; {error.hint}" if error.hint else ""
                    self.problems.append(_nth(place, number).problem(error.message + hint))
                    complete = False
            elif message := found.mistake(known):
                self.problems.append(_nth(place, number).problem(message))
                complete = False
            elif found.name in known and not found.escaped:
                value = extra[found.name] if found.name in extra else self.value(found.name)
                complete = complete and value is not None
                values[found.name] = value or ""
        if complete and len(text) + sum(len(values.get(it.name, "")) for it in placeholders(text)) > MAX_VALUE:
            self.problems.append(place.problem(f"this becomes longer than {MAX_VALUE:,} characters"))
            complete = False
        return _replace(text, placeholders(text), values) if complete else None

    def _resolve(self, name: str) -> str | None:
        if name in self.builtins:
            return self.builtins[name]()
        source = self.sources[name]
        return source.text if source.final or source.text is None else self.render(source.text, source.place)

    def _report_cycle(self, name: str) -> None:
        cycle = self._resolving[self._resolving.index(name) :]
        message = f"parameters refer to each other: {' -> '.join([*cycle, name])}"
        self.problems.append(self.sources[name].place.problem(message))
        self._values.update(dict.fromkeys(cycle))


def _replace(text: str, found: Iterable[Placeholder], values: Mapping[str, str]) -> str:
    parts: list[str] = []
    position = 0
    for placeholder in found:
        parts.append(text[position : placeholder.start])
        written = text[placeholder.start : placeholder.end]
        if placeholder.escaped:
            parts.append(written[1:])
        else:
            parts.append(values.get(placeholder.name, written))
        position = placeholder.end
    return "".join([*parts, text[position:]])


def _nth(place: SourceLocation, number: int) -> SourceLocation:
    """Return the place of a text's nth placeholder: in its file the text may be quoted or folded."""
    for i, found in enumerate(placeholders(place.written)):
        if i == number:
            return place.inside(found.start)
    return place


# A hint, /*+ ... */, is code. Strings come before comments: they may hold what looks like one.
_SQL_TOKEN = re.compile(
    r"""(?P<string>[rR]'[^']*'|[rR]"[^"]*"|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`)"""
    r"""|(?P<line>--(?:\\\n|[^\r\n])*)"""
    r"""|(?P<block>/\*(?!\+))""",
    re.DOTALL,
)
_BLOCK_EDGE = re.compile(r"/\*|\*/")


def _comments(text: str) -> Iterator[tuple[int, int]]:
    position = 0
    while token := _SQL_TOKEN.search(text, position):
        position = token.end()
        if token.lastgroup == "block":
            position = _end_of_block(text, position)
        if token.lastgroup != "string":
            yield token.start(), position


def _end_of_block(text: str, position: int) -> int:
    depth = 1  # Spark's block comments nest
    for edge in _BLOCK_EDGE.finditer(text, position):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)
