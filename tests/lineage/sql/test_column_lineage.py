"""Column lineage out of SQL text alone."""

from __future__ import annotations

import pytest

from dataflow.lineage.model import Flow
from dataflow.lineage.sql.column_lineage import sql_lineage
from dataflow.lineage.sql.tables import tables_of
from tests.support.lineage_corpus import Score, all_deciders, all_direct, cases, named_of, shown, static


@pytest.mark.parametrize("case", cases("basics", "sources"), ids=lambda case: case.name)
def test_text_alone_tells_the_same_as_spark_s_plans(case):
    found = static(case)
    assert case.direct == all_direct(found)
    assert case.deciders == all_deciders(found)
    if case.named is not None:
        assert case.named == frozenset().union(*(named_of(write.flows) for write in found.values()))
    if case.constants is not None:
        assert case.constants == found["li.out"].constant_columns
    if case.reads is not None:
        assert case.reads == set(tables_of(case.script).reads)
    if case.writes is not None:
        assert case.writes == set(tables_of(case.script).writes)


def test_text_alone_tells_nearly_all_of_the_corpus():
    direct, deciding = Score(), Score()
    for case in cases():
        if case.static:
            found = static(case)
            direct.add(case.direct, all_direct(found))
            deciding.add(case.deciders, all_deciders(found))
    print(f"static: direct {direct.recall:.3f} {direct.precision:.3f}, deciding {deciding.recall:.3f}")
    assert direct.recall >= 0.99
    assert direct.precision >= 0.99
    assert deciding.recall >= 0.99


def flows(sql, schema=None, target="s.out"):
    found = {write.target: shown(write.flows) for write in sql_lineage(sql, schema).writes}
    return found[target]


def test_a_table_whose_columns_nobody_knows_has_those_that_are_asked_of_it():
    sql = "INSERT INTO s.out SELECT a.id, upper(name) AS name FROM s.a a WHERE kind = 1"
    assert flows(sql) == {"s.a.id -> id", "s.a.name -> name", "s.a.kind ~> "}


def test_a_name_that_could_be_of_two_unknown_tables_is_taken_for_both():
    sql = "INSERT INTO s.out SELECT name FROM s.a JOIN s.b ON s.a.id = s.b.id"
    assert flows(sql) == {"s.a.name -> name", "s.b.name -> name", "s.a.id ~> ", "s.b.id ~> "}


def test_a_star_of_an_unknown_table_fills_the_columns_of_the_target():
    assert flows("INSERT INTO s.out SELECT * FROM s.a", {"s.out": ["x", "y"]}) == {"s.a.x -> x", "s.a.y -> y"}


def test_beside_a_star_of_an_unknown_table_places_tell_nothing():
    schema = {"s.out": ["id", "name", "day"]}
    (write,) = sql_lineage("INSERT INTO s.out SELECT a.*, current_date() AS day FROM s.a a", schema).writes
    assert shown(write.flows) == {"s.a.id -> id", "s.a.name -> name"}
    assert write.constant_columns == {"day"}


def test_a_star_leaves_out_what_it_excepts():
    schema = {"s.a": ["id", "secret", "name"], "s.out": ["id", "name"]}
    assert flows("INSERT INTO s.out SELECT * EXCEPT (secret) FROM s.a", schema) == {"s.a.id -> id", "s.a.name -> name"}


def test_temporary_views_are_seen_through_and_their_filters_still_decide():
    sql = """
    CREATE OR REPLACE TEMPORARY VIEW mine AS SELECT id AS key, hours FROM s.a WHERE country = 'US';
    CACHE TABLE kept AS SELECT * FROM mine;
    INSERT INTO s.out SELECT key, hours FROM kept
    """
    assert flows(sql, {"s.out": ["id", "h"]}) == {
        "s.a.id -> id", "s.a.hours -> h", "s.a.country ~> ",
    }  # fmt: skip


def test_a_partition_with_a_value_takes_no_column_of_the_query():
    schema = {"s.out": ["date", "id", "hours"]}
    sql = "INSERT OVERWRITE s.out PARTITION (date = DATE '2026-01-01') SELECT id, sum(h) FROM s.a GROUP BY 1"
    assert flows(sql, schema) == {"s.a.id -> id", "s.a.h -> hours", "s.a.id ~> "}


def test_named_windows_lateral_aliases_and_using_are_understood():
    sql = """
    INSERT INTO s.out
    SELECT id, rank() OVER w AS r, hours * 2 AS double, double + 1 AS more
    FROM s.a JOIN s.b USING (id) WINDOW w AS (PARTITION BY country ORDER BY hours)
    """
    schema = {"s.a": ["id", "hours", "country"], "s.b": ["id"], "s.out": ["id", "r", "double", "more"]}
    assert flows(sql, schema) == {
        "s.a.id -> id", "s.a.country ~> r", "s.a.hours ~> r",
        "s.a.hours -> double", "s.a.hours -> more", "s.a.id ~> ", "s.b.id ~> ",
    }  # fmt: skip


