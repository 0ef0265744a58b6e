"""Expressions of a plan of PySpark's client as SQL, to be judged as a query's are."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from dataflow.sail.judgement import SparkDecides
from dataflow.sail.plan_columns import Part
from dataflow.tables.quoting import column_name

_SIGNS = {"==": "=", "and": "AND", "or": "OR"} | {
    it: it for it in ("<", "<=", ">", ">=", "<=>", "+", "-", "*", "/", "%")
}
_OF_ONE = {"not": ("NOT ", ""), "negative": ("- ", "")} | {
    **dict.fromkeys(("isNull", "isnull"), ("", " IS NULL")),
    **dict.fromkeys(("isNotNull", "isnotnull"), ("", " IS NOT NULL")),
}
_WORDS = {"startsWith": "startswith", "endsWith": "endswith", "substr": "substring"}
_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_PLAIN_TEXT = re.compile(r"[^\\'\x00-\x1f\x7f]*")
_EPOCH = dt.datetime(1970, 1, 1)
_TYPES = {
    "boolean": "BOOLEAN", "integer": "INT", "long": "BIGINT", "double": "DOUBLE", "string": "STRING", "date": "DATE",
    "timestamp": "TIMESTAMP", "binary": "BINARY", "float": "FLOAT",
}  # fmt: skip
_PAIR = 2


def expression(node: Any, part: Part) -> str:
    """Return an expression over the columns of a part of a plan.

    Raises:
        SparkDecides: It has no text that certainly means the same.
    """
    kind = node.WhichOneof("expr_type")
    read = {
        "literal": lambda: literal(node.literal),
        "unresolved_attribute": lambda: _attribute(node.unresolved_attribute, part),
        "unresolved_function": lambda: _function(node.unresolved_function, part),
        "alias": lambda: expression(node.alias.expr, part),
        "cast": lambda: _cast(node.cast, part),
        "expression_string": lambda: own_text(node.expression_string.expression, part),
        "window": lambda: _window(node.window, part),
    }.get(kind)
    if read is None:
        raise SparkDecides(f"{str(kind).replace('_', ' ')} in a data frame was not compared")
    return read()


def sorted_by(order: Any, part: Part) -> str:
    """Return what rows are sorted by, with where nulls come."""
    direction = {order.SORT_DIRECTION_DESCENDING: "DESC"}.get(order.direction, "ASC")
    nulls = {order.SORT_NULLS_FIRST: "NULLS FIRST", order.SORT_NULLS_LAST: "NULLS LAST"}.get(order.null_ordering)
    if nulls is None:
        raise SparkDecides("it is not clear where nulls are sorted")
    return f"{expression(order.child, part)} {direction} {nulls}"


def own_text(text: str, part: Part) -> str:
    """Return SQL of the script itself, as in `frame.where("hours > 0")`, where its names mean the columns."""
    if any(it.name != it.text for it in part.columns):
        raise SparkDecides("SQL over columns of the same name was not compared")
    require_expression(text)
    return f"({text}\n)"


def require_expression(text: str) -> Any:
    """Return SQLGlot's reading of a text, which has to be one expression.

    Raises:
        SparkDecides: It is not.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(f"SELECT {text}", read="spark")
    except SqlglotError as error:
        raise SparkDecides("its text is Spark's alone to read") from error
    parts = {name for name, value in tree.args.items() if value} - {"kind"}
    if not isinstance(tree, exp.Select) or parts != {"expressions"} or len(tree.expressions) != 1:
        raise SparkDecides("its text is Spark's alone to read")
    return tree.expressions[0]


def literal(value: Any) -> str:
    """Return a literal, of just the type that it has."""
    kind = value.WhichOneof("literal_type")
    found = None
    match kind:
        case "null":
            found = "NULL"
        case "boolean":
            found = str(value.boolean).upper()
        case "integer" if value.integer > -(2**31):
            found = _whole(value.integer)
        case "long" if value.long > -(2**63):
            found = f"CAST({_whole(value.long)} AS BIGINT)"
        case "double" if re.fullmatch(r"\d+\.\d+", repr(value.double), re.ASCII):
            found = f"CAST({value.double!r} AS DOUBLE)"
        case "string" if _PLAIN_TEXT.fullmatch(value.string):
            found = f"'{value.string}'"
        case "date":
            found = f"DATE '{(_EPOCH + dt.timedelta(days=value.date)).date()}'"
        case "timestamp":
            found = f"TIMESTAMP '{(_EPOCH + dt.timedelta(microseconds=value.timestamp)).isoformat(' ')}'"
    if found is None:
        raise SparkDecides(f"a literal of {kind} in a data frame was not compared")
    return found


