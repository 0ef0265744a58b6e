"""Splits a SQL script into statements, and parses each separately: an invalid one does not hide the others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from dataflow.lineage.sql.relations import Node

POSITIONAL = "dataflow: positional"
"""The comment in an INSERT that allows columns in another order than their names suggest."""


_BEFORE_A_QUERY = frozenset({"UNION", "ALL", "EXCEPT", "INTERSECT", "DISTINCT"})
_FUNCTION_NAMES = frozenset({"VAR", "IDENTIFIER"})
"""Tokens before the parenthesis of the arguments of a function."""


@dataclass(frozen=True)
class Statement:
    """A statement of a script.

    Attributes:
        tree: The syntax tree of sqlglot; None where it can't be parsed.
        line: The line that it starts on, from 1.
        start: Offset of its first character in the script.
        text: The text from the previous semicolon to its own, with comments.
        too_deep: Whether it is nested too deep to be parsed.
    """

    tree: Node | None
    line: int
    start: int
    text: str
    too_deep: bool = False

    @property
    def is_positional(self) -> bool:
        """Whether a comment in it says that its columns are positional on purpose."""
        lines = (line.partition("--")[2].strip().lower() for line in self.text.splitlines())
        return any(line.startswith(POSITIONAL) for line in lines)


@lru_cache(maxsize=64)
def statements_of(script: str) -> tuple[Statement, ...]:
    """Split and parse a script, with parameters substituted.

    The result is cached, as the tables and the columns of a script are read separately; the trees must not be changed.
    """
    return tuple(_statements(script))


def _statements(script: str) -> Iterator[Statement]:
    from sqlglot import Dialect
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns about each statement that it does not support
    dialect = Dialect.get_or_raise("spark")
    try:
        tokens = dialect.tokenize(script)
    except SqlglotError:
        yield Statement(None, 1, 0, script)
        return
    for words, start, end in _split(tokens, len(script)):
        trees, too_deep = [], False
        try:
            trees = [tree for tree in dialect.parser().parse(_with_selects(words), script) if tree is not None]
        except SqlglotError:
            pass  # the parser of Spark checks it elsewhere
        except RecursionError:
            too_deep = True
        yield Statement(
            trees[0] if len(trees) == 1 else None, words[0].line, words[0].start, script[start:end], too_deep
        )


def _with_selects(tokens: list[Node]) -> list[Node]:
    """Return the tokens of a statement with `SELECT * FROM x` for `TABLE x` in the place of a query."""
    found: list[Node] = []
    before = ["", ""]
    for token in tokens:
        kind = token.token_type.name
        is_query = (
            not before[1]
            or before[1] in _BEFORE_A_QUERY
            or (before[1] == "L_PAREN" and before[0] not in _FUNCTION_NAMES)
        )
        if kind == "TABLE" and is_query:
            for name, text in (("SELECT", "SELECT"), ("STAR", "*"), ("FROM", "FROM")):
                of = type(token.token_type)[name]
                found.append(type(token)(of, text, token.line, token.col, token.start, token.end, []))
        else:
            found.append(token)
        before = [before[1], kind]
    return found


def _split(tokens: list[Node], length: int) -> Iterator[tuple[list[Node], int, int]]:
    """Yield the tokens of each statement, with its start and end, comments included."""
    found: list[Node] = []
    start = 0
    for token in tokens:
        if token.token_type.name != "SEMICOLON":
            found.append(token)
            continue
        if found:
            yield found, start, token.start
        found, start = [], token.end + 1
    if found:
        yield found, start, length
