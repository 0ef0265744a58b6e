"""How many digits decimals have, by Spark's rules: Sail has others for divisions, remainders and rounding."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflow.sail import compared
from dataflow.sail.kinds import Digits, KindsOf, Table, branches
from dataflow.sail.names import Names

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

_MOST = 38
_AT_LEAST = 6  # digits behind the point of a quotient
_DECIMAL = re.compile(r"decimal\((\d+)(?:,\s*(\d+))?\)", re.I)
_OF_WHOLE = {"int": (10, 0), "long": (20, 0)}


class Type(NamedTuple):
    """A type of decimals.

    Attributes:
        precision: How many digits there are.
        scale: How many of them are behind the point.
    """

    precision: int
    scale: int

    def __str__(self) -> str:
        """Return it as SQL has it."""
        return f"DECIMAL({self.precision}, {self.scale})"


class Decimals:
    """The types of the decimals of one query."""

    def __init__(self, names: Names, kinds: KindsOf) -> None:
        from sqlglot import exp

        self._names = names
        self._kinds = kinds
        self._inside: list[Expr] = []
        same = (
            exp.Paren, exp.Neg, exp.Alias, exp.Window, exp.Filter, exp.Abs, exp.Min, exp.Max, exp.Nullif, exp.Lag,
            exp.Lead, exp.FirstValue, exp.LastValue,
        )  # fmt: skip
        self._types: Table[Type | None] = (
            ((exp.Literal,), lambda it: _of_literal(it.name)),
            ((exp.Column,), self._of_column),
            ((exp.Cast,), lambda it: _of_text(it.args["to"].sql("spark"))),
            (same, lambda it: self.of(it.args["this"])),
            ((exp.Case, exp.If, exp.Coalesce), lambda it: self.united(branches(it))),
            ((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), self.computed),
            ((exp.Sum, exp.Avg), self._of_sum),
            ((exp.Round,), self._of_round),
        )

    def of(self, node: Expr) -> Type | None:
        """Return the type of an expression that is a decimal; None where it is none, or that is not clear."""
        if not self._kinds(node) & {"decimal", "wide"} or not self._kinds(node) <= {"decimal", "wide", "null"}:
            return None
        return next((of(node) for classes, of in self._types if isinstance(node, classes)), None)

    def is_plain_nullif(self, node: Any) -> bool:
        """Say whether a decimal is compared with a whole number of not more digits, whose type it keeps in Spark."""
        type_, other = self.of(node.this), node.expression
        return type_ is not None and bool(other.is_int) and len(other.name) <= type_.precision - type_.scale

    def beside(self, node: Expr) -> Type | None:
        """Return the type that an expression has beside decimals: whole numbers are decimals there."""
        from sqlglot import exp

        kinds = self._kinds(node) - {"null"}
        if isinstance(node, exp.Literal) and node.is_int:
            return Type(len(node.name.lstrip("0")) or 1, 0)
        if len(kinds) == 1 and kinds <= compared.INTEGERS:
            return Type(*_OF_WHOLE[next(iter(kinds))])
        return self.of(node)

    def united(self, nodes: Iterable[Expr]) -> Type | None:
        """Return the type to which several branches are brought."""
        types = [self._of_branch(it) for it in nodes if self._kinds(it) != {"null"}]
        if not types or None in types:
            return None
        known = [it for it in types if it is not None]
        scale = max(it.scale for it in known)
        found = Type(max(it.precision - it.scale for it in known) + scale, scale)
        return found if found.precision <= _MOST else None

    def is_cut(self, node: Expr) -> bool:
        """Say whether digits of a decimal may be cut off in an expression, or in what its columns stand for.

        Sail compares such a one with a literal as it was before (its optimizer takes the conversion away).
        """
        from sqlglot import exp

        for part in node.walk():
            if isinstance(part, exp.Div | exp.Mod | exp.Round | exp.Avg | exp.Cast) and self._is_decimal(part):
                return True
            if isinstance(part, exp.Column) and self._is_decimal(part):
                sources = self._names.sources(part)
                if not sources.is_known or any(map(self._is_cut_within, sources.expressions)):
                    return True
        return False

    def may_be_constant(self, node: Expr) -> bool:
        """Say whether an expression has one value for all rows, as literals and what is computed of them."""
        from sqlglot import exp

        for column in node.find_all(exp.Column):
            sources = self._names.sources(column)
            if sources.is_known and not any(map(self._may_be_constant, sources.expressions)):
                return False
        return True

    def _may_be_constant(self, node: Expr) -> bool:
        if any(node is outer for outer in self._inside):
            return False
        self._inside.append(node)
        try:
            return self.may_be_constant(node)
        finally:
            self._inside.pop()

    def _is_cut_within(self, node: Expr) -> bool:
        if any(node is outer for outer in self._inside):
            return False
        self._inside.append(node)
        try:
            return self.is_cut(node)
        finally:
            self._inside.pop()

    def _is_decimal(self, node: Expr) -> bool:
        return bool(self._kinds(node) & {"decimal", "wide"})

    def _of_branch(self, node: Expr) -> Type | None:
        kinds = self._kinds(node) - {"null"}
        return Type(*_OF_WHOLE[next(iter(kinds))]) if kinds in ({"int"}, {"long"}) else self.of(node)

    def computed(self, node: Any) -> Type | None:
        """Return the type of a sum, difference, product, quotient or remainder of decimals, by Spark's rules."""
        left, right = self.beside(node.this), self.beside(node.expression)
        if left is None or right is None:
            return None
        scale = max(left.scale, right.scale)
        digits = [it.precision - it.scale for it in (left, right)]
        match type(node).__name__:
            case "Add" | "Sub":
                found = Type(max(digits) + scale + 1, scale)
            case "Mul":
                found = Type(left.precision + right.precision + 1, left.scale + right.scale)
            case "Mod":
                found = Type(min(digits) + scale, scale)
            case _:
                return _of_quotient(left, right)
        return found if found.precision <= _MOST else None

    def _of_column(self, column: Any) -> Type | None:
        sources = self._names.sources(column)
        if not sources.is_known:
            return None
        types = {Type(*kind.digits) if isinstance(kind, Digits) else None for _, kind in sources.columns}
        for each in sources.expressions:
            if not any(each is outer for outer in self._inside):
                self._inside.append(each)
                types.add(self.of(each))
                self._inside.pop()
        return types.pop() if len(types) == 1 else None

    def _of_sum(self, node: Any) -> Type | None:
        from sqlglot import exp

        given = self.of(node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this)
        if given is None:
            return None
        added = Type(given.precision + 10, given.scale)
        mean = Type(given.precision + 4, given.scale + 4)
        if added.precision > _MOST:  # what is added up for an average may have no more digits either
            return None
        return mean if isinstance(node, exp.Avg) else added

    def _of_round(self, node: Any) -> Type | None:
        given = self.of(node.this)
        if given is None:
            return None
        scale = min(given.scale, int(node.args["decimals"].name) if node.args.get("decimals") else 0)
        return Type(min(given.precision - given.scale + 1 + scale, _MOST), scale)


def _of_quotient(left: Type, right: Type) -> Type | None:
    scale = max(_AT_LEAST, left.scale + right.precision + 1)
    precision = left.precision - left.scale + right.scale + scale
    if precision > _MOST:  # digits behind the point are given up, those before it are not
        scale = max(_MOST - (precision - scale), min(scale, _AT_LEAST))
        precision = _MOST
    return Type(precision, scale)


def _of_text(text: str) -> Type | None:
    found = _DECIMAL.fullmatch(text)
    return Type(int(found[1]), int(found[2] or 0)) if found else None


def _of_literal(text: str) -> Type | None:
    whole, _, behind = text.partition(".")
    digits = len((whole + behind).lstrip("0")) or 1
    return Type(max(digits, len(behind)), len(behind)) if "." in text else None
