"""What an expression is made of: direct sources, indirect ones, and what only names a column."""

from __future__ import annotations

import pytest
import sqlglot

from dataflow.lineage.sql.relations import QueryScope
from dataflow.lineage.sql.resolver import QueryResolver

SCHEMA = {"s.a": ["x", "y", "z"]}


def leaves(expression):
    """Return the direct and the indirect columns of an expression over a table."""
    resolver = QueryResolver(SCHEMA)
    select = sqlglot.parse_one(f"SELECT {expression} FROM s.a", dialect="spark")
    scope = QueryScope.of("a", resolver.from_table(select.args["from_"].this, {}))
    found = resolver.value(select.expressions[0], [scope], {})
    return tuple({name for _, name, indirect in found if indirect is wanted} for wanted in (False, True))


@pytest.mark.parametrize(
    ("expression", "direct", "indirect"),
    [
        ("x + y", {"x", "y"}, set()),
        ("CASE WHEN x > 1 THEN y ELSE z END", {"x", "y", "z"}, set()),
        ("sum(x) FILTER (WHERE y > 1)", {"x"}, {"y"}),
        ("max(x) OVER (PARTITION BY y ORDER BY z)", {"x"}, {"y", "z"}),
        ("rank() OVER (ORDER BY z)", set(), {"z"}),
        ("count(*)", set(), set()),
        ("x IN (1, 2)", {"x"}, set()),
    ],
)
def test_values_are_direct_and_windows_and_filters_are_indirect(expression, direct, indirect):
    assert leaves(expression) == (direct, indirect)


def test_a_thousand_operators_are_read_without_recursion():
    assert leaves(" + ".join(["x"] * 1000))[0] == {"x"}


def test_a_column_of_a_select_is_told_from_one_inside_of_an_expression():
    resolver = QueryResolver(SCHEMA)
    resolver.query(sqlglot.parse_one("SELECT x, y + 1 AS more FROM s.a", dialect="spark"), {}, [])
    assert {(it.column, it.is_projection) for it in resolver.references if it.column} == {("x", True), ("y", False)}
