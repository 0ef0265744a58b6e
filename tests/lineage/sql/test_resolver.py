"""Which column of which table a name in a query means: subqueries, common table expressions, views and stars."""

from __future__ import annotations

import pytest
import sqlglot

from dataflow.lineage.sql.resolver import QueryResolver

SCHEMA = {"s.plays": ["id", "hours", "country"], "s.titles": ["id", "name"]}


def query(sql, schema=SCHEMA):
    """Return what a query brings out, and the resolver with what it noted."""
    resolver = QueryResolver(schema)
    return resolver.query(sqlglot.parse_one(sql, dialect="spark"), {}, []), resolver


def columns(relation):
    """Spell each column of a relation with the columns that it is made of."""
    return {column.name: {f"{table}.{name}" for table, name, _ in column.leaves} for column in relation.columns}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id, hours * 2 AS twice FROM s.plays", {"id": {"s.plays.id"}, "twice": {"s.plays.hours"}}),
        ("SELECT p.hours FROM (SELECT * FROM s.plays) p", {"hours": {"s.plays.hours"}}),
        ("WITH c AS (SELECT hours AS h FROM s.plays) SELECT h FROM c", {"h": {"s.plays.hours"}}),
        ("SELECT * EXCEPT (country) FROM s.plays", {"id": {"s.plays.id"}, "hours": {"s.plays.hours"}}),
        ("SELECT id FROM s.plays UNION SELECT id FROM s.titles", {"id": {"s.plays.id", "s.titles.id"}}),
        ("SELECT struct(hours AS h, id AS i).h AS x FROM s.plays", {"x": {"s.plays.hours"}}),
        ("SELECT (SELECT max(name) FROM s.titles t WHERE t.id = p.id) AS n FROM s.plays p", {"n": {"s.titles.name"}}),
    ],
)
def test_each_column_of_a_query_is_traced_to_the_columns_of_tables(sql, expected):
    relation, _ = query(sql)
    assert columns(relation) == expected


def test_a_name_of_a_table_without_a_known_schema_may_be_any_of_its_columns():
    relation, resolver = query("SELECT colour FROM s.unknown", schema={})
    assert columns(relation) == {"colour": {"s.unknown.colour"}}
    assert list(resolver.tables) == ["s.unknown"]
    assert not resolver.unresolved


def test_a_name_that_no_known_column_has_is_noted_with_its_place():
    _, resolver = query("SELECT id,\n  hour FROM s.plays")
    (unresolved,) = resolver.unresolved
    assert (unresolved.name, unresolved.place, unresolved.line) == ("hour", "s.plays", 2)
    assert unresolved.known == ("id", "hours", "country")


def test_filters_joins_and_orders_are_indirect_sources():
    _, resolver = query("SELECT p.id FROM s.plays p JOIN s.titles t ON p.id = t.id WHERE country = 'US' ORDER BY hours")
    assert {f"{table}.{name}" for table, name, _ in resolver.indirect} == {
        "s.plays.id", "s.titles.id", "s.plays.country", "s.plays.hours",
    }  # fmt: skip


def test_a_view_of_the_script_is_seen_through_and_its_tables_are_read_with_it():
    resolver = QueryResolver(SCHEMA)
    resolver.add_view("v", resolver.query(sqlglot.parse_one("SELECT hours AS h FROM s.plays", dialect="spark"), {}, []))
    resolver.tables.clear()
    assert columns(resolver.query(sqlglot.parse_one("SELECT h FROM v", dialect="spark"), {}, [])) == {
        "h": {"s.plays.hours"}
    }
    assert list(resolver.tables) == ["s.plays"]


def test_a_star_that_meets_a_list_of_columns_in_a_union_is_noted_as_positional():
    _, resolver = query("SELECT * FROM s.titles UNION ALL SELECT id, country FROM s.plays")
    assert resolver.select_stars == {("s.titles", 1)}
