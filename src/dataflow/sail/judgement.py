"""Whether Sail may answer a query: only if it uses nothing but what was compared, by the query's own text.

What is named here and in `compared.py` was held to Spark's answers by the differential tests; whatever is not named is
Spark's. The text is cut, never written anew, so that it means to both engines what stands there.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.sail import compared
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from sqlglot import Token
    from sqlglot.expressions import Expr, Table

VIEW = "dataflow_pinned_table_"
"""How tables are called in what Sail is given, followed by their number."""
UNWRITTEN = ("TsOrDsToDate", "TimeStrToTime")
"""What SQLGlot puts around the argument of `year` and the like."""
_OPENING, _CLOSING = ("L_PAREN", "L_BRACKET", "L_BRACE"), ("R_PAREN", "R_BRACKET", "R_BRACE")


class SparkDecides(Exception):
    """Only Spark may answer; the message says why."""


_WITHOUT_PLACE = {
    "substring": "substring", "trim": "trim", "floor": "floor", "ceil": "ceil", "currentdate": "current_date",
    "regexplike": "rlike", "bracket": "[]",
}  # fmt: skip
"""Parts of a syntax of their own, of which SQLGlot keeps no place, with the functions that they stand for."""


@dataclass(frozen=True)
class TableUse:
    """A place where a query reads a table.

    Attributes:
        start: Where it begins in the query.
        end: After its last character, that of a time or version included.
        parts: The table's name.
        version: A snapshot's number, a branch, a tag or a moment; None for the table as it is now.
        is_moment: Whether that is a moment.
        has_alias: Whether the query gives it another name.
    """

    start: int
    end: int
    parts: tuple[str, ...]
    version: str | None
    is_moment: bool
    has_alias: bool


@dataclass(frozen=True)
class Judged:
    """A query that Sail may answer if it may read the tables.

    Attributes:
        sql: The query.
        tables: Where it reads tables, in order.
        tree: SQLGlot's reading of it.
        functions: How the query calls the functions in the tree, lower case, by the identity of their nodes.
        tokens: SQLGlot's tokens of it.
        ranges: Its tables of numbers, `range(…)`: how many rows each has, and the largest.
    """

    sql: str
    tables: tuple[TableUse, ...]
    tree: Expr
    functions: Mapping[int, str]
    tokens: Sequence[Token]
    ranges: tuple[tuple[int, int], ...] = ()

    @property
    def has_unnamed(self) -> bool:
        """Whether a column of the result is named after an expression."""
        return any(not _is_named(it) for it in _results(self.tree))

    def shown(self, views: Sequence[str]) -> list[str]:
        """Return what stands for each table: a view, under the name that the query has for it."""
        uses = zip(self.tables, views, strict=True)
        return [view if use.has_alias else f"{view} AS {table_names.quote(use.parts[-1])}" for use, view in uses]

    def arguments(self, start: int) -> list[list[Token]]:
        """Return the tokens of the arguments of a call; of none where no call begins there."""
        at = next((i for i, token in enumerate(self.tokens) if token.start == start), len(self.tokens))
        found: list[list[Token]] = [[]]
        depth = 0
        for token in self.tokens[at + 1 :]:
            kind = token.token_type.name
            depth += (kind in _OPENING) - (kind in _CLOSING)
            if depth == 0:
                return found if kind == "R_PAREN" else []
            if depth == 1 and kind == "COMMA":
                found.append([])
            elif depth > 1 or kind != "L_PAREN":
                found[-1].append(token)
        return []

    def call(self, start: int) -> tuple[int, int, int] | None:
        """Return where a call, its first argument, and what is after it begin; None where that is not clear."""
        arguments = self.arguments(start)
        if not arguments or not all(arguments):
            return None
        last = arguments[-1][-1]
        close = next(it for it in self.tokens if it.start > last.start and it.token_type.name == "R_PAREN")
        return start, arguments[0][0].start, close.end + 1

    def first_argument(self, start: int) -> int:
        """Return what is after the first argument of a call."""
        return self.arguments(start)[0][-1].end + 1


def judge(sql: str) -> Judged:
    """Judge a query by its text.

    Raises:
        SparkDecides: Spark alone may answer it.
    """
    from sqlglot import exp

    tokens, tree = _parsed(sql)
    if not isinstance(tree, exp.Query) or isinstance(tree, exp.Subquery):
        raise SparkDecides("it is not a plain query")
    for node in tree.walk():
        _require_compared(node)
    functions = _functions(tokens, tree)
    for name in functions:
        if reason := compared.DIFFERENT.get(name):
            raise SparkDecides(f"{name} differs: {reason}")
        if name not in compared.FUNCTIONS:
            raise SparkDecides(f"{name} was not compared")
    _require_names(sql, tree)
    return Judged(sql, tuple(_tables(sql, tokens, tree)), tree, _written(sql, tree), tokens, tuple(_ranges(tree)))


def _parsed(sql: str) -> tuple[list[Token], Expr]:
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        tokens = sqlglot.tokenize(sql, read="spark")
        if not tokens or tokens[0].token_type.name not in ("SELECT", "WITH", "FROM", "VALUES"):
            raise SparkDecides("it is not a SELECT")
        statements = sqlglot.parse(sql, read="spark")
    except (SqlglotError, RecursionError) as error:
        raise SparkDecides("its text is Spark's alone to read") from error
    if len(statements) != 1 or statements[0] is None:
        raise SparkDecides("it is not one query")
    if odd := next((it.text for it in tokens if it.token_type.name in compared.TOKENS_OF_SPARK), None):
        raise SparkDecides(f"{odd} was not compared")
    return tokens, statements[0]


def _require_compared(node: Expr) -> None:
    """Check that a part of a query, with all that is set on it, is among what was compared."""
    from sqlglot import exp

    kind = type(node).__name__
    if kind not in compared.NODES and not isinstance(node, exp.Func):
        raise SparkDecides(f"{kind} was not compared")
    if isinstance(node, exp.Lateral) and not (node.args.get("view") and isinstance(node.this, exp.Explode)):
        raise SparkDecides("LATERAL was compared for views of explode and posexplode alone")
    allowed = compared.NODES.get(kind)
    if allowed is None:
        return
    for name, value in node.args.items():
        if value not in (None, False, [], "") and name not in allowed:
            raise SparkDecides(f"{kind} with {name} was not compared")


def _functions(tokens: Sequence[Token], tree: Expr) -> frozenset[str]:
    """Return the functions that are called, by the names that the query has for them.

    The tree has other names for many; in the text a name before a parenthesis may also be that of a table with columns.
    """
    from sqlglot import exp

    named = Counter(it.alias_or_name.lower() for it in tree.find_all(exp.TableAlias) if it.args.get("columns"))
    called: Counter[str] = Counter()
    for token, following in itertools.pairwise(tokens):
        if following.token_type.name == "L_PAREN" and token.token_type.name not in compared.TOKENS_BEFORE_PARENTHESES:
            called[token.text.lower()] += 1
    bare = [it.token_type.name for it in tokens if it.token_type.name in compared.BARE_FUNCTIONS]
    called.update(it.lower() for it in bare)
    return frozenset((called - named).keys())


def _written(sql: str, tree: Expr) -> dict[int, str]:
    from sqlglot import exp

    found = {}
    for node in tree.find_all(exp.Func, exp.Bracket):
        if "start" in node.meta:
            found[id(node)] = sql[node.meta["start"] : node.meta["end"] + 1].strip("`").lower()
        elif node.key in _WITHOUT_PLACE:
            found[id(node)] = _WITHOUT_PLACE[node.key]
    return found


def _require_names(sql: str, tree: Expr) -> None:
    """Check that the columns of the result have names, or expressions that both engines name alike."""
    for item in _results(tree):
        if not _is_named(item) and not all(_is_named_alike(sql, it) for it in item.walk()):
            raise SparkDecides(f"'{item.sql('spark')[:60]}' has no name: … AS name")


def _results(tree: Expr) -> list[Expr]:
    """Return the expressions of the result's columns."""
    from sqlglot import exp

    select = tree
    while isinstance(select, exp.SetOperation | exp.Subquery):
        select = select.this
    return list(select.expressions) if isinstance(select, exp.Select) else []


