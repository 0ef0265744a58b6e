"""The types that the parts of a query may have, and whether both engines were compared for them.

A type is a word, its kind: decimals of up to eighteen digits are `decimal`, all that is computed of them `wide`,
whatever has parts `nested`, doubles that may be a negative zero `-0.0`. What the text does not tell has all kinds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dataflow.sail import compared
from dataflow.sail.judgement import SparkDecides
from dataflow.sail.names import Names, parts_of

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

T = TypeVar("T")
Kinds = frozenset[str]
_Table = tuple[tuple[tuple[type[Any], ...], Callable[[Any], T]], ...]
"""What to do with an expression, by its class: the first that fits."""

ALL: Kinds = compared.ANY
_OF_ICEBERG = {"timestamp": "ntz", "timestamptz": "timestamp", "double": "double"}
_OF_SQL = {
    "int": "int", "integer": "int", "bigint": "long", "long": "long", "string": "string", "double": "double",
    "boolean": "boolean", "date": "date", "timestamp": "timestamp", "timestamp_ntz": "ntz",
}  # fmt: skip
_DECIMAL = re.compile(r"decimal\((\d+)(?:,\s*(\d+))?\)", re.I)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?Z?", re.ASCII)
_NARROW = 18  # digits of decimals whose products still fit
_TRUTH = frozenset({"boolean", "null"})
_ORDERING = ("a comparison", "BETWEEN")
_EQUALITY = ("=", "IN")  # by which rows may be joined, and hashes tell -0.0 from 0.0
_UNWRITTEN = ("TsOrDsToDate",)  # what SQLGlot puts around the argument of `year` and the like
_TEXTUAL = frozenset({"string", "null"})


def kind_of_column(type_: object) -> str:
    """Return the kind of a column, by its type in an Iceberg schema."""
    if not isinstance(type_, str):
        return "nested"
    if found := _DECIMAL.fullmatch(type_):
        return "decimal" if int(found[1]) <= _NARROW else "wide"
    name = _OF_ICEBERG.get(type_, type_)
    return name if name in ALL else "other"


class KindsOf:
    """The kinds of the expressions of one query."""

    def __init__(self, names: Names, functions: Mapping[int, str]) -> None:
        from sqlglot import exp

        self._names = names
        self._functions = functions
        self._inside: list[Expr] = []
        truths = (exp.And, exp.Or, exp.Not, exp.Boolean, exp.In, exp.Between, exp.Exists, exp.Like, exp.Is)
        self._results: _Table[Kinds] = (
            ((*truths, *_comparisons()), lambda _: frozenset({"boolean"})),
            ((exp.Literal,), lambda it: frozenset({_of_literal(it.name, is_string=it.is_string)})),
            ((exp.Null,), lambda _: frozenset({"null"})),
            ((exp.Column,), self._of_column),
            ((exp.Cast,), lambda it: frozenset({_of_type(it.args["to"]) or "other"})),
            ((exp.Paren, exp.Alias, exp.Window, exp.Filter), lambda it: self(it.this)),
            ((exp.Distinct,), lambda it: self._together(it.expressions)),
            ((exp.Subquery,), self._of_subquery),
            ((exp.Neg,), lambda it: _possibly_negative_zero(self(it.this))),
            ((exp.Case, exp.If, exp.Coalesce), lambda it: self._together(branches(it))),
            ((exp.Add, exp.Sub, exp.Mul), lambda it: _of_arithmetic(it, self(it.this), self(it.expression))),
            ((exp.DPipe,), lambda _: frozenset({"string"})),
            ((exp.Func,), self._of_function),
        )
        self._checks: _Table[None] = (
            ((exp.Cast,), self._require_cast),
            ((exp.Case, exp.If, exp.Coalesce), self._require_branches),
            ((exp.In,), lambda it: self._require_alike("IN", [it.this, *it.expressions, *_queried(it)])),
            ((exp.Between,), lambda it: self._require_alike("BETWEEN", [it.this, it.args["low"], it.args["high"]])),
            ((exp.Is, exp.Exists), lambda _: None),
            ((exp.Distinct,), lambda it: self._require("DISTINCT", compared.SORTED, it.expressions)),
            ((exp.SetOperation, exp.Select), self._require_rows),
            ((exp.Like,), self._require_like),
            ((exp.DPipe,), lambda it: self._require("||", compared.FUNCTIONS["concat"][0], _sides(it))),
            ((exp.Add, exp.Sub, exp.Mul), self._require_arithmetic),
            ((exp.Neg,), self._require_negative),
            (_comparisons(), lambda it: self._require_alike(_sign(it), _sides(it))),
            ((exp.And, exp.Or), lambda it: self._require(it.key.upper(), _TRUTH, _sides(it))),
            ((exp.Func,), self._require_function),
            ((exp.Ordered,), lambda it: self._require_sorted("ORDER BY", it, [it.this])),
            ((exp.Group,), lambda it: self._require_sorted("GROUP BY", it, it.expressions)),
            (
                (exp.Window,),
                lambda it: self._require("PARTITION BY", compared.SORTED, it.args.get("partition_by") or ()),
            ),
            ((exp.Join,), self._require_join),
            ((exp.Values,), self._require_values),
            ((exp.Column,), self._require_no_field),
        )

    def __call__(self, node: Expr | None) -> Kinds:
        """Return the kinds that an expression may have."""
        found = _first(self._results, node)
        return ALL if node is None or found is None else found(node)

    def require(self, tree: Expr) -> None:
        """Check each part of a query against what was compared.

        Raises:
            SparkDecides: A part was not compared for the types that it may have.
        """
        for node in tree.walk():
            if (check := _first(self._checks, node)) is not None:
                check(node)

    def _of_subquery(self, node: Expr) -> Kinds:
        selects = node.this.selects
        return self(selects[0]) if len(selects) == 1 else ALL

    def _require_branches(self, node: Expr) -> None:
        from sqlglot import exp

        self._require_alike(node.key.upper(), [*branches(node)])
        if (name := self._functions.get(id(node))) is not None:
            self._require(name, compared.FUNCTIONS[name][0], branches(node))
        if isinstance(node, exp.Case) and node.this is not None:
            self._require_alike("CASE", [node.this, *(it.this for it in node.args["ifs"])])

    def _require_like(self, node: Expr) -> None:
        self._require("LIKE", _TEXTUAL, _sides(node))
        pattern = node.args["expression"]
        if not pattern.is_string or "\\" in pattern.name:
            raise SparkDecides(f"LIKE was not compared for {pattern.sql('spark')[:60]}")

    def _require_window(self, node: Expr) -> None:
        self._require("PARTITION BY", compared.SORTED, node.args.get("partition_by") or ())

    def _require_values(self, node: Expr) -> None:
        rows = [it.expressions if type(it).__name__ == "Tuple" else [it] for it in node.expressions]
        if len({len(row) for row in rows}) > 1:
            raise SparkDecides("VALUES has rows of several lengths")
        for column in zip(*rows, strict=True):
            kinds = self._together(column) - {"null"}
            if kinds != {"nested"} and kinds:
                self._require_alike("VALUES", column)

    def _require_negative(self, node: Expr) -> None:
        self._require("-", compared.NUMBERS, [node.args["this"]])
        if node.args["this"].name in ("2147483648", "9223372036854775808"):  # to Spark the sign is a part of them
            raise SparkDecides(f"{node.sql('spark')} was not compared")

    def _require_join(self, node: Expr) -> None:
        from sqlglot import exp

        self._require("USING", compared.SORTED, [exp.Column(this=it) for it in node.args.get("using") or ()])

    def _require_rows(self, node: Expr) -> None:
        """Check rows that are told apart as a whole: DISTINCT, and unions that leave out what is twice."""
        from sqlglot import exp

        if isinstance(node, exp.SetOperation):
            self._require_union([part.selects for part in parts_of(node)])
        if isinstance(node, exp.Except | exp.Intersect):
            self._require_one_type(node)
        apart = node.args.get("distinct") or isinstance(node, exp.Except | exp.Intersect)
        if not apart:
            return
        selects = list(node.find_all(exp.Select)) if isinstance(node, exp.SetOperation) else [node]
        for select in selects:
            for item in select.expressions:
                kinds = self._names.all_kinds if item.is_star else self(item)
                if odd := sorted(kinds - compared.SORTED):
                    raise SparkDecides(f"DISTINCT was not compared for a {_word(odd[0])}")

    def _require_one_type(self, node: Any) -> None:
        """Check EXCEPT and INTERSECT: Sail takes the types of the first query, Spark those that all have in common."""
        if not node.args.get("distinct"):
            raise SparkDecides(f"{node.key.upper()} ALL was not compared")
        for items in zip(*(part.selects for part in parts_of(node)), strict=True):
            kinds = self._together(items)
            if len(kinds) > 1 or kinds == {"decimal"}:  # those have digits of their own
                raise SparkDecides(f"{node.key.upper()} was compared for columns of one type alone")

    def _require_union(self, parts: Sequence[Sequence[Expr]]) -> None:
        if any(item.is_star for part in parts for item in part) or len({len(part) for part in parts}) > 1:
            raise SparkDecides("a union of * was not compared")
        for items in zip(*parts, strict=True):
            self._require_alike("UNION", items)

    def _require_sorted(self, what: str, node: Expr, keys: Iterable[Expr]) -> None:
        """Check what rows are sorted or grouped by; a number stands for a column of the result."""
        from sqlglot import exp

        for key in keys:
            if not key.is_int or node.find_ancestor(exp.Window):
                self._require(what, compared.SORTED, [key])
            elif odd := sorted(self._of_result(node, int(key.name)) - compared.SORTED):
                raise SparkDecides(f"{what} {key.name} was not compared for a {_word(odd[0])}")

    def _of_result(self, node: Expr, number: int) -> Kinds:
        from sqlglot import exp

        query = node.find_ancestor(exp.Query)
        selects = query.selects if query is not None else []
        if any(it.is_star for it in selects) or not 1 <= number <= len(selects):
            return self._names.all_kinds
        return self(selects[number - 1])

    def _require_no_field(self, column: Any) -> None:
        if self._names.may_be_field(column):
            raise SparkDecides(f"Sail has values for fields of structs that are null: {column.sql('spark')}")

    def _of_column(self, column: Any) -> Kinds:
        sources = self._names.sources(column)
        if not sources.is_known:
            return ALL
        found = {kind for _, kind in sources.columns}
        for each in sources.expressions:
            if not any(each is outer for outer in self._inside):
                self._inside.append(each)
                found |= self(each)
                self._inside.pop()
        return frozenset(found) or ALL

    def _together(self, nodes: Iterable[Expr]) -> Kinds:
        return frozenset().union(*map(self, nodes)) or ALL

    def _of_function(self, node: Expr) -> Kinds:
        name = self._functions.get(id(node))
        if name is None and type(node).__name__ in _UNWRITTEN:
            return self(node.args["this"])
        if name is None or name not in compared.FUNCTIONS:
            return ALL
        results = compared.FUNCTIONS[name][1]
        if "wide" in results:  # a sum or an average
            given = self._together(_arguments(node)) - {"null"}
            results -= {"wide"} if given <= compared.INTEGERS else {"long", "double"} if given <= {"decimal"} else set()
        return self._together(_arguments(node)) if results == compared.SAME else results

    def _require_function(self, node: Expr) -> None:
        from sqlglot import exp

        name = self._functions.get(id(node))
        if name is None and type(node).__name__ in _UNWRITTEN:
            return
        if name is None:
            raise SparkDecides(f"{node.key.upper()} was not compared")
        arguments = _arguments(node)
        self._require(name, compared.FUNCTIONS[name][0], arguments)
        if isinstance(node, exp.Greatest | exp.Least | exp.Nullif | exp.Array):
            self._require_alike(name, arguments)
            if isinstance(node, exp.Nullif) and len(self._together(arguments) - {"null"}) > 1:
                raise SparkDecides(f"{name} was not compared for two types")
        if name in ("date", "to_date") and len(arguments) > 1:
            raise SparkDecides(f"{name} was not compared for formats")
        if name in compared.WITH_LITERALS and not all(isinstance(it, exp.Literal) for it in arguments[1:]):
            raise SparkDecides(f"{name} was compared for literals alone")

    def _require(self, what: str, allowed: Kinds, nodes: Iterable[Expr]) -> None:
        for node in nodes:
            if odd := sorted(self(node) - allowed):
                raise SparkDecides(f"{what} was not compared for a {_word(odd[0])}: {node.sql('spark')[:60]}")

    def _require_cast(self, node: Expr) -> None:
        from sqlglot import exp

        to = _of_type(node.args["to"])
        if to is None or to not in compared.CASTS:
            raise SparkDecides(f"conversions to {node.args['to'].sql('spark')} were not compared")
        if to == "timestamp" and isinstance(node.this, exp.Literal) and _MOMENT.fullmatch(node.this.name):
            return
        self._require(f"a conversion to {node.args['to'].sql('spark')}", compared.CASTS[to], [node.this])

    def _require_alike(self, what: str, nodes: Sequence[Expr]) -> None:
        """Check that what is compared, or is one of several, has one kind; whole numbers are one."""
        kinds = self._together(nodes) - {"null"}
        alone = compared.SORTED if what in _EQUALITY else compared.SORTED | {"-0.0"}
        if kinds <= compared.INTEGERS or (len(kinds) == 1 and kinds <= alone):
            return
        if kinds <= {"date", "timestamp", "ntz", "string"} and len(kinds) == 2 and _are_moments_and_text(self, nodes):
            return
        doubles = {"double", "int", "long"} if what in _EQUALITY else {"double", "-0.0", "int", "long"}
        if kinds <= doubles:
            return
        if what in (*_ORDERING, *_EQUALITY) and kinds <= compared.INTEGERS | {"decimal", "wide"}:
            return
        words = " and a ".join(map(_word, sorted(kinds)))
        raise SparkDecides(
            f"{what} was not compared for a {words}" if len(kinds) < 4 else f"{what}: types are not clear"
        )

    def _require_arithmetic(self, node: Expr) -> None:
        left, right = self(node.this), self(node.expression)
        if left <= compared.INTEGERS and right <= compared.INTEGERS:
            return
        if left <= {"double", "-0.0", "int", "long"} and right <= {"double", "-0.0", "int", "long"}:
            return
        if left <= {"decimal", "int"} and right <= {"decimal"}:
            return
        raise SparkDecides(f"arithmetic was not compared for types as in {node.sql('spark')[:60]}")


def _comparisons() -> tuple[type[Expr], ...]:
    from sqlglot import exp

    return (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ)


def _first(table: _Table[T], node: Expr | None) -> Callable[[Any], T] | None:
    return next((do for kinds, do in table if isinstance(node, kinds)), None)


def _sides(node: Expr) -> list[Expr]:
    return [node.args["this"], node.args["expression"]]


def _sign(node: Expr) -> str:
    from sqlglot import exp

    return "=" if isinstance(node, exp.EQ | exp.NullSafeEQ) else "a comparison"


def _queried(node: Expr) -> Iterable[Expr]:
    """Yield what the query behind an IN selects."""
    query = node.args.get("query")
    return query.this.selects if query is not None else ()


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


def _arguments(node: Expr) -> list[Expr]:
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


def _of_type(type_: Expr) -> str | None:
    text = type_.sql("spark").lower()
    if found := _DECIMAL.fullmatch(text):
        return "decimal" if int(found[1]) <= _NARROW else "wide"
    return _OF_SQL.get(text)


def _possibly_negative_zero(kinds: Kinds) -> Kinds:
    return kinds | {"-0.0"} if "double" in kinds else kinds


def _of_arithmetic(node: Expr, left: Kinds, right: Kinds) -> Kinds:
    both = (left | right) - {"null"}
    if both <= compared.INTEGERS:
        return frozenset({"long"}) if frozenset({"long"}) in (left, right) else both
    if both <= {"double", "int", "long"} and type(node).__name__ in ("Add", "Sub"):
        return frozenset({"double"})
    if both <= {"double", "-0.0", "int", "long"}:
        return frozenset({"-0.0"})
    return frozenset({"wide"}) if both <= {"decimal", "wide", "int"} else ALL


def _are_moments_and_text(kinds: KindsOf, nodes: Sequence[Expr]) -> bool:
    """Say whether a moment is compared with literals of text, which both engines convert."""
    from sqlglot import exp

    return all(isinstance(it, exp.Literal) for it in nodes if "string" in kinds(it))


def _word(kind: str) -> str:
    words = {
        "odd": "double that is NaN or -0.0",
        "-0.0": "double that may be -0.0",
        "wide": "computed decimal",
        "ntz": "timestamp without a zone",
    }
    return words.get(kind, kind)
