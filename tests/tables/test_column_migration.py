"""What a table says of its columns on the move, and what is filled."""

from __future__ import annotations

import json
from functools import partial

import pytest

from dataflow.errors import DataflowError
from dataflow.tables.column_migration import (
    column_pairs,
    is_synchronized,
    meant_columns,
    migrating_columns,
    optional,
    retired,
    synchronize,
)
from dataflow.tables.ddl_contract import ContractError, reconcile
from dataflow.tables.iceberg import head, load
from dataflow.tables.properties import MOVING_COLUMNS, RETIRED_COLUMN


@pytest.mark.parametrize(
    ("moves", "given", "meant"),
    [
        ({"Hours": "view_hours"}, ["id", "hours", "note"], ["id", "hours", "note"]),
        ({"Hours": "view_hours"}, ["id", "view_hours", "note"], ["id", "view_hours", "note"]),
        ({"Hours": "view_hours"}, ["col1", "col2", "col3"], ["id", "hours", "note"]),
        ({"Hours": "view_hours"}, ["id", "hours"], None),
        ({"hours": "view_hours", "note": None}, ["id", "hours"], ["id", "hours"]),
        ({"hours": "view_hours", "note": None}, ["id", "view_hours"], ["id", "view_hours"]),
        ({"hours": "view_hours", "note": None}, ["id", "hours", "note"], ["id", "hours", "note"]),
        ({"hours": "view_hours", "note": None}, ["id", "hours", "view_hours"], ["id", "hours", "view_hours"]),
        ({"hours": "view_hours", "note": None}, ["col1", "col2", "col3"], None),
        ({}, ["id", "hours", "note"], None),
        ({"note": None}, ["id", "hours", "note"], None),
    ],
)
def test_a_write_by_position_means_what_it_calls_its_columns_or_else_the_old(moves, given, meant):
    assert meant_columns(["id", "hours", "view_hours", "note"], moves, given) == meant


def test_a_table_without_a_migration_says_nothing():
    assert (migrating_columns({}), optional({}), retired({})) == ({}, frozenset(), frozenset())
    assert optional(migrating_columns({MOVING_COLUMNS: '{"A": "b", "c": null}'})) == {"a", "b", "c"}


def against(spark, table, columns):
    """Reconcile a table with a DDL of these columns."""
    ddl = f"CREATE TABLE IF NOT EXISTS {table} ({columns}) USING iceberg"
    return reconcile(spark, spark._jsparkSession.sessionState().sqlParser().parsePlan(ddl))


def create(spark, table, columns, moves):
    """Make a table whose columns are on the move."""
    properties = f"('{MOVING_COLUMNS}' = '{json.dumps(moves)}', '{RETIRED_COLUMN}old' = 'true')"
    spark.sql(f"CREATE TABLE {table} ({columns}) USING iceberg TBLPROPERTIES {properties}")
    return table


@pytest.fixture
def table(spark, namespace):
    columns = "id INT, hours DOUBLE, hours_int INT, note STRING"
    return create(spark, f"{namespace}.moving", columns, {"hours": "hours_int", "note": None})


def rows(spark, table):
    return sorted(tuple(row) for row in spark.sql(f"SELECT id, hours, hours_int FROM {table}").collect())


@pytest.mark.spark
@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ({"hours"}, [(1, 2.0, 2), (2, 3.0, 3), (3, None, None), (4, 1e12, None)]),
        ({"hours_int"}, [(1, 2.0, 2), (2, None, None), (3, 9.0, 9), (4, 1e12, None)]),
        ({"hours", "hours_int"}, [(1, 2.0, 2), (2, 3.0, 3), (3, 9.0, 9), (4, 1e12, None)]),
        (set(), [(1, 2.0, 2), (2, 3.0, 3), (3, 9.0, 9), (4, 1e12, None)]),
    ],
    ids=["the old leads", "the new leads", "each fills the other", "nobody knows"],
)
def test_what_a_writer_leaves_out_is_filled(spark, table, written, filled):
    spark.sql(f"INSERT INTO {table} VALUES (1, 2.0, 2, ''), (2, 3.0, NULL, ''), (3, NULL, 9, ''), (4, 1e12, NULL, '')")
    synchronize(spark, table, "true", column_pairs(spark, table), written)
    assert rows(spark, table) == filled