def _is_named(item: Expr) -> bool:
    from sqlglot import exp

    return isinstance(item, exp.Alias | exp.Star | exp.Column)


def _is_named_alike(sql: str, node: Expr) -> bool:
    from sqlglot import exp

    if type(node).__name__ in UNWRITTEN:
        return True
    match node:
        case exp.Literal():
            return not node.is_string or node.name.isidentifier()
        case exp.Identifier():
            return not node.args.get("quoted")
        case exp.Func() if not isinstance(node, exp.Connector | exp.Cast | exp.Case | exp.If):
            return "start" in node.meta and sql[node.meta["start"] : node.meta["end"] + 1] in compared.NAMED_ALIKE
    alike = (exp.Column, exp.Star, exp.Distinct, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)
    return isinstance(node, alike)


def _tables(sql: str, tokens: Sequence[Token], tree: Expr) -> Iterator[TableUse]:
    from sqlglot import exp

    shared = {it.alias_or_name.lower() for it in tree.find_all(exp.CTE)}
    found = [it for it in tree.find_all(exp.Table) if isinstance(it.this, exp.Identifier)]
    for table in sorted(found, key=_start):
        if len(table.parts) == 1 and table.name.lower() in shared:
            continue
        yield _use(sql, tokens, table)


def _ranges(tree: Expr) -> Iterator[tuple[int, int]]:
    from sqlglot import exp

    for table in tree.find_all(exp.Table):
        function = table.this
        if isinstance(function, exp.Identifier):
            continue
        is_range = isinstance(function, exp.Anonymous) and function.name.lower() == "range"
        numbers = [it for it in function.expressions if isinstance(it, exp.Literal) and it.is_int] if is_range else []
        if not numbers or len(numbers) != len(function.expressions) or len(numbers) > 2:
            raise SparkDecides(f"{table.sql('spark')[:60]} was not compared")
        largest = max(int(it.name) for it in numbers)
        yield largest, largest


