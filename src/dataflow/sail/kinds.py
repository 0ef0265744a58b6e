"""The types that the parts of a query may have.

A type is a word, its kind: decimals of up to eighteen digits are `decimal`, all that is computed of them `wide`,
whatever has parts `nested`, doubles that may be a negative zero `-0.0`, and those whose last digits depend on the order
of additions `near`. What the text does not tell has all kinds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dataflow.sail import compared
from dataflow.sail.judgement import UNWRITTEN
from dataflow.sail.names import Names, Nested

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

T = TypeVar("T")
Kinds = frozenset[str]
Table = tuple[tuple[tuple[type[Any], ...], Callable[[Any], T]], ...]
"""What to do with an expression, by its class: the first that fits."""

ALL: Kinds = compared.ANY
_DOUBLE: Kinds = frozenset({"double"})
_OF_ICEBERG = {"timestamp": "ntz", "timestamptz": "timestamp", "double": "double"}
_OF_SQL = {
    "int": "int", "integer": "int", "bigint": "long", "long": "long", "string": "string", "double": "double",
    "boolean": "boolean", "date": "date", "timestamp": "timestamp", "timestamp_ntz": "ntz",
}  # fmt: skip
_DECIMAL = re.compile(r"decimal\((\d+)(?:,\s*(\d+))?\)", re.I)
_NARROW = 18  # digits of decimals whose products still fit


class Digits(str):
    """The kind of a column of decimals: equal to all others of about as many digits.

    Attributes:
        digits: How many there are, and how many of them are behind the point.
    """

    digits: tuple[int, int]

    def __new__(cls, precision: int, scale: int) -> Digits:
        """Make one of so many digits."""
        made = super().__new__(cls, "decimal" if precision <= _NARROW else "wide")
        made.digits = (precision, scale)
        return made


def kind_of_column(type_: object) -> str:
    """Return the kind of a column, by its type in an Iceberg schema."""
    if not isinstance(type_, str):
        return _nested(type_ if isinstance(type_, Mapping) else {})
    if found := _DECIMAL.fullmatch(type_):
        return Digits(int(found[1]), int(found[2] or 0))
    name = _OF_ICEBERG.get(type_, type_)
    return name if name in ALL else "other"


def _nested(type_: Mapping[str, Any]) -> Nested:
    """Return the kind of a column with parts. Values inside are not looked at: a double may be anything there."""

    def inside(part: object) -> str:
        kind = kind_of_column(part)
        return "odd" if kind == "double" else kind

    elements = [type_[it] for it in ("element", "key", "value") if it in type_]
    fields = {it["name"].lower(): inside(it["type"]) for it in type_.get("fields", ())}
    return Nested(frozenset(map(inside, elements)), inside(type_["key"]) if "key" in type_ else None, fields)


class KindsOf:
    """The kinds of the expressions of one query.

    Attributes:
        names: What its names of columns stand for.
    """

    def __init__(self, names: Names, functions: Mapping[int, str]) -> None:
        from sqlglot import exp

        self.names = names
        self._functions = functions
        self._inside: list[Expr] = []
        truths = (exp.And, exp.Or, exp.Not, exp.Boolean, exp.In, exp.Between, exp.Exists, exp.Like, exp.Is)
        self._results: Table[Kinds] = (
            ((*truths, *comparisons()), lambda _: frozenset({"boolean"})),
            ((exp.Literal,), lambda it: frozenset({_of_literal(it.name, is_string=it.is_string)})),
            ((exp.Null,), lambda _: frozenset({"null"})),
            ((exp.Column,), self._of_column),
            ((exp.Cast,), lambda it: frozenset({of_type(it.args["to"]) or "other"})),
            ((exp.Paren, exp.Alias, exp.Window, exp.Filter), lambda it: self(it.this)),
            ((exp.Distinct,), lambda it: self.together(it.expressions)),
            ((exp.Subquery,), self._of_subquery),
            ((exp.Neg,), lambda it: _possibly_negative_zero(self(it.this))),
            ((exp.Case, exp.If, exp.Coalesce), self._of_branches),
            ((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), self._of_arithmetic),
            ((exp.IntDiv,), lambda _: frozenset({"long"})),
            ((exp.Explode, exp.Posexplode), lambda it: self.elements(it.this)),
            ((exp.Bracket,), lambda it: self.elements(it.this)),
            ((exp.DPipe,), lambda _: frozenset({"string"})),
            ((exp.Func,), self._of_function),
        )

    def __call__(self, node: Expr | None) -> Kinds:
        """Return the kinds that an expression may have."""
        found = first(self._results, node)
        return ALL if node is None or found is None else found(node)

    def _of_subquery(self, node: Expr) -> Kinds:
        selects = node.this.selects
        return self(selects[0]) if len(selects) == 1 else ALL

    def _of_column(self, column: Any) -> Kinds:
        sources = self.names.sources(column)
        if not sources.is_known:
            return ALL
        found = {kind for _, kind in sources.columns}
        for each in sources.expressions:
            if not any(each is outer for outer in self._inside):
                self._inside.append(each)
                found |= self(each)
                self._inside.pop()
        return frozenset(found) or ALL

    def together(self, nodes: Iterable[Expr]) -> Kinds:
        """Return the kinds that any of some expressions may have."""
        return frozenset().union(*map(self, nodes)) or ALL

    def united(self, nodes: Sequence[Expr]) -> Kinds:
        """Return the kinds of expressions that both engines bring to one type."""
        return frozenset().union(*self.beside(nodes)) or ALL

    def beside(self, nodes: Sequence[Expr]) -> list[Kinds]:
        """Return the kinds of expressions beside each other: plain decimals are doubles where another surely is one."""
        kinds = [self(it) for it in nodes]
        if not any(it & compared.DOUBLES and it <= compared.DOUBLES | {"null"} for it in kinds):
            return kinds
        return [_DOUBLE if _is_plain_decimal(*it) else it[1] for it in zip(nodes, kinds, strict=True)]

    def elements(self, node: Expr) -> Kinds:
        """Return the kinds of what is in an array or a map."""
        from sqlglot import exp

        inner = bare(node)
        if isinstance(inner, exp.RegexpSplit):
            return frozenset({"string"})
        if not isinstance(inner, exp.Column):
            return ALL
        sources = self.names.sources(inner)
        nested = [kind for _, kind in sources.columns if isinstance(kind, Nested)]
        if not sources.is_known or len(nested) < len(sources.columns):
            return ALL
        found = frozenset().union(*(it.elements for it in nested))
        for each in sources.expressions:
            if not any(each is outer for outer in self._inside):
                self._inside.append(each)
                found |= self.elements(each)
                self._inside.pop()
        return found or ALL

    def is_taken_alike(self, node: Any) -> bool:
        """Say whether an element is taken out by a literal of the kind that an array's index, or a map's key, is of.

        Sail takes a column's name there for a text.
        """
        from sqlglot import exp

        index = node.expressions[0] if len(node.expressions) == 1 else None
        if not isinstance(index, exp.Literal) or not isinstance(node.this, exp.Column):
            return False
        sources = self.names.sources(node.this)
        keys = {kind.key for _, kind in sources.columns if isinstance(kind, Nested) and kind.elements}
        wanted = {"string"} if index.is_string else {"int", "long", None}
        return bool(keys) and keys <= wanted and sources.is_known and not sources.expressions

    def _of_branches(self, node: Expr) -> Kinds:
        found = self.united([*branches(node)])
        is_mixed = len(found - {"null"}) > 1 and found <= compared.INTEGERS | {"decimal", "wide", "null"}
        return frozenset({"wide"}) if is_mixed and found & {"decimal", "wide"} else found

    def _of_arithmetic(self, node: Any) -> Kinds:
        from sqlglot import exp

        if isinstance(node.expression, exp.Interval):
            return self(node.this)
        left, right = self.beside([node.this, node.expression])
        return _of_arithmetic(type(node).__name__, left, right)

    def _of_function(self, node: Expr) -> Kinds:
        name = self._functions.get(id(node))
        if name is None and type(node).__name__ in UNWRITTEN:
            return self(node.args["this"])
        if name is None or name not in compared.FUNCTIONS:
            return ALL
        if name == "round":
            return self._of_round(node)
        results = compared.FUNCTIONS[name][1]
        given = self._given(name, node)
        if name in ("sum", "avg"):
            return _of_sum(results, given - {"null"})
        return given if results == compared.SAME else results

    def _given(self, name: str, node: Expr) -> Kinds:
        """Return the kinds of a function's arguments, as far as its result may be of them."""
        from sqlglot import exp

        if name == "nullif":
            return self(node.args["this"]) | {"null"}
        if name in ("lag", "lead"):
            return self.together([node.args["this"], node.args.get("default") or exp.null()])
        return self.united(arguments(node))

    def _of_round(self, node: Any) -> Kinds:
        given = self(node.this) - {"null"}
        if given and given <= compared.DOUBLES | {"odd"}:
            return _DOUBLE
        return frozenset({"wide"}) if given & {"decimal", "wide"} else given or frozenset({"null"})


