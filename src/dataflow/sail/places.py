"""Where the parts of a query stand in its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dataflow.sail.judgement import Judged, SparkDecides
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from sqlglot.expressions import Column, Expr

Place = tuple[int, int]
"""Where a part begins, and what is after its last character."""


def place_of(judged: Judged, node: Expr) -> Place:
    """Return where an expression stands.

    Raises:
        SparkDecides: That is not clear.
    """
    from sqlglot import exp

    for class_, place in _PLACES.items():
        if type(node).__name__ == class_:
            return place(judged, node)
    match node:
        case exp.Binary() if type(node).__name__ in _OF_TWO:
            return place_of(judged, node.this)[0], place_of(judged, node.expression)[1]
        case exp.Func() if "start" in node.meta:
            start, _, end = call_of(judged, node)
            return start, end
    raise _unclear(node)


def call_of(judged: Judged, node: Expr) -> tuple[int, int, int]:
    """Return where a call begins, where its first argument does, and what is after it.

    Raises:
        SparkDecides: That is not clear.
    """
    place = judged.call(int(node.meta.get("start", -1)))
    if place is None:
        raise _unclear(node)
    return place


def _of_column(judged: Judged, column: Column) -> Place:
    start = min(int(part.meta.get("start", -1)) for part in column.parts)
    end = max(int(part.meta.get("end", -1)) for part in column.parts) + 1
    if start < 0 or table_names.split(judged.sql[start:end]) != tuple(part.name for part in column.parts):
        raise _unclear(column)
    return start, end


def _of_literal(judged: Judged, literal: Expr) -> Place:
    start, end = int(literal.meta.get("start", -1)), int(literal.meta.get("end", -1)) + 1
    if start < 0 or (literal.name != judged.sql[start:end] and not literal.is_string):
        raise _unclear(literal)
    return start, end


def _of_window(judged: Judged, window: Any) -> Place:
    start, end = place_of(judged, window.this)
    behind = [it for it in judged.tokens if it.start >= end]
    depth = 0
    for token in behind[1:] if behind and behind[0].token_type.name == "OVER" else ():
        depth += (token.token_type.name == "L_PAREN") - (token.token_type.name == "R_PAREN")
        if depth == 0:
            return start, token.end + 1
    raise _unclear(window)


def _of_negative(judged: Judged, negative: Any) -> Place:
    start, end = place_of(judged, negative.this)
    before = [it for it in judged.tokens if it.end < start][-1:]
    if not before or before[0].token_type.name != "DASH":
        raise _unclear(negative)
    return before[0].start, end


def _of_parentheses(judged: Judged, node: Any) -> Place:
    start, end = place_of(judged, node.this)
    before = [it for it in judged.tokens if it.end < start][-1:]
    after = next((it for it in judged.tokens if it.start >= end), None)
    if not before or after is None or before[0].token_type.name != "L_PAREN" or after.token_type.name != "R_PAREN":
        raise _unclear(node)
    return before[0].start, after.end + 1


def _of_case(judged: Judged, node: Any) -> Place:
    start, _ = place_of(judged, node.this or node.args["ifs"][0].this)
    before = [it for it in judged.tokens if it.end < start]
    words = [it.token_type.name for it in before[-2:]]
    first = before[-1] if node.this is not None else before[-2] if words[1:] == ["WHEN"] else None
    if first is None or first.token_type.name != "CASE":
        raise _unclear(node)
    depth = 0
    for token in judged.tokens:
        if token.start < first.start:
            continue
        depth += (token.token_type.name == "CASE") - (token.token_type.name == "END")
        if depth == 0:
            return first.start, token.end + 1
    raise _unclear(node)


def _unclear(node: Expr) -> SparkDecides:
    return SparkDecides(f"the place of {node.sql('spark')[:60]} in it is not clear")


_OF_TWO = ("Add", "Sub", "Mul", "Div", "Mod", "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "And", "Or")
_PLACES: Mapping[str, Callable[[Judged, Any], Place]] = {
    "Column": _of_column,
    "Literal": _of_literal,
    "Paren": _of_parentheses,
    "Neg": _of_negative,
    "Window": _of_window,
    "Case": _of_case,
}