def _start(table: Table) -> int:
    return min(int(part.meta.get("start", -1)) for part in table.parts)


def _use(sql: str, tokens: Sequence[Token], table: Table) -> TableUse:
    parts = tuple(part.name for part in table.parts)
    start, end = _start(table), max(int(part.meta.get("end", -1)) for part in table.parts) + 1
    if start < 0 or table_names.split(sql[start:end]) != parts:
        raise SparkDecides(f"the place of {table_names.joined(parts)} in it is not clear")
    version, is_moment = None, False
    if table.args.get("version"):
        version, is_moment, end = _version(tokens, end)
    return TableUse(start, end, parts, version, is_moment, bool(table.alias))


def _version(tokens: Sequence[Token], end: int) -> tuple[str, bool, int]:
    """Read the clause behind a table's name: `[FOR] VERSION|TIMESTAMP AS OF literal`."""
    clause = [it for it in tokens if it.start >= end][:6]
    words = [it.text.upper() for it in clause]
    if words and words[0] == "FOR":
        clause, words = clause[1:], words[1:]
    kind = words[0].removeprefix("SYSTEM_") if words else ""
    if words[1:3] == ["AS", "OF"] and clause[3].token_type.name in ("NUMBER", "STRING"):
        if kind == "VERSION":
            return clause[3].text, False, clause[3].end + 1
        if kind in ("TIMESTAMP", "TIME") and clause[3].token_type.name == "STRING":
            return clause[3].text, True, clause[3].end + 1
    raise SparkDecides("the moment that it reads is computed")