def comparisons() -> tuple[type[Expr], ...]:
    """Return the classes of comparisons."""
    from sqlglot import exp

    return (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ)


def first(table: Table[T], node: Expr | None) -> Callable[[Any], T] | None:
    """Return what a table has for an expression."""
    return next((do for kinds, do in table if isinstance(node, kinds)), None)


def sides(node: Expr) -> list[Expr]:
    """Return what stands left and right of an operator."""
    return [node.args["this"], node.args["expression"]]


def branches(node: Expr) -> Iterable[Expr]:
    """Yield what a conditional expression may come to."""
    from sqlglot import exp

    match node:
        case exp.Case():
            yield from (it.args["true"] for it in node.args["ifs"])
            if node.args.get("default") is not None:
                yield node.args["default"]
        case exp.If():
            yield node.args["true"]
            if node.args.get("false") is not None:
                yield node.args["false"]
        case exp.Coalesce():
            yield node.this
            yield from node.expressions


def arguments(node: Expr) -> list[Expr]:
    """Return what a function is given, all but words of its syntax."""
    from sqlglot import exp

    if isinstance(node, exp.Struct):
        return [it.args["expression"] for it in node.expressions]
    return [it for it in node.iter_expressions() if not isinstance(it, exp.DataType | exp.Var | exp.Star)]


