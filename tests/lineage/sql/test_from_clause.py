"""What a FROM brings to its query: joins, lateral views, pivots, and what stands in the place of a table."""

from __future__ import annotations

import pytest
import sqlglot

from dataflow.lineage.sql.from_clause import identifier_table, is_file_path, is_identifier_call, table_name_of
from dataflow.lineage.sql.resolver import QueryResolver

SCHEMA = {"s.a": ["id", "x"], "s.b": ["id", "y"]}


def scope(sql):
    """Return the scope that the FROM of a SELECT makes, and the resolver."""
    resolver = QueryResolver(SCHEMA)
    return resolver.scope_of(sqlglot.parse_one(sql, dialect="spark"), {}, []), resolver


def row(sql):
    """Return the names of the columns that `*` selects."""
    return [column.name for column in scope(sql)[0].row.columns]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM s.a JOIN s.b ON a.id = b.id", ["id", "x", "id", "y"]),
        ("SELECT * FROM s.a JOIN s.b USING (id)", ["id", "x", "y"]),
        ("SELECT * FROM s.a NATURAL JOIN s.b", ["id", "x", "y"]),
        ("SELECT * FROM s.a LEFT SEMI JOIN s.b ON a.id = b.id", ["id", "x"]),
        ("SELECT * FROM s.a LATERAL VIEW explode(array(x)) t AS e", ["id", "x", "e"]),
        ("SELECT * FROM s.a t (one, two)", ["one", "two"]),
        ("SELECT * FROM (SELECT * FROM s.a) PIVOT (sum(x) FOR id IN (1 AS one, 2 AS two))", ["one", "two"]),
    ],
)
def test_a_from_brings_its_columns_in_order(sql, expected):
    assert row(sql) == expected


def test_tables_are_found_by_alias_and_by_their_whole_name():
    found, _ = scope("SELECT 1 FROM s.a one JOIN s.b")
    assert found.lookup(["one"]).table == "s.a"
    assert found.lookup(["s", "b"]).table == "s.b"
    assert found.lookup(["two"]) is None


def test_the_keys_of_a_join_are_indirect_sources():
    _, resolver = scope("SELECT 1 FROM s.a JOIN s.b USING (id)")
    assert {(table, name) for table, name, _ in resolver.indirect} == {("s.a", "id"), ("s.b", "id")}


def table(text):
    """Return the node of what stands in the place of a table."""
    return sqlglot.parse_one(f"SELECT * FROM {text}", dialect="spark").args["from_"].this


def test_what_stands_in_the_place_of_a_table_is_told_apart():
    assert is_file_path(table("parquet.`/data/x`"))
    assert not is_file_path(table("s.a"))
    assert is_identifier_call(table("IDENTIFIER('s.a')"))
    assert identifier_table(table("IDENTIFIER('s.a')")) == "s.a"
    assert identifier_table(table("IDENTIFIER(name)")) is None
    assert table_name_of(table("lake.s.a")) == "lake.s.a"
