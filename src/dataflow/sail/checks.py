"""Whether both engines were compared for the types that the parts of a query may have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dataflow.sail import compared
from dataflow.sail.decimals import Decimals
from dataflow.sail.judgement import UNWRITTEN, Judged, SparkDecides
from dataflow.sail.kinds import (
    Kinds,
    KindsOf,
    Table,
    arguments,
    branches,
    comparisons,
    first,
    of_type,
    sides,
)
from dataflow.sail.names import Names, parts_of
from dataflow.sail.patterns import require_pattern

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?Z?", re.ASCII)
_TRUTH = frozenset({"boolean", "null"})
_ORDERING = ("a comparison", "BETWEEN")
_BRANCHES = ("CASE", "IF", "COALESCE")
_EQUALITY = ("=", "IN")  # by which rows may be joined, and hashes tell -0.0 from 0.0
_TEXTUAL = frozenset({"string", "null"})
_DAYS, _TIMES = ("DAY", "MONTH", "YEAR"), ("HOUR", "MINUTE", "SECOND")


class Checks:
    """What is required of the parts of one query."""

    def __init__(self, judged: Judged, names: Names, kinds: KindsOf, decimals: Decimals) -> None:
        from sqlglot import exp

        self._judged = judged
        self._functions = judged.functions
        self._names = names
        self._kinds = kinds
        self._decimals = decimals
        self._checks: Table[None] = (
            ((exp.Cast,), self._require_cast),
            ((exp.Case, exp.If, exp.Coalesce), self._require_branches),
            ((exp.In,), lambda it: self._require_alike("IN", [it.this, *it.expressions, *_queried(it)])),
            ((exp.Between,), lambda it: self._require_alike("BETWEEN", [it.this, it.args["low"], it.args["high"]])),
            ((exp.Is, exp.Exists), lambda _: None),
            ((exp.Distinct,), lambda it: self._require("DISTINCT", compared.SORTED, it.expressions)),
            ((exp.SetOperation, exp.Select), self._require_rows),
            ((exp.Like,), self._require_like),
            ((exp.DPipe,), lambda it: self._require("||", compared.FUNCTIONS["concat"][0], sides(it))),
            ((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.IntDiv), self._require_arithmetic),
            ((exp.Bracket,), self._require_element),
            ((exp.Neg,), self._require_negative),
            (comparisons(), lambda it: self._require_alike(_sign(it), sides(it))),
            ((exp.And, exp.Or), lambda it: self._require(it.key.upper(), _TRUTH, sides(it))),
            ((exp.Func,), self._require_function),
            ((exp.Ordered,), lambda it: self._require_sorted("ORDER BY", it, [it.this])),
            ((exp.Group,), lambda it: self._require_sorted("GROUP BY", it, _keys(it))),
            ((exp.Window,), self._require_window),
            ((exp.Join,), self._require_join),
            ((exp.Values,), self._require_values),
            ((exp.Column,), self._require_no_field),
        )

    def require(self, tree: Expr) -> None:
        """Check each part of a query against what was compared.

        Raises:
            SparkDecides: A part was not compared for the types that it may have.
        """
        from sqlglot import exp

        if any(it.args.get("using") for it in tree.find_all(exp.Join)) and any(
            isinstance(it.parent, exp.Column) for it in tree.find_all(exp.Star)
        ):
            raise SparkDecides("Sail leaves the columns of USING out of a table's *")
        for node in tree.walk():
            if (check := first(self._checks, node)) is not None:
                check(node)

    def _require_window(self, node: Expr) -> None:
        from sqlglot import exp

        self._require("PARTITION BY", compared.SORTED, node.args.get("partition_by") or ())
        if node.this.find(exp.Distinct) is not None:
            raise SparkDecides("DISTINCT in a window is a mistake to Spark")

    def _require_branches(self, node: Expr) -> None:
        from sqlglot import exp

        self._require_alike(node.key.upper(), [*branches(node)])
        if (name := self._functions.get(id(node))) is not None:
            self._require(name, compared.FUNCTIONS[name][0], branches(node))
        if isinstance(node, exp.Case) and any(self._kinds(it.this) == {"null"} for it in node.args["ifs"]):
            raise SparkDecides("CASE WHEN NULL is a mistake to Spark")
        if isinstance(node, exp.Case) and node.this is not None:
            self._require_alike("=", [node.this, *(it.this for it in node.args["ifs"])])

    def _require_like(self, node: Expr) -> None:
        self._require("LIKE", _TEXTUAL, sides(node))
        pattern = node.args["expression"]
        if not pattern.is_string or "\\" in pattern.name:
            raise SparkDecides(f"LIKE was not compared for {pattern.sql('spark')[:60]}")

    def _require_values(self, node: Expr) -> None:
        rows = [it.expressions if type(it).__name__ == "Tuple" else [it] for it in node.expressions]
        if len({len(row) for row in rows}) > 1:
            raise SparkDecides("VALUES has rows of several lengths")
        for column in zip(*rows, strict=True):
            kinds = self._kinds.together(column) - {"null"}
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
                kinds = self._names.all_kinds if item.is_star else self._kinds(item)
                if odd := sorted(kinds - compared.SORTED):
                    raise SparkDecides(f"DISTINCT was not compared for a {_word(odd[0])}")

    def _require_one_type(self, node: Any) -> None:
        """Check EXCEPT and INTERSECT: Sail takes the types of the first query, Spark those that all have in common."""
        if not node.args.get("distinct"):
            raise SparkDecides(f"{node.key.upper()} ALL was not compared")
        for items in zip(*(part.selects for part in parts_of(node)), strict=True):
            kinds = self._kinds.together(items)
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

        in_window = node.find_ancestor(exp.Window) is not None
        for key in keys:
            allowed = compared.SORTED
            if isinstance(node, exp.Ordered):
                mended = {"-0.0"} if isinstance(key, exp.Column) else set()
                allowed = allowed | mended if in_window else allowed | mended | {"near"}
            if not key.is_int or in_window:
                self._require(what, allowed, [key])
            elif odd := sorted(self._of_result(node, int(key.name)) - allowed):
                raise SparkDecides(f"{what} {key.name} was not compared for a {_word(odd[0])}")

    def _require_no_field(self, column: Any) -> None:
        if self._names.may_be_field(column):
            raise SparkDecides(f"Sail has values for fields of structs that are null: {column.sql('spark')}")

    def _require_function(self, node: Expr) -> None:
        from sqlglot import exp

        name = self._functions.get(id(node))
        if name is None and type(node).__name__ in UNWRITTEN:
            return
        if name is None:
            raise SparkDecides(f"{node.key.upper()} was not compared")
        given = arguments(node)
        self._require(name, compared.FUNCTIONS[name][0], given)
        if isinstance(node, exp.Greatest | exp.Least | exp.Nullif | exp.Array):
            if isinstance(node, exp.Nullif) and self._decimals.is_plain_nullif(node):
                return
            self._require_alike(name, given)
            kinds = self._kinds.together(given) - {"null"}
            is_long = self._kinds(given[0]) == {"long"} and kinds <= compared.INTEGERS
            are_apart = kinds <= {"decimal", "wide"} and len({self._decimals.of(it) for it in given}) > 1
            if isinstance(node, exp.Nullif) and ((len(kinds) > 1 and not is_long) or are_apart):
                raise SparkDecides(f"{name} was not compared for two types")
        self._require_plain(name, node, given)

    def _require_plain(self, name: str, node: Any, given: Sequence[Expr]) -> None:
        """Check what a function's arguments have to be besides their types."""
        from sqlglot import exp

        texts = self._texts(node)
        require_pattern(name, texts)
        if name in compared.MENDED and len(texts) != 1:
            raise SparkDecides(f"{name} was compared for two dates alone")
        if name == "round":
            self._require_round(node)
        if name in ("lag", "lead") and (default := node.args.get("default")) is not None:
            self._require_alike("a default", [node.args["this"], default])
        is_clear = self._kinds(node) <= {"wide"} and self._decimals.of(node)
        if name == "avg" and self._kinds.together(given) & {"decimal", "wide"} and not is_clear:
            raise SparkDecides(f"avg: digits are not clear in {node.sql('spark')[:60]}")
        if name in ("sum", "avg") and "wide" in self._kinds.together(given) | self._kinds(node) and not is_clear:
            raise SparkDecides(f"{name}: types are not clear in {node.sql('spark')[:60]}")
        if name in compared.WITH_LITERALS and not all(isinstance(it, exp.Literal) for it in given[1:]):
            raise SparkDecides(f"{name} was compared for literals alone")

    def _texts(self, node: Expr) -> list[str | None]:
        """Return the arguments behind a function's first that are literals of text, as the query has them."""
        if "start" not in node.meta:
            pattern = node.args.get("expression")
            return [pattern.name if pattern is not None and pattern.is_string else None]
        found = self._judged.arguments(node.meta["start"])[1:]
        return [it[0].text if len(it) == 1 and it[0].token_type.name == "STRING" else None for it in found]

    def _require_round(self, node: Any) -> None:
        """Check rounding: to so many digits, which a literal says, and of one type."""
        places = node.args.get("decimals")
        if set(node.args) - {"this", "decimals"} or (places is not None and not _is_digit(places)):
            raise SparkDecides(f"round was not compared for {node.sql('spark')[:60]}")
        kinds = self._kinds(node.this) - {"null"}
        if kinds <= {"decimal", "wide"} and self._decimals.of(node) is not None:
            return
        if not any(kinds <= one for one in (compared.INTEGERS, compared.DOUBLES | {"odd"})):
            raise SparkDecides(f"round: types are not clear in {node.sql('spark')[:60]}")

    def _require_element(self, node: Any) -> None:
        """Check what is taken out of an array or a map."""
        if not self._kinds.is_taken_alike(node):
            raise SparkDecides(f"elements were compared for literals alone: {node.sql('spark')[:60]}")

    def _require(self, what: str, allowed: Kinds, nodes: Iterable[Expr]) -> None:
        for node in nodes:
            if odd := sorted(self._kinds(node) - allowed):
                raise SparkDecides(f"{what} was not compared for a {_word(odd[0])}: {node.sql('spark')[:60]}")

    def _require_cast(self, node: Expr) -> None:
        from sqlglot import exp

        to = of_type(node.args["to"])
        if to is None or to not in compared.CASTS:
            raise SparkDecides(f"conversions to {node.args['to'].sql('spark')} were not compared")
        if to == "timestamp" and isinstance(node.this, exp.Literal) and _MOMENT.fullmatch(node.this.name):
            return
        if to == "double" and self._decimals.of(node.this) is not None:
            return
        self._require(f"a conversion to {node.args['to'].sql('spark')}", compared.CASTS[to], [node.this])

    def _require_alike(self, what: str, nodes: Sequence[Expr]) -> None:
        """Check that what is compared, or is one of several, has one kind; whole numbers are one."""
        kinds = self._kinds.united(nodes) - {"null"}
        is_compared = what in (*_ORDERING, *_EQUALITY)
        cut = next(filter(self._decimals.is_cut, nodes), None) if is_compared else None
        if cut is not None and any(self._decimals.may_be_constant(it) for it in nodes if it is not cut):
            raise SparkDecides(f"Sail compares a decimal as it was before it was rounded: {cut.sql('spark')[:40]}")
        if is_compared and "near" in kinds and kinds <= compared.DOUBLES | compared.INTEGERS:
            raise SparkDecides(f"{nodes[0].sql('spark')[:40]} may differ in its last digits: compare it rounded")
        alone = compared.SORTED if what in _EQUALITY else compared.SORTED | {"-0.0", "near"}
        if kinds <= compared.INTEGERS or (len(kinds) == 1 and kinds <= alone):
            return
        if kinds <= {"date", "timestamp", "ntz", "string"} and len(kinds) == 2 and self._are_moments_and_text(nodes):
            return
        if kinds <= compared.INTEGERS | ({"double"} if what in _EQUALITY else compared.DOUBLES):
            return
        if is_compared and kinds <= compared.INTEGERS | {"decimal", "wide"}:
            return
        if what in _BRANCHES and kinds & {"decimal", "wide"} and self._decimals.united(nodes) is not None:
            return
        words = " and a ".join(map(_word, sorted(kinds)))
        raise SparkDecides(
            f"{what} was not compared for a {words}" if len(kinds) < 4 else f"{what}: types are not clear"
        )

    def _are_moments_and_text(self, nodes: Sequence[Expr]) -> bool:
        """Say whether a moment is compared with literals of text, which both engines convert."""
        from sqlglot import exp

        return all(isinstance(it, exp.Literal) for it in nodes if "string" in self._kinds(it))

    def _require_arithmetic(self, node: Any) -> None:
        from sqlglot import exp

        if isinstance(node.expression, exp.Interval):
            return self._require_moved(node)
        left, right = self._kinds.beside(sides(node))
        both = (left | right) - {"null"}
        if both <= compared.INTEGERS:
            return None
        if isinstance(node, exp.Mod) and "near" in both:
            raise SparkDecides(f"{node.this.sql('spark')[:40]} may differ in its last digits: take it rounded")
        if both <= compared.DOUBLES | compared.INTEGERS and not isinstance(node, exp.IntDiv):
            return None
        if both & {"decimal", "wide"} and not isinstance(node, exp.IntDiv) and self._decimals.computed(node):
            return None
        raise SparkDecides(f"arithmetic was not compared for types as in {node.sql('spark')[:60]}")

    def _require_moved(self, node: Any) -> None:
        """Check a moment that is moved by an interval."""
        from sqlglot import exp

        interval = node.expression
        unit = interval.args["unit"].name.upper().removesuffix("S") if interval.args.get("unit") else ""
        moments = compared.MOMENTS if unit in _DAYS else compared.MOMENTS - {"date"}
        text = interval.this.name if isinstance(interval.this, exp.Literal) else ""
        if not isinstance(node, exp.Add | exp.Sub) or unit not in (*_DAYS, *_TIMES) or not text.isdecimal():
            raise SparkDecides(f"intervals were not compared as in {node.sql('spark')[:60]}")
        self._require("an interval", moments | {"null"}, [node.this])

    def _of_result(self, node: Expr, number: int) -> Kinds:
        from sqlglot import exp

        query = node.find_ancestor(exp.Query)
        selects = query.selects if query is not None else []
        if any(it.is_star for it in selects) or not 1 <= number <= len(selects):
            return self._names.all_kinds
        return self._kinds(selects[number - 1])


def _sign(node: Expr) -> str:
    from sqlglot import exp

    return "=" if isinstance(node, exp.EQ | exp.NullSafeEQ) else "a comparison"


def _queried(node: Expr) -> Iterable[Expr]:
    """Yield what the query behind an IN selects."""
    query = node.args.get("query")
    return query.this.selects if query is not None else ()


def _keys(node: Expr) -> Iterable[Expr]:
    """Yield what rows are grouped by, of each set of keys."""
    from sqlglot import exp

    sets = node.args.get("grouping_sets") or ()
    for key in (*node.expressions, *sets, *(node.args.get("rollup") or ()), *(node.args.get("cube") or ())):
        if isinstance(key, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple):
            yield from _keys(key)
        else:
            yield key.unnest()


def _is_digit(node: Expr) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Literal) and not node.is_string and node.name.isdecimal() and int(node.name) <= 8


def _word(kind: str) -> str:
    words = {
        "odd": "double that is NaN, -0.0, or very large or small",
        "-0.0": "double that may be -0.0",
        "near": "sum of doubles, whose last digits may differ",
        "wide": "computed decimal",
        "ntz": "timestamp without a zone",
    }
    return words.get(kind, kind)