def test_a_view_in_the_catalog_is_written_like_a_table():
    assert flows("CREATE VIEW s.out (k) AS SELECT id FROM s.a") == {"s.a.id -> k"}


def test_the_lines_where_a_column_is_named_are_known():
    sql = "INSERT INTO s.out\nSELECT a.id,\n  a.hours + a.hours\nFROM s.a a\nWHERE hours > 1"
    uses = sql_lineage(sql, {"s.a": ["id", "hours"]}).references
    assert sorted(use.line for use in uses if use.column == "hours") == [3, 3, 5]
    assert {use.line for use in uses if (use.table, use.column) == ("s.a", "")} == {4}
    assert all(sql.startswith("hours", use.offset) for use in uses if use.column == "hours")


def test_a_long_row_of_conditions_is_followed_and_what_has_no_query_writes_all_the_same():
    ors = " OR ".join(f"code = '{number}'" for number in range(3000))
    assert flows(f"INSERT INTO s.out SELECT id FROM s.a WHERE {ors}") == {"s.a.id -> id", "s.a.code ~> "}
    assert sql_lineage("INSERT INTO s.out DEFAULT VALUES").complete


def test_a_script_that_sqlglot_can_t_read_says_so():
    assert not sql_lineage("INSERT INTO s.out SELECT FROM WHERE (").complete
    assert not sql_lineage("CALL system.rollback_to_snapshot('a', 1)").complete


def test_no_table_read_is_lost_where_it_only_gives_rows():
    (write,) = sql_lineage("INSERT INTO s.out SELECT count(*) FROM s.a").writes
    assert write.flows == {Flow("s.a")}


@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        ("INSERT INTO s.out\nSELECT * FROM s.a", [("s.a", 2)]),
        ("INSERT INTO s.out SELECT a.*,\n b.* FROM s.a JOIN s.b USING (id)", [("s.a", 1), ("s.b", 2)]),
        ("INSERT INTO s.out SELECT *, 1 AS x FROM (SELECT * FROM s.a)", [("s.a", 1)]),
        ("INSERT INTO s.out (id, x) SELECT * EXCEPT (y) FROM s.a", [("s.a", 1)]),
        ("INSERT INTO s.out TABLE s.a", [("s.a", 1)]),
        ("INSERT INTO s.out WITH c AS (SELECT * FROM s.a) SELECT * FROM c", [("s.a", 1)]),
        ("CREATE TEMP VIEW v AS SELECT *\nFROM s.a; INSERT OVERWRITE s.out SELECT * FROM v", [("s.a", 1)]),
        ("INSERT INTO s.out SELECT * FROM s.a PIVOT (sum(x) FOR id IN (1, 2))", [("s.a", 1)]),
        ("INSERT INTO s.out SELECT id FROM (SELECT * FROM s.a UNION ALL SELECT 1, 2)", [("s.a", 1)]),
        ("INSERT INTO s.out SELECT id FROM (SELECT * FROM s.a) t (id, x)", [("s.a", 1)]),
        ("INSERT INTO s.out SELECT * FROM s.a UNION SELECT * FROM s.b", [("s.a", 1), ("s.b", 1)]),
        ("INSERT INTO s.out SELECT id FROM (SELECT * FROM s.a UNION ALL SELECT * FROM s.a)", []),
        ("INSERT INTO s.out SELECT id, x FROM (SELECT * FROM s.a)", []),
        ("INSERT INTO s.out SELECT id, count(*) FROM s.a GROUP BY id", []),
        ("INSERT INTO s.out BY NAME SELECT * FROM s.a", []),
        ("INSERT INTO s.out SELECT * FROM s.out WHERE id > 1", []),
        ("CREATE TABLE s.out AS SELECT * FROM s.a", []),
        ("MERGE INTO s.out USING s.a ON out.id = a.id WHEN NOT MATCHED THEN INSERT *", []),
    ],
)
def test_it_is_known_where_a_table_s_columns_go_by_their_position(sql, lines):
    for schema in (None, {"s.a": ["id", "x"], "s.b": ["id", "x"], "s.out": ["id", "x"]}):
        assert sorted(sql_lineage(sql, schema).select_stars) == lines


@pytest.mark.parametrize("schema", [None, {"s.people": ["id", "name"]}, {"s.plays": ["id", "hours"]}])
def test_a_name_of_a_query_around_is_no_struct_of_a_table_whose_columns_nobody_knows(schema):
    found = flows(
        "INSERT INTO s.out SELECT p.name FROM s.people p WHERE EXISTS (SELECT 1 FROM s.plays a WHERE a.id = p.id)",
        schema,
    )
    assert found == {"s.people.name -> name", "s.people.id ~> ", "s.plays.id ~> "}