def _of_literal(text: str, *, is_string: bool) -> str:
    if is_string:
        return "string"
    if re.fullmatch(r"\d+", text):
        return "int" if int(text) < 2**31 else "long" if int(text) < 2**63 else "wide"
    if re.fullmatch(r"\d*\.\d*", text):
        return "decimal" if len(text) <= _NARROW else "wide"
    return "-0.0" if re.fullmatch(r"\d{1,9}(\.\d{0,9})?e-?\d", text, re.I) else "other"


def of_type(type_: Expr) -> str | None:
    """Return the kind of a type that a query names; None where it is not known."""
    text = type_.sql("spark").lower()
    if found := _DECIMAL.fullmatch(text):
        return "decimal" if int(found[1]) <= _NARROW else "wide"
    return _OF_SQL.get(text)


def _possibly_negative_zero(kinds: Kinds) -> Kinds:
    return kinds | {"-0.0"} if kinds & compared.DOUBLES else kinds


def _of_arithmetic(sign: str, left: Kinds, right: Kinds) -> Kinds:
    both = (left | right) - {"null"}
    if both <= compared.INTEGERS:
        if sign == "Div":
            return frozenset({"-0.0"})
        return frozenset({"long"}) if frozenset({"long"}) in (left, right) else both
    if both <= compared.DOUBLES | compared.INTEGERS:
        signed = frozenset() if sign in ("Add", "Sub") else frozenset({"-0.0"})
        return signed | {"near"} if "near" in both else signed or _DOUBLE
    return frozenset({"wide"}) if both <= {"decimal", "wide", "int", "long"} else ALL


def _of_sum(results: Kinds, given: Kinds) -> Kinds:
    """Return the kinds of a sum or an average: those of its results that may come of what is added."""
    found = {kind for kind in results if kind == "wide" and given & {"decimal", "wide"}}
    if given & compared.INTEGERS or not given:
        found |= results - {"wide"}
    if given & compared.DOUBLES:
        found.add("near")
    return frozenset(found) if given <= compared.NUMBERS else ALL


def bare(node: Expr) -> Expr:
    """Return an expression without its parentheses and signs."""
    from sqlglot import exp

    while isinstance(node, exp.Paren | exp.Neg):
        node = node.this
    return node


def _is_plain_decimal(node: Expr, kinds: Kinds) -> bool:
    from sqlglot import exp

    plain = (exp.Literal, exp.Column, exp.AggFunc, exp.Add, exp.Sub, exp.Mul, exp.Div)
    return kinds <= {"decimal", "wide"} and isinstance(bare(node), plain)


def groups(node: Expr) -> Iterable[list[Expr]]:
    """Yield the parts of an expression that both engines bring to one type."""
    from sqlglot import exp

    match node:
        case exp.In():
            yield [node.this, *node.expressions]
        case exp.Between():
            yield [node.this, node.args["low"], node.args["high"]]
        case exp.Case() | exp.If() | exp.Coalesce():
            yield [*branches(node)]
            if isinstance(node, exp.Case) and node.this is not None:
                yield [node.this, *(it.this for it in node.args["ifs"])]
        case exp.Greatest() | exp.Least():
            yield arguments(node)
        case exp.Add() | exp.Sub() | exp.Mul() | exp.Div() | exp.Mod():
            yield sides(node)
        case _ if isinstance(node, comparisons()):
            yield sides(node)
