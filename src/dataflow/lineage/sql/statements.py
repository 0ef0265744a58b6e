"""A SQL script taken apart into its statements, each parsed by itself: one that can't be read hides no other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from dataflow.lineage.sql.relations import Node

POSITIONAL = "dataflow: positional"
"""The comment inside of an INSERT by which its columns may be in another order than their names say."""


_BEFORE_A_QUERY = frozenset({"UNION", "ALL", "EXCEPT", "INTERSECT", "DISTINCT"})
_FUNCTION_NAMES = frozenset({"VAR", "IDENTIFIER"})
"""What stands before the bracket of a function's arguments."""


@dataclass(frozen=True)
class Statement:
    """A statement of a script.

    Attributes:
        tree: What sqlglot makes of it; None where it can't read it.
        line: The line that it begins on, from 1.
        start: Offset of its first character in the script.
        text: What stands from the semicolon before it to its own, comments included.
        too_deep: Whether it is nested too deep to be read.
    """

    tree: Node | None
    line: int
    start: int
    text: str
    too_deep: bool = False

    @property
    def is_positional(self) -> bool:
        """Whether a comment in it says that its columns go by position on purpose."""
        lines = (line.partition("--")[2].strip().lower() for line in self.text.splitlines())
        return any(line.startswith(POSITIONAL) for line in lines)


@lru_cache(maxsize=64)
def statements_of(script: str) -> tuple[Statement, ...]:
    """Take a script, parameters put in, apart; one that has no words in it has no statements.

    A script is asked for its tables, then for its columns, and both need the same trees, which nobody changes.
    """
    return tuple(_statements(script))


def _statements(script: str) -> Iterator[Statement]:
    from sqlglot import Dialect
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it would tell of every statement that it can't judge
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
            pass  # Spark's own parser is asked about it elsewhere
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
    """Yield each statement's tokens, and from where to where it reaches, comments around it included."""
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
