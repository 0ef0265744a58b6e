"""Which expression of a SQL script a column comes from, through all the steps that only pass it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


def expression_of(script: str, column: str) -> tuple[int, str] | None:
    """Return the line and the text of the last expression that makes a column; None where there is none.

    Args:
        script: The script, its parameters not put in.
        column: The column's name, in whatever case.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    from dataflow.workflow.parameters import sql_placeholders

    text = list(script)
    for found in sql_placeholders(script):  # a parameter is not SQL: a name of the same length stands for it
        text[found.start : found.end] = "p" * (found.end - found.start)
    try:
        statements = [it for it in sqlglot.parse("".join(text), read="spark") if it is not None]
    except (SqlglotError, RecursionError):
        return None
    made: list[tuple[int, Expr]] = []
    for select in (it for statement in statements for it in statement.find_all(exp.Select)):
        for item in select.expressions:
            inner = item.this if isinstance(item, exp.Alias) else item
            if item.alias_or_name.lower() == column.lower() and not isinstance(inner, exp.Column | exp.Star):
                made.append((_start(item), inner))
    if not made:
        return None
    start, node = max(made, key=lambda it: it[0])
    return script.count("\n", 0, start) + 1, node.sql("spark")


def _start(node: Expr) -> int:
    from sqlglot import exp

    places = [int(it.meta["start"]) for it in node.find_all(exp.Identifier, exp.Func) if "start" in it.meta]
    return max(places, default=0)
