"""What a SQL script writes, taken apart by its text: the table, the columns, and the query whose rows go there.

The text is cut and blanked, never written anew: the query stands on the lines, and in the columns, of the script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.sail.judgement import SparkDecides
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from sqlglot import Token

_OPEN, _CLOSE = "(", ")"
_QUERIES = ("SELECT", "WITH", "FROM", "VALUES", "TABLE", _OPEN)


@dataclass(frozen=True)
class Insert:
    """An `INSERT` of a query's rows.

    Attributes:
        table: The table's name, as many parts as the statement gives it.
        overwrites: Whether it replaces rows that are there.
        query: The query; the rest of the statement is blank.
        static: The values that its PARTITION clause gives to columns, as SQL, by the columns' names.
        by_name: Whether columns go where their names say.
        listed: The columns that it lists, in the query's order; empty where it lists none.
    """

    table: tuple[str, ...]
    overwrites: bool
    query: str
    static: Mapping[str, str] = field(default_factory=dict)
    by_name: bool = False
    listed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement:
    """A statement of a script.

    Attributes:
        text: Its text, without the semicolon.
        line: The line, from 1, on which its text begins.
        words: Its first words, upper case.
    """

    text: str
    line: int
    words: tuple[str, ...]


def statements(script: str) -> list[Statement]:
    """Split a script, its parameters put in, at its semicolons.

    Raises:
        SparkDecides: It can't be read here.
    """
    found, start = [], 0
    tokens = _tokens(script)
    ends = [it for it in tokens if it.token_type.name == "SEMICOLON"]
    for end in [it.start for it in ends] + [len(script)]:
        words = tuple(it.text.upper() for it in tokens if start <= it.start < end)[:3]
        if words:
            if words[0] == "BEGIN" or words[1:2] == (":",):
                raise SparkDecides("a BEGIN … END is Spark's alone to run")
            found.append(Statement(script[start:end], script.count("\n", 0, start) + 1, words))
        start = end + 1
    return found


def insert_of(statement: str) -> Insert | None:
    """Return what a statement inserts; None where it is not an `INSERT`.

    Raises:
        SparkDecides: It has a form that is Spark's alone to read.
    """
    tokens = _tokens(statement)
    first = next((i for i, depth, word in _walk(tokens) if depth == 0 and word == "INSERT"), None)
    if first is None or (first and tokens[0].text.upper() != "WITH"):
        return None
    return _Reader(statement, tokens, first).insert()


def view_of(statement: str) -> tuple[str, str] | None:
    """Return the name and the query of a `CREATE TEMPORARY VIEW`; None where a statement is something else."""
    words = [(it.text.upper(), it) for it in _tokens(statement)]
    spelled = [word for word, _ in words]
    start = 3 if spelled[1:3] == ["OR", "REPLACE"] else 1
    if spelled[:1] != ["CREATE"] or spelled[start : start + 2] not in (["TEMPORARY", "VIEW"], ["TEMP", "VIEW"]):
        return None
    if len(spelled) < start + 5 or spelled[start + 3] != "AS" or spelled[start + 4] not in _QUERIES:
        raise SparkDecides("such a view was not compared")
    name, query = words[start + 2][1], words[start + 4][1]
    return name.text, statement[query.start :]


def _tokens(text: str) -> list[Token]:
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        return list(sqlglot.tokenize(text, read="spark"))
    except SqlglotError as error:
        raise SparkDecides("its text is Spark's alone to read") from error


def _walk(tokens: Sequence[Token]) -> list[tuple[int, int, str]]:
    """Return the place of each token, in how many parentheses it stands, and its word."""
    found, depth = [], 0
    for i, token in enumerate(tokens):
        word = "" if token.token_type.name in ("STRING", "IDENTIFIER") else token.text.upper()
        depth -= word == _CLOSE
        found.append((i, depth, word))
        depth += word == _OPEN
    return found


class _Reader:
    """Reads the tokens of an `INSERT`, from the word on."""

    def __init__(self, text: str, tokens: Sequence[Token], first: int) -> None:
        self._text, self._tokens, self._first = text, tokens, first
        self._at = first + 1

    def insert(self) -> Insert:
        overwrites = self._takes("OVERWRITE")
        if not overwrites and not self._takes("INTO"):
            raise SparkDecides("an INSERT of this form was not compared")
        self._takes("TABLE")
        table = self._name()
        static = self._partition() if self._takes("PARTITION") else {}
        by_name = self._word() == "BY" and self._word(1) == "NAME"
        self._at += 2 * by_name
        listed = self._names() if self._word() == _OPEN and self._word(1) not in _QUERIES else ()
        if self._word() not in _QUERIES:
            raise SparkDecides(f"an INSERT with {self._word() or 'nothing'} behind the table was not compared")
        start, end = self._tokens[self._first].start, self._tokens[self._at].start
        query = self._text[:start] + re.sub(r"[^\n]", " ", self._text[start:end]) + self._text[end:]
        return Insert(table, overwrites, query, static, by_name, listed)

    def _word(self, ahead: int = 0) -> str:
        place = self._at + ahead
        if place >= len(self._tokens) or self._tokens[place].token_type.name == "STRING":
            return ""
        return self._tokens[place].text.upper()

    def _takes(self, word: str) -> bool:
        if self._word() != word:
            return False
        self._at += 1
        return True

    def _written(self, first: int, last: int) -> str:
        return self._text[self._tokens[first].start : self._tokens[last].end + 1]

    def _name(self) -> tuple[str, ...]:
        first = self._at
        self._at += 1
        while self._word() == "." and self._tokens[self._at].token_type.name == "DOT":
            self._at += 2
        return table_names.split(self._written(first, min(self._at, len(self._tokens)) - 1))

    def _inside(self) -> list[tuple[int, int]]:
        """Read a list in parentheses; return where each of its items begins and ends."""
        if not self._takes(_OPEN):
            raise SparkDecides("an INSERT of this form was not compared")
        items, first, depth = [], self._at, 0
        while depth or self._word() != _CLOSE:
            if self._at >= len(self._tokens):
                raise SparkDecides("a parenthesis is not closed")
            word = self._word()
            depth += (word == _OPEN) - (word == _CLOSE)
            if word == "," and not depth:
                items.append((first, self._at - 1))
                first = self._at + 1
            self._at += 1
        items.append((first, self._at - 1))
        self._at += 1
        return items

    def _names(self) -> tuple[str, ...]:
        names = [self._written(*item) for item in self._inside()]
        if not all(len(table_names.split(it)) == 1 for it in names):
            raise SparkDecides("an INSERT with such a list of columns was not compared")
        return tuple(table_names.split(it)[0] for it in names)

    def _partition(self) -> dict[str, str]:
        """Read `(name = value, name)`: a name without a value takes the query's."""
        found = {}
        for first, last in self._inside():
            (name,) = table_names.split(self._written(first, first)) or ("",)
            if last == first:
                continue
            if self._tokens[first + 1].text != "=":
                raise SparkDecides("such a PARTITION clause was not compared")
            found[name] = self._written(first + 2, last)
        if self._word() == "IF":
            raise SparkDecides("INSERT … IF NOT EXISTS was not compared")
        return found
