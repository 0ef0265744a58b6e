"""Sail reads an Iceberg table as Spark does, whatever became of it: deletes, columns, partitions, rollbacks."""

from __future__ import annotations

import pytest

from dataflow.sail.judgement import SparkDecides, TableUse
from dataflow.sail.rows import spark_table
from dataflow.sail.server import Sail
from dataflow.sail.tables import pinned
from dataflow.tables import embedded_catalog
from dataflow.tables.reader.catalog_tables import FoundTable
from dataflow.tables.reader.rows import SparkRequiredError
from tests.support.two_engines import rows_of, spark_answer

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def sail():
    with Sail(threads=1) as it:
        yield it


class Both:
    """Asks both engines about a table of a database of the test's own."""

    def __init__(self, spark, sail, name):
        self.spark, self.sail, self.name = spark, sail, name
        spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {name.split('.')[0]}")

    def run(self, *statements):
        for statement in statements:
            self.spark.sql(statement.replace("{t}", self.name))

    def pin(self, version=None, *, is_moment=False):
        folder = self.spark.sql(f"DESCRIBE TABLE EXTENDED {self.name}").where("col_name = 'Location'").first()[1]
        hint = f"{folder}/metadata/version-hint.text".removeprefix("file:")
        with open(hint) as file:  # noqa: PTH123  # an address
            metadata = f"{folder}/metadata/v{file.read()}.metadata.json"
        use = TableUse(0, 0, tuple(self.name.split(".")), version, is_moment, False)
        content = embedded_catalog.unpacked(embedded_catalog.content(metadata))
        return pinned(FoundTable(self.name.split("."), metadata, content=content), use)

    def show_rows(self, table):
        """Show the rows as the reader has them; false where it leaves lists of changed files to Spark."""
        try:
            self.sail.show_rows("pinned_rows", table.rows())
        except SparkRequiredError as error:
            assert "PyIceberg can't tell null from empty in 'l', 'm'" in str(error)  # noqa: PT017
            return False
        return True

    def same(self, *wheres, columns="*", version=None, is_moment=False, of=""):
        """Assert that both have the same rows; how many they are is returned, for each condition."""
        table = self.pin(version, is_moment=is_moment)
        self.sail.show("pinned", table)
        has_rows = self.show_rows(table)
        counts = []
        for where in wheres or ("",):
            found = spark_table(self.sail.query(f"SELECT {columns} FROM pinned {where}"))
            expected = spark_answer(self.spark, f"SELECT {columns} FROM {self.name}{of} {where}")
            assert (where, found.schema.names) == (where, expected.schema.names)
            assert sorted(map(repr, rows_of(found))) == sorted(map(repr, rows_of(expected))), where
            counts.append(found.num_rows)
            if not has_rows:
                continue
            again = spark_table(self.sail.query(f"SELECT {columns} FROM pinned_rows {where}"))
            assert again.schema == found.schema
            assert sorted(map(repr, rows_of(again))) == sorted(map(repr, rows_of(expected))), where
        return counts


@pytest.fixture
def both(spark, sail, request):
    it = Both(spark, sail, f"sail_reads.{request.function.__name__.removeprefix('test_')[:40]}")
    yield it
    spark.sql(f"DROP TABLE IF EXISTS {it.name}")


def test_rows_that_are_deleted_are_gone(both):
    modes = ", ".join(f"'write.{it}.mode' = 'merge-on-read'" for it in ("delete", "update", "merge"))
    both.run(
        f"CREATE TABLE {{t}} (id INT, s STRING, d DOUBLE) USING iceberg TBLPROPERTIES ('format-version' = '2', {modes})"
    )
    assert both.same() == [0]
    both.run(
        "INSERT INTO {t} SELECT id, CAST(id AS STRING), id / 3 FROM range(20)", "DELETE FROM {t} WHERE id IN (3, 4)"
    )
    assert both.same("", "WHERE id < 5") == [18, 3]
    both.run("UPDATE {t} SET s = 'x' WHERE id > 15", "DELETE FROM {t} WHERE id = 3 OR s = 'x'")
    both.run("INSERT INTO {t} VALUES (3, 'again', 1.0)")
    assert both.same("", "WHERE s = 'again'") == [15, 1]
    both.same(columns="count(*) AS n, min(id) AS a, max(id) AS z")
    both.run("DELETE FROM {t}")
    assert both.same() == [0]