@pytest.mark.spark
def test_a_writer_that_writes_both_has_to_write_the_same(spark, table):
    spark.sql(f"INSERT INTO {table} VALUES (1, 2.0, 7, ''), (2, 3.0, 4, '')")
    with pytest.raises(DataflowError, match="hours and hours_int differ in 1 rows"):
        synchronize(spark, table, "id = 2", column_pairs(spark, table), {"hours", "hours_int"})
    synchronize(
        spark, table, "id = 2", column_pairs(spark, table), {"hours"}
    )  # one that knows the old alone is right about it
    assert rows(spark, table) == [(1, 2.0, 7), (2, 3.0, 3)]


@pytest.mark.spark
def test_a_new_type_may_hold_more_than_the_old_one_can_tell(spark, namespace):
    table = create(spark, f"{namespace}.richer", "hours INT, hours_double DOUBLE", {"hours": "hours_double"})
    spark.sql(f"INSERT INTO {table} VALUES (NULL, 1.5), (2, NULL)")
    synchronize(spark, table, "true", column_pairs(spark, table), set())
    synchronize(
        spark, table, "true", column_pairs(spark, table), {"hours"}
    )  # another day's run appends, and leaves these alone
    assert sorted(map(tuple, spark.table(table).collect())) == [(1, 1.5), (2, 2.0)]


@pytest.mark.spark
def test_what_the_old_type_can_t_hold_is_not_kept_from_its_readers(spark, namespace):
    table = create(spark, f"{namespace}.poorer", "hours DOUBLE, hours_string STRING", {"hours": "hours_string"})
    spark.sql(f"INSERT INTO {table} VALUES (NULL, '1.5'), (NULL, 'h2')")
    with pytest.raises(DataflowError, match=r"1 values of hours_string don't fit hours \(DOUBLE\)"):
        synchronize(spark, table, "true", column_pairs(spark, table), {"hours_string"})


@pytest.mark.spark
def test_what_nobody_has_filled_yet_is_not_emptied(spark, table):
    spark.sql(f"INSERT INTO {table} VALUES (1, 2.0, NULL, '')")
    before = f"{table} VERSION AS OF {head(load(spark, table))}"
    spark.sql(f"INSERT INTO {table} VALUES (2, NULL, 3, '')")
    was_synchronized = partial(is_synchronized, spark, before, "true")
    synchronize(spark, table, "true", column_pairs(spark, table), {"hours_int"}, was_synchronized)
    assert rows(spark, table) == [(1, 2.0, 2), (2, 3.0, 3)]


@pytest.mark.spark
def test_maps_and_structs_are_filled_as_well(spark, namespace):
    columns = "a MAP<STRING, INT>, b MAP<STRING, INT>, c STRUCT<x: INT>, d STRUCT<x: INT>"
    table = create(spark, f"{namespace}.nested", columns, {"a": "b", "c": "d"})
    spark.sql(f"INSERT INTO {table} (a, c) VALUES (map('k', 1), named_struct('x', 1)), (NULL, NULL)")
    synchronize(spark, table, "true", column_pairs(spark, table), set())
    spark.sql(f"INSERT INTO {table} (b, d) VALUES (map('k', 2), named_struct('x', 2))")
    synchronize(spark, table, "true", column_pairs(spark, table), {"b", "d"})
    found = sorted(((r.a, r.b, r.c, r.d) for r in spark.table(table).collect() if r.a), key=str)
    assert [(a, b, c.x, d.x) for a, b, c, d in found] == [({"k": 1}, {"k": 1}, 1, 1), ({"k": 2}, {"k": 2}, 2, 2)]


@pytest.mark.spark
def test_a_ddl_may_still_forbid_nulls_in_a_column_that_goes(spark, table):
    assert against(spark, table, "id INT, hours DOUBLE NOT NULL") == []
    for columns, said in {
        "id INT NOT NULL, hours DOUBLE": "id is NOT NULL in the DDL",
        "id INT, hours_int INT NOT NULL": "hours_int is NOT NULL in the DDL, but the table allows nulls",
        "id INT": "hours and hours_int are both missing in the DDL",
    }.items():
        with pytest.raises(ContractError, match=said):
            against(spark, table, columns)


@pytest.mark.spark
@pytest.mark.parametrize(
    "declared",
    [
        "id INT, hours DOUBLE, note STRING",
        "id INT, hours_int INT, note STRING",
        "id INT, hours_int INT",
        "id INT, hours DOUBLE, hours_int INT, note STRING",
    ],
)
def test_a_ddl_may_name_the_old_the_new_or_both(spark, table, declared):
    assert against(spark, table, declared) == []


@pytest.mark.spark
def test_a_ddl_does_not_bring_back_what_a_migration_took_away(spark, table):
    with pytest.raises(ContractError, match="column Old was removed by a migration and would come back empty"):
        against(spark, table, "id INT, hours DOUBLE, Old STRING")
