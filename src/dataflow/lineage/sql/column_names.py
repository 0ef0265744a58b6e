"""The names that Spark gives to columns of a query without an alias."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dataflow.lineage.sql.relations import Node

_OPERATORS = {
    "Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%", "EQ": "=", "NEQ": "<>", "GT": ">", "GTE": ">=",
    "LT": "<", "LTE": "<=", "And": "AND", "Or": "OR", "NullSafeEQ": "<=>",
}  # fmt: skip


def spark_column_name(projection: Node) -> str:
    """Return the name of a column of a query: its alias, or the name that Spark derives."""
    if projection.alias_or_name:
        return str(projection.alias_or_name)
    return _field(projection) if type(projection).__name__ == "Dot" else _spelled(projection)


def _spelled(node: Node) -> str:
    """Return the text of an expression as Spark derives it: operators in brackets, functions in lower case."""
    from sqlglot import exp

    kind = type(node).__name__
    if kind in _OPERATORS:
        return f"({_spelled(node.this)} {_OPERATORS[kind]} {_spelled(node.expression)})"
    if kind in _SPELLINGS:
        return _SPELLINGS[kind](node)
    if isinstance(node, exp.Func):
        name = str(node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        return f"{name}({', '.join(_spelled(part) for part in node.iter_expressions())})"
    return str(node.sql(dialect="spark"))


def _column(node: Node) -> str:
    return ".".join(part.name for part in node.parts)


def _field(node: Node) -> str:
    return str(node.expression.name)


def _literal(node: Node) -> str:
    return str(node.this)


def _cast(node: Node) -> str:
    return f"CAST({_spelled(node.this)} AS {node.to.sql(dialect='spark')})"


def _case(node: Node) -> str:
    whens = "".join(f" WHEN {_spelled(each.this)} THEN {_spelled(each.args['true'])}" for each in node.args["ifs"])
    default = node.args.get("default")
    return f"CASE{whens}{f' ELSE {_spelled(default)}' if default is not None else ''} END"


def _count(node: Node) -> str:
    return "count(1)" if type(node.this).__name__ == "Star" else f"count({_spelled(node.this)})"


_SPELLINGS: Mapping[str, Callable[[Node], str]] = {
    "Column": _column,
    "Literal": _literal,
    "Cast": _cast,
    "Case": _case,
    "Count": _count,
    "Paren": lambda node: _spelled(node.this),
    "Neg": lambda node: f"(- {_spelled(node.this)})",
    "Not": lambda node: f"(NOT {_spelled(node.this)})",
    "Bracket": lambda node: f"{_spelled(node.this)}[{', '.join(map(_spelled, node.expressions))}]",
    "Distinct": lambda node: f"DISTINCT {', '.join(map(_spelled, node.expressions))}",
    "Subquery": lambda _: "scalarsubquery()",
}