def test_null_and_empty_lists_stay_apart_in_files_with_deletes_and_of_older_columns(both):
    both.run(
        "CREATE TABLE {t} (id INT, l ARRAY<STRING>, m MAP<STRING, INT>) USING iceberg"
        " TBLPROPERTIES ('format-version' = '2', 'write.delete.mode' = 'merge-on-read')",
        "INSERT INTO {t} VALUES (1, NULL, NULL), (2, array(), map()), (3, array('a', NULL), map('k', 1)),"
        " (4, NULL, NULL)",
    )
    assert both.same("", "WHERE l IS NULL", "WHERE size(l) = 0") == [4, 2, 1]
    both.run("DELETE FROM {t} WHERE id = 4")
    assert both.same("", "WHERE l IS NULL", "WHERE size(l) = 0") == [3, 1, 1]
    both.run("ALTER TABLE {t} ADD COLUMN x ARRAY<INT>", "INSERT INTO {t} VALUES (5, array(), NULL, array())")
    assert both.same("", "WHERE x IS NULL", "WHERE l IS NULL", "WHERE m IS NULL") == [4, 3, 1, 2]


def test_columns_change(both):
    both.run(
        "CREATE TABLE {t} (a INT, b FLOAT, c DECIMAL(5, 2), s STRING, r STRUCT<x: INT>) USING iceberg",
        "INSERT INTO {t} VALUES (1, 1.5, 1.25, 'one', named_struct('x', 1)), (NULL, NULL, NULL, NULL, NULL)",
        "ALTER TABLE {t} ALTER COLUMN a TYPE BIGINT",
        "ALTER TABLE {t} ALTER COLUMN b TYPE DOUBLE",
        "ALTER TABLE {t} ALTER COLUMN c TYPE DECIMAL(12, 2)",
    )
    assert both.same("WHERE a = 1", "WHERE c > 1.2", "WHERE b = 1.5", "WHERE a IS NULL") == [1, 1, 1, 1]
    both.run(
        "ALTER TABLE {t} ADD COLUMN n STRING FIRST",
        "INSERT INTO {t} VALUES ('n', 3000000000, 2.5, 1234567890.12, 'two', NULL)",
        "ALTER TABLE {t} RENAME COLUMN s TO t",
        "ALTER TABLE {t} ADD COLUMN s STRING",
        "ALTER TABLE {t} ADD COLUMN r.z INT",
    )
    assert both.same("", "WHERE n IS NULL", "WHERE s = 'one'", "WHERE t = 'one'", "WHERE a > 1") == [3, 2, 0, 1, 1]
    both.run(
        "ALTER TABLE {t} DROP COLUMN t", "ALTER TABLE {t} ADD COLUMN t STRING", "ALTER TABLE {t} ALTER COLUMN c FIRST"
    )
    assert both.same("", "WHERE t IS NOT NULL") == [3, 0]


