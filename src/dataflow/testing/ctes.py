"""The CTEs of a SQL script, and the query for the rows of one of them.

The script's own text is cut, never written anew: what Spark is given is what stands in the file, on the same lines
and in the same columns, so that its errors point there. SQLGlot distinguishes code from strings and comments.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import UsageError, did_you_mean, display_path
from dataflow.workflow import table_names
from dataflow.workflow.parameters import sql_placeholders
from dataflow.workflow.table_names import joined

if TYPE_CHECKING:
    from sqlglot import Token

_NUMBERED = re.compile(r"(.+)#(\d+)", re.S)
_QUERY = ("SELECT", "WITH", "FROM", "VALUES", "TABLE", "(")


@dataclass(frozen=True)
class Item:
    """One `name AS (…)`, by offsets into the script.

    Attributes:
        path: Its name, after those of the CTEs that it stands in.
        written: Its name as written.
        start: Where it begins.
        open: After the parenthesis that opens its query.
        close: Before the one that closes it.
        words: The words of its query that could be names of other CTEs, lower case.
    """

    path: tuple[str, ...]
    written: str
    start: int
    open: int
    close: int
    words: frozenset[str]

    @property
    def name(self) -> str:
        """Its name."""
        return self.path[-1]


@dataclass(frozen=True)
class Level:
    """A WITH and those of its CTEs that can be seen from some place.

    Attributes:
        start: Where its WITH begins.
        end: Where its first CTE begins.
        items: The CTEs, in order.
    """

    start: int
    end: int
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Cte:
    """A CTE of a script.

    Attributes:
        statement: Where its statement begins.
        levels: What its query can see, outermost first; it is itself the last of the last.
    """

    statement: int
    levels: tuple[Level, ...]

    @property
    def item(self) -> Item:
        """Its own text."""
        return self.levels[-1].items[-1]

    @property
    def path(self) -> tuple[str, ...]:
        """Its name, after those of the CTEs that it stands in."""
        return self.item.path


def ctes(script: str) -> list[Cte]:
    """Return the CTEs of a SQL script, nested ones among them, in the order in which they begin."""
    import sqlglot

    # A parameter is no SQL: to the tokenizer it is a name of the same length.
    text = list(script)
    for found in sql_placeholders(script):
        text[found.start : found.end] = "p" * (found.end - found.start)
    scanner = _Scanner(script, sqlglot.tokenize("".join(text), read="spark"))
    return sorted(scanner.statements(), key=lambda cte: cte.item.start)


def find_cte(script: str, name: str, file: Path) -> Cte:
    """Return the CTE of a name, or of a path such as `outer.inner`; `name#2` is the second of those.

    Of a name alone the CTE is meant that stands in no other, where there is one.

    Raises:
        UsageError: There is none, or more than one, or the script can't be read.
    """
    from sqlglot.errors import SqlglotError

    try:
        found = ctes(script)
    except SqlglotError as error:
        raise UsageError(f"{display_path(file)}: can't be read as SQL: {error}") from None
    fits, number = _fitting(name, found)
    where = display_path(file)
    if number is not None and fits:
        if not 1 <= number <= len(fits):
            raise UsageError(f"{where} has {len(fits)} of the CTE in '{name}'; the first is #1")
        return fits[number - 1]
    if len(fits) == 1:
        return fits[0]
    if fits:
        own = name if len({cte.path for cte in fits}) == 1 else None
        named = [f"{own}#{i}" if own else joined(cte.path) for i, cte in enumerate(fits, 1)]
        lines = (script.count("\n", 0, cte.item.start) + 1 for cte in fits)
        listed = ", ".join(f"{it} on line {line}" for it, line in zip(named, lines, strict=True))
        raise UsageError(f"{where} has {len(fits)} CTEs '{name}': {listed}", "name one as it is listed, or rename one")
    names = {cte.path[-1] for cte in found}
    raise UsageError(f"{where} has no CTE '{name}'{did_you_mean(name, names)}" if names else f"{where} has no CTE")


def has_cte(script: str, name: str) -> bool:
    """Say whether a script has a CTE of a name or path; one that can't be read has none."""
    from sqlglot.errors import SqlglotError

    try:
        return bool(_fitting(name, ctes(script))[0])
    except SqlglotError:
        return False


def _fitting(name: str, found: Sequence[Cte]) -> tuple[list[Cte], int | None]:
    """Return the CTEs that a name may mean, and the number that it asks for: whole paths before the ends of some."""
    paths = [tuple(part.lower() for part in cte.path) for cte in found]
    numbered = _NUMBERED.fullmatch(name) if table_names.split(name.lower()) not in paths else None
    own, number = (numbered[1], numbered[2]) if numbered else (name, "")
    wanted = tuple(part.lower() for part in table_names.split(own))
    whole = [cte for cte, path in zip(found, paths, strict=True) if path == wanted]
    ends = [cte for cte, path in zip(found, paths, strict=True) if path[-len(wanted) :] == wanted]
    return whole or ends, int(number) if number else None


def query_of(script: str, cte: Cte, given: Mapping[str, str], file: Path) -> str:
    """Return the query for a CTE's rows, each line of it where it stands in the script.

    Args:
        script: The script, its parameters not put in: those of a CTE that is not needed need no value.
        cte: Whose rows.
        given: Tables that stand in for CTEs before it, by the CTEs' names.
        file: The script's file, for messages.

    Raises:
        UsageError: A given table names no CTE that this one can see.
    """
    seen = [item for level in cte.levels for item in level.items if item is not cte.item]
    tables = dict(_replaced(script, cte, seen, given, file))
    needed = _needed(cte, seen, tables)
    writer = _Writer(script)
    opened = 0
    for level in cte.levels:
        items = [item for item in level.items if item is cte.item or item in needed]
        if not items:
            continue
        opened += writer.begin(level)
        for item in items:
            writer.item(item, tables.get(item.start) if item is not cte.item else None, items[-1])
    return writer.text + f" SELECT * FROM {cte.item.written}" + ")" * opened


