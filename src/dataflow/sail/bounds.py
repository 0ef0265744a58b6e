"""How large the whole numbers of a query can get: Sail adds and multiplies them without a look at overflow.

Spark fails where a sum or product does not fit. So Sail may answer where the smallest and largest values of columns,
and the numbers of rows, prove that none can: the bound of an expression is put together from those of its parts.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dataflow.sail import compared
from dataflow.sail.judgement import SparkDecides
from dataflow.sail.kinds import KindsOf, branches
from dataflow.sail.names import NO_TABLE, Names

if TYPE_CHECKING:
    from sqlglot.expressions import Column, Expr

_INT, _LONG, _EXACT = 2**31 - 1, 2**63 - 1, 2**53
_STEPS = 2_000
_RESULTS = {
    "year": 9999, "month": 12, "day": 31, "dayofmonth": 31, "quarter": 4, "dayofweek": 7, "dayofyear": 366,
    "weekofyear": 53, "hour": 23, "minute": 59, "second": 59, "size": _INT, "cardinality": _INT, "length": _INT,
    "datediff": 8_000_000, "date_diff": 8_000_000,
    "len": _INT, "char_length": _INT, "character_length": _INT, "octet_length": _INT, "instr": _INT, "locate": _INT,
}  # fmt: skip
_NUMBERING = frozenset({"row_number", "rank", "dense_rank", "ntile", "count", "count_if"})

Bounds = Mapping[str, int]
"""The largest absolute value of each column of whole numbers, by its name in lower case."""


def numbers_added(tree: Expr, kinds: KindsOf) -> list[Expr]:
    """Return the parts of a query that may come to too large a whole number."""
    from sqlglot import exp

    found: list[Expr] = []
    for node in tree.find_all(exp.Add, exp.Sub, exp.Mul, exp.IntDiv, exp.Sum, exp.Avg):
        if kinds(node.this if isinstance(node, exp.Avg) else node) & compared.INTEGERS:
            found.append(node)
    return found


def columns_of(nodes: Sequence[Expr], names: Names) -> set[tuple[int, str]]:
    """Return the columns of whole numbers from which expressions take values, each with the number of its table."""
    from sqlglot import exp

    found: set[tuple[int, str]] = set()
    left, seen = list(nodes), set[int]()
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        for column in node.find_all(exp.Column):
            sources = names.sources(column)
            found |= {
                (i, column.name.lower()) for i, kind in sources.columns if kind in compared.INTEGERS and i != NO_TABLE
            }
            left += sources.expressions
    return found


class Limits:
    """Bounds of expressions, by those of the tables' columns."""

    def __init__(self, names: Names, kinds: KindsOf, functions: Mapping[int, str], tables: Sequence[Bounds]) -> None:
        from sqlglot import exp

        self._names = names
        self._kinds = kinds
        self._functions = functions
        self._tables = tables
        self._rows = 1
        self._inside: list[Expr] = []
        self._steps = 0
        self._bounds: tuple[tuple[tuple[type[Any], ...], Callable[[Any], int | None]], ...] = (
            ((exp.Literal,), lambda it: int(it.name) if it.name.isdecimal() and not it.is_string else None),
            ((exp.Null,), lambda _: 0),
            ((exp.Paren, exp.Alias, exp.Neg, exp.Window, exp.Filter, exp.Abs), lambda it: self._of(it.this)),
            ((exp.Min, exp.Max, exp.FirstValue, exp.LastValue), lambda it: self._of(it.this)),
            ((exp.Lag, exp.Lead), lambda it: self._most([it.this, it.args.get("default") or exp.null()])),
            ((exp.Distinct,), lambda it: self._most(it.expressions)),
            ((exp.Column,), self._of_column),
            ((exp.Cast,), self._of_cast),
            ((exp.Case, exp.If, exp.Coalesce), lambda it: self._most([*branches(it)])),
            ((exp.Greatest, exp.Least), lambda it: self._most([it.this, *it.expressions])),
            ((exp.Add, exp.Sub), lambda it: _both(self._of(it.this), self._of(it.expression), operator.add)),
            ((exp.Mod, exp.IntDiv, exp.Round), lambda it: self._of(it.this)),
            ((exp.Mul,), lambda it: _both(self._of(it.this), self._of(it.expression), operator.mul)),
            # An average is a sum of doubles, which is exact up to some size.
            ((exp.Sum, exp.Avg), lambda it: _both(self._of(it.this), self._rows, operator.mul)),
            ((exp.Subquery,), lambda it: self._most(it.this.selects)),
        )

    def require(self, nodes: Sequence[Expr], rows: int) -> None:
        """Check that none of some expressions can be too large.

        Args:
            nodes: The expressions.
            rows: How many rows there can be at most in any part of the query.

        Raises:
            SparkDecides: One may be.
        """
        from sqlglot import exp

        self._rows = rows
        for node in nodes:
            is_long = isinstance(node, exp.Sum | exp.IntDiv) or self._kinds(node) == frozenset({"long"})
            most = _EXACT if isinstance(node, exp.Avg) else _LONG if is_long else _INT
            bound = self._of(node)
            if bound is None or bound > most:
                raise SparkDecides(f"{node.sql('spark')[:60]} may be too large a number, which Sail does not notice")

    def _of(self, node: Expr | None) -> int | None:
        self._steps += 1
        if node is None or self._steps > _STEPS:
            return None
        for kinds, bound in self._bounds:
            if isinstance(node, kinds):
                return bound(node)
        name = self._functions.get(id(node), "")
        return self._rows if name in _NUMBERING else _RESULTS.get(name)

    def _of_cast(self, node: Expr) -> int | None:
        inner = node.args["this"]
        return self._of(inner) if self._kinds(inner) <= compared.INTEGERS | {"null"} else None

    def _most(self, nodes: Sequence[Expr]) -> int | None:
        bounds = [self._of(it) for it in nodes]
        known = [it for it in bounds if it is not None]
        return max(known, default=0) if len(known) == len(bounds) else None

    def _of_column(self, column: Column) -> int | None:
        sources = self._names.sources(column)
        if not sources.is_known:
            return None
        bounds = [None if i == NO_TABLE else self._tables[i].get(column.name.lower()) for i, _ in sources.columns]
        for each in sources.expressions:
            if not any(each is outer for outer in self._inside):
                self._inside.append(each)
                bounds.append(self._of(each))
                self._inside.pop()
        known = [it for it in bounds if it is not None]
        return max(known, default=0) if len(known) == len(bounds) else None


def _both(left: int | None, right: int | None, put: Callable[[int, int], int]) -> int | None:
    return None if left is None or right is None else put(left, right)