def _whole(value: int) -> str:
    return f"{value}" if value >= 0 else f"(- {-value})"


def _attribute(node: Any, part: Part) -> str:
    if node.is_metadata_column:
        raise SparkDecides("columns of metadata are Spark's alone")
    plan = node.plan_id if node.HasField("plan_id") else None
    return column_name(part.find(node.unparsed_identifier, plan).text)


def _function(node: Any, part: Part) -> str:
    name = node.function_name
    if node.is_user_defined_function or (node.HasField("is_internal") and node.is_internal):
        raise SparkDecides(f"{name} is a function of the script's own")
    if (
        name == "count"
        and not node.is_distinct
        and [it.WhichOneof("expr_type") for it in node.arguments] == ["unresolved_star"]
    ):
        return "count(*)"
    given = [expression(it, part) for it in node.arguments]
    if not node.is_distinct and (found := _operator(name, given)) is not None:
        return found
    word = _WORDS.get(name, name)
    if not _NAME.fullmatch(word):
        raise SparkDecides(f"{name} in a data frame was not compared")
    return f"{word}({'DISTINCT ' if node.is_distinct else ''}{', '.join(given)})"


def _operator(name: str, given: Sequence[str]) -> str | None:
    """Return what is not written as a call; None for others."""
    if name in _SIGNS and len(given) == _PAIR:
        return f"({given[0]} {_SIGNS[name]} {given[1]})"
    if name in _OF_ONE and len(given) == 1:
        before, behind = _OF_ONE[name]
        return f"({before}{given[0]}{behind})"
    match name, given:
        case "in", [one, *others] if others:
            return f"({one} IN ({', '.join(others)}))"
        case "like", [one, other]:
            return f"({one} LIKE {other})"
        case "when", [_, _, *_]:
            return _case(given)
    return None


def _case(given: Sequence[str]) -> str:
    pairs = [f"WHEN {given[i]} THEN {given[i + 1]}" for i in range(0, len(given) - 1, _PAIR)]
    last = f" ELSE {given[-1]}" if len(given) % _PAIR else ""
    return f"CASE {' '.join(pairs)}{last} END"


def _cast(node: Any, part: Part) -> str:
    word = {node.EVAL_MODE_UNSPECIFIED: "CAST", node.EVAL_MODE_TRY: "TRY_CAST"}.get(node.eval_mode)
    if word is None:
        raise SparkDecides("such a cast of a data frame was not compared")
    return f"{word}({expression(node.expr, part)} AS {_type(node)})"


def _type(node: Any) -> str:
    if node.WhichOneof("cast_to_type") == "type_str":
        text = node.type_str.strip()
        if re.fullmatch(r"[A-Za-z_]+(\(\d+(, *\d+)?\))?", text, re.ASCII):
            return str(text)
        raise SparkDecides(f"conversions to {text[:40]} were not compared")
    kind = node.type.WhichOneof("kind")
    if kind == "decimal" and node.type.decimal.HasField("precision"):
        return f"DECIMAL({node.type.decimal.precision}, {node.type.decimal.scale})"
    if kind not in _TYPES:
        raise SparkDecides(f"conversions to {kind} were not compared")
    return _TYPES[kind]


def _window(node: Any, part: Part) -> str:
    said = []
    if node.partition_spec:
        said.append(f"PARTITION BY {', '.join(expression(it, part) for it in node.partition_spec)}")
    if node.order_spec:
        said.append(f"ORDER BY {', '.join(sorted_by(it, part) for it in node.order_spec)}")
    if node.HasField("frame_spec"):
        said.append(_frame(node.frame_spec))
    return f"{expression(node.window_function, part)} OVER ({' '.join(said)})"


def _frame(frame: Any) -> str:
    word = {frame.FRAME_TYPE_ROW: "ROWS", frame.FRAME_TYPE_RANGE: "RANGE"}.get(frame.frame_type)
    if word is None:
        raise SparkDecides("such a window was not compared")
    return f"{word} BETWEEN {_bound(frame.lower, 'PRECEDING')} AND {_bound(frame.upper, 'FOLLOWING')}"


def _bound(bound: Any, side: str) -> str:
    match bound.WhichOneof("boundary"):
        case "current_row":
            return "CURRENT ROW"
        case "unbounded":
            return f"UNBOUNDED {side}"
    value = bound.value.literal
    kind = value.WhichOneof("literal_type")
    if bound.value.WhichOneof("expr_type") != "literal" or kind not in ("integer", "long"):
        raise SparkDecides("such a window was not compared")
    number = int(getattr(value, kind))
    return f"{abs(number)} {'PRECEDING' if number < 0 else 'FOLLOWING'}"