def _replaced(
    script: str, cte: Cte, seen: Sequence[Item], given: Mapping[str, str], file: Path
) -> Iterator[tuple[int, str]]:
    """Yield the position of each CTE that a table replaces, and the table; of a plain name the nearest one."""
    for name, table in given.items():
        starts = {item.start for item in seen}
        near = [item.start for item in seen if item.name.lower() == name.lower()]
        try:
            start = near[-1] if near else find_cte(script, name, file).item.start
        except UsageError:
            start = -1
        if start not in starts:
            nearest = did_you_mean(name, [item.name for item in seen])
            raise UsageError(f"{display_path(file)}: '{name}' is not a CTE before '{cte.item.name}'{nearest}")
        yield start, table


def _needed(cte: Cte, seen: list[Item], given: Collection[int]) -> list[Item]:
    """Return the CTEs that a CTE reads, without those that only a replaced one reads."""
    needed: list[Item] = []
    words = set(cte.item.words)
    for item in reversed(seen):  # each sees those before it alone
        if item.name.lower() in words:
            needed.append(item)
            if item.start not in given:
                words |= item.words
    return needed


class _Writer:
    """Copies parts of a script, and replaces the rest by spaces."""

    def __init__(self, script: str) -> None:
        self._script = script
        self._position = 0
        self.text = ""

    def begin(self, level: Level) -> bool:
        """Copy a WITH; say whether it stands within another, and so in parentheses."""
        inside = bool(self.text)
        gap = _blank(self._script[self._position : level.start])
        if inside:
            before, _, after = gap.rpartition(" ")  # where the script has the parenthesis, or something after it
            gap = f"{before}({after}"
        self.text += gap + self._script[level.start : level.end]
        self._position = level.end
        return inside

    def item(self, item: Item, table: str | None, last: Item) -> None:
        """Copy a CTE, its query replaced where a table is given for it."""
        self.text += _blank(self._script[self._position : item.start])
        if table is None:
            self.text += self._script[item.start : item.close + 1]
        else:
            body = _blank(self._script[item.open : item.close])
            query = f"SELECT * FROM {table}"
            lines = body if "\n" in body[: len(query)] else body[len(query) :]  # columns after it stay where they are
            self.text += f"{self._script[item.start : item.open]}{query}{lines})"
        self._position = item.close + 1
        if item is not last:
            self.text += ","
            self._position += self._script[self._position : self._position + 1] != "\n"


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


class _Scanner:
    """Finds `WITH name AS (…), …` in a script's tokens, at any depth."""

    def __init__(self, script: str, tokens: list[Token]) -> None:
        self._script = script
        self._tokens = tokens
        self._found: list[Cte] = []
        self._statement = 0

    def statements(self) -> list[Cte]:
        position = 0
        while position < len(self._tokens):
            self._statement = self._tokens[position].start
            position = self._query(position, (), ()) + 1
        return self._found

    def _query(self, position: int, levels: tuple[Level, ...], path: tuple[str, ...]) -> int:
        """Scan up to the end of what is in parentheses, or of the statement, and return where that is."""
        while (word := self._word(position)) not in {")", ";", ""}:
            if word == "WITH" and self._item(first := position + 1 + (self._word(position + 1) == "RECURSIVE")):
                position, level = self._with(position, first, levels, path)
                levels = (*levels, level)
            elif word == "(":
                position = self._query(position + 1, levels, path) + 1
            else:
                position += 1
        return position

    def _with(self, position: int, first: int, levels: tuple[Level, ...], path: tuple[str, ...]) -> tuple[int, Level]:
        start, end = self._tokens[position].start, self._tokens[first].start
        items: tuple[Item, ...] = ()
        position = first
        while opening := self._item(position):
            token = self._tokens[position]
            inner = (*levels, Level(start, end, items)) if items else levels
            before = len(self._found)
            closing = self._query(opening + 1, inner, (*path, token.text))
            if closing >= len(self._tokens):  # it never closes: Spark will say so
                break
            words = frozenset(each.text.lower() for each in self._tokens[opening + 1 : closing])
            bounds = self._tokens[opening].end + 1, self._tokens[closing].start
            written = self._script[token.start : token.end + 1]
            items = (*items, Item((*path, token.text), written, token.start, *bounds, words))
            self._found.insert(before, Cte(self._statement, (*levels, Level(start, end, items))))
            position = closing + 1
            if self._word(position) != ",":
                break
            position += 1
        return position, Level(start, end, items)

    def _item(self, position: int) -> int:
        """Return where the query of `name [(columns)] [AS] (…` opens, or 0 where no CTE begins."""
        if not re.match(r"[\w`]", self._word(position)):
            return 0
        position += 1
        if self._word(position) == "(" and self._word(position + 1) not in _QUERY:
            position = self._query(position + 1, (), ()) + 1
        if self._word(position) == "MAX":  # RECURSION LEVEL n
            position += 4
        if self._word(position) == "AS":
            position += 1
        return position if self._word(position) == "(" and self._word(position + 1) in _QUERY else 0

    def _word(self, position: int) -> str:
        """Return a word of the script as written, in upper case; names and strings keep their quotes."""
        if position >= len(self._tokens):
            return ""
        token = self._tokens[position]
        return self._script[token.start : token.end + 1].upper()