def test_partitions_change(both):
    both.run(
        "CREATE TABLE {t} (id BIGINT, k STRING, d DATE, ts TIMESTAMP, n DECIMAL(10, 2)) USING iceberg"
        " PARTITIONED BY (k)",
        "INSERT INTO {t} VALUES (1, 'ab', DATE'2026-01-31', TIMESTAMP'2026-01-31 23:59:59.999999', 1.25),"
        " (2, '', DATE'1969-12-31', TIMESTAMP'1969-12-31 23:59:59.5', -1.25), (3, NULL, NULL, NULL, NULL),"
        " (4, 'null', DATE'0001-01-01', TIMESTAMP'1900-01-01 00:00:00', 0),"
        " (5, 'z', DATE'2026-02-01', NULL, 99999999.99)",
    )
    texts = [
        "",
        "WHERE k = 'ab'",
        "WHERE k IS NULL",
        "WHERE k <> 'ab'",
        "WHERE k = ''",
        "WHERE k LIKE 'a%'",
        "WHERE k > 'a'",
    ]
    assert both.same(*texts) == [5, 1, 1, 3, 1, 1, 3]
    both.run(
        "ALTER TABLE {t} REPLACE PARTITION FIELD k WITH bucket(4, id)",
        "ALTER TABLE {t} ADD PARTITION FIELD days(ts)",
        "ALTER TABLE {t} ADD PARTITION FIELD truncate(2, n)",
        "ALTER TABLE {t} ADD PARTITION FIELD months(d)",
        "INSERT INTO {t} SELECT id + 10, k, d, ts, n FROM {t}",
    )
    both.same(
        *texts, "WHERE id = 11", "WHERE d = DATE'1969-12-31'", "WHERE d < DATE'1970-01-01'", "WHERE d >= '2026-01-31'",
        "WHERE ts < TIMESTAMP'1970-01-01 00:00:00'", "WHERE ts >= TIMESTAMP'1969-12-31 23:59:59'", "WHERE n > 1.2",
        "WHERE n = -1.25", "WHERE id IN (1, 12, 3)", "WHERE ts IS NULL", "WHERE year(d) = 2026",
    )  # fmt: skip
    both.same("GROUP BY k", columns="k, count(*) AS n, min(d) AS a, max(ts) AS z")


def test_branches_tags_snapshots_and_moments_are_read(both):
    both.run("CREATE TABLE {t} (id INT) USING iceberg", *(f"INSERT INTO {{t}} VALUES ({i})" for i in range(3)))
    history = both.spark.sql(f"SELECT snapshot_id, CAST(made_current_at AS STRING) FROM {both.name}.history ORDER BY 2")
    (first, _), (second, moment), _ = map(tuple, history.collect())
    both.run(
        f"ALTER TABLE {{t}} CREATE BRANCH b AS OF VERSION {first}",
        f"ALTER TABLE {{t}} CREATE TAG t AS OF VERSION {second}",
        "INSERT INTO {t}.branch_b VALUES (77), (78)",
    )
    for version, count in ((str(first), 1), ("b", 3), ("t", 2), ("main", 3)):
        written = version if version.isdecimal() else f"'{version}'"
        assert both.same(version=version, of=f" VERSION AS OF {written}") == [count]
    assert both.same(version=moment, is_moment=True, of=f" TIMESTAMP AS OF '{moment}'") == [2]
    both.run(f"CALL system.rollback_to_snapshot('{both.name}', {first})")
    assert both.same() == [1]
    both.run("ALTER TABLE {t} ADD COLUMN x INT")
    for version in ("b", "nope", "5"):
        with pytest.raises(SparkDecides):
            both.pin(version)


def test_what_was_not_compared_is_sparks(both):
    both.run("CREATE TABLE {t} (id INT) USING iceberg TBLPROPERTIES ('format-version' = '3')")
    with pytest.raises(SparkDecides, match="version 3"):
        both.pin()


def test_columns_have_any_name(both):
    both.run(
        "CREATE TABLE {t} (`a b` INT, `x.y` STRING, `É` INT, `sel``ect` INT, `A` INT) USING iceberg",
        "INSERT INTO {t} VALUES (1, 'q', 2, 3, 4)",
    )
    assert both.same("WHERE `x.y` = 'q'", columns="`a b`, `x.y`, `É`, `sel``ect`, a") == [1]
    assert both.same() == [1]
