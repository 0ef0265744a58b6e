"""Days that changed in tables that Spark writes: every transform, row-level deletes, compaction, evolution."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.tables import metadata_through_spark
from dataflow.tables.changed_days.find import changed_days
from dataflow.tables.iceberg import load
from dataflow.workflow.periods import Cadence

pytestmark = pytest.mark.spark

_numbers = itertools.count(1)
COLUMNS = "id BIGINT, d DATE, ts TIMESTAMP, ntz TIMESTAMP_NTZ, s STRING, arrived DATE"


class World:
    """A table, and what its history is held to."""

    def __init__(self, spark, namespace, by, *, properties="", column=None):
        self.spark, self.column = spark, column
        self.name = f"{namespace}.t{next(_numbers)}"
        parts = f"PARTITIONED BY ({by})" if by else ""
        spark.sql(f"CREATE TABLE {self.name} ({COLUMNS}) USING iceberg {parts} TBLPROPERTIES ('k'='v'{properties})")
        self.ids = itertools.count(1)

    def insert(self, *days, arrived="2026-01-20"):
        times = "TIMESTAMP '{day} 23:30:00Z', TIMESTAMP_NTZ '{day} 00:30:00'"
        row = f"({{id}}, DATE '{{day}}', {times}, '{{day}}', DATE '{arrived}')"
        rows = ", ".join(row.format(id=next(self.ids), day=day) for day in days)
        self.sql(f"INSERT INTO {self.name} SELECT /*+ COALESCE(1) */ * FROM VALUES {rows}")
        return self.head()

    def sql(self, text):
        self.spark.sql(text.replace("TABLE_", self.name)).collect()
        return self.head()

    def compact(self):
        options = "map('rewrite-all', 'true')"
        return self.sql(f"CALL system.rewrite_data_files(table => '{self.name}', options => {options})")

    def head(self):
        row = self.spark.sql(f"SELECT snapshot_id FROM {self.name}.refs WHERE name = 'main'").first()
        return row and row[0]

    def found(self, since):
        return changed_days(metadata_through_spark.find_table(self.spark, self.name), since, self.column)

    def days(self, since):
        found = self.found(since)
        assert found.lost is None, found.lost
        return sorted(str(it)[5:] for it in found.days)

    def differing(self, since):
        """Compare all rows by day, at both snapshots."""

        def rows(snapshot):
            by_day = {}
            for row in self.spark.sql(f"SELECT * FROM {self.name} VERSION AS OF {snapshot}").collect():
                by_day.setdefault(row.d, Counter())[(row.id, row.arrived)] += 1
            return by_day

        before, after = rows(since), rows(self.head())
        return sorted(str(it)[5:] for it in before.keys() | after.keys() if before.get(it) != after.get(it))


TRANSFORMS = {
    "d": None,
    "days(ts)": None,
    "hours(ts)": None,
    "days(ntz)": None,
    "months(d)": None,
    "years(d)": None,
    "s": "s",
    "bucket(4, d)": "d",
    "truncate(7, s)": "s",
    "": "ts",
    "arrived": "d",
}


@pytest.mark.parametrize("by", TRANSFORMS)
def test_each_partition_tells_its_days_and_compaction_changes_none(spark, namespace, by):
    world = World(spark, namespace, by, column=TRANSFORMS[by])
    base = world.insert("2026-01-01", "2026-01-02", "2026-02-28")
    world.insert("2026-01-01", "1969-12-31", arrived="2026-01-21")
    assert world.days(base) == ["01-01", "12-31"]
    compacted = world.compact()
    assert world.days(base) == ["01-01", "12-31"], "compaction does not hide what came before it"
    assert world.days(compacted) == []
    again = world.compact()
    assert (world.found(compacted).days, again != compacted) == ({}, True)
    world.sql("DELETE FROM TABLE_ WHERE d = DATE '2026-02-28'")
    assert "02-28" in world.days(compacted)
    assert set(world.differing(base)) <= set(world.days(base))


@pytest.mark.parametrize(
    ("by", "version", "column"),
    [("d", 2, None), ("", 2, "d"), ("arrived", 2, "d"), ("d", 3, None), ("arrived", 3, "d"), ("months(d)", 3, None)],
)
def test_deletes_beside_the_data_are_told_by_their_rows(spark, namespace, by, version, column):
    modes = ", ".join(f"'write.{it}.mode'='merge-on-read'" for it in ("delete", "update", "merge"))
    world = World(spark, namespace, by, properties=f", 'format-version'='{version}', {modes}", column=column)
    base = world.insert("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-02", "2026-01-02")
    first = world.sql("DELETE FROM TABLE_ WHERE id = 2")
    assert world.days(base) == ["01-02"]
    assert [(it.came, it.went) for it in world.found(base).days[Cadence.DAILY.parse("2026-01-02")]] == [(0, 1)]
    world.sql("DELETE FROM TABLE_ WHERE id = 1")
    assert world.days(first) == ["01-01"], "what was deleted before is no change"
    updated = world.sql("UPDATE TABLE_ SET arrived = DATE '2026-03-01' WHERE id = 3")
    assert world.days(first) == ["01-01", "01-03"]
    options = "map('rewrite-all', 'true')"
    world.sql(f"CALL system.rewrite_position_delete_files(table => '{world.name}', options => {options})")
    world.compact()
    assert world.days(updated) == []
    assert world.days(base) == world.differing(base) == ["01-01", "01-02", "01-03"]


def test_a_partition_that_evolves_and_columns_that_are_renamed_are_followed(spark, namespace):
    world = World(spark, namespace, "months(d)")
    base = world.insert("2026-01-01", "2026-01-31")
    world.sql("ALTER TABLE TABLE_ REPLACE PARTITION FIELD d_month WITH days(d)")
    world.sql("ALTER TABLE TABLE_ ADD PARTITION FIELD bucket(2, id)")
    world.insert("2026-01-15")
    world.sql("ALTER TABLE TABLE_ DROP PARTITION FIELD d_day")
    world.insert("2026-01-16", "2026-01-18")
    world.sql("UPDATE TABLE_ SET arrived = DATE '2026-03-01' WHERE d = DATE '2026-01-31'")
    assert world.differing(base) == ["01-15", "01-16", "01-18", "01-31"]
    assert set(world.differing(base)) <= set(world.days(base)) <= {*world.differing(base), "01-01"}
    before = world.head()
    world.sql("ALTER TABLE TABLE_ RENAME COLUMN d TO `day.of it`")
    world.column = "day.of it"
    spark.sql(f"INSERT INTO {world.name} SELECT 99, DATE '2026-01-19', NULL, NULL, NULL, NULL").collect()
    assert world.days(before) == ["01-19"]


def test_equality_deletes_take_the_range_that_they_may_be_about(spark, namespace, tmp_path):
    world = World(spark, namespace, "", column="d")
    base = world.insert("2026-01-01", "2026-01-03")
    world.insert("2026-01-09")

    def delete(column, value):
        """Write what Flink writes where a row of a key comes anew."""
        table, jvm = load(spark, world.name), spark._jvm
        id_ = int(table.schema().findField(column).fieldId())
        path = tmp_path / f"eq-{next(_numbers)}.parquet"
        schema = pa.schema([pa.field(column, value.type, metadata={"PARQUET:field_id": str(id_)})])
        pq.write_table(pa.table([[value.as_py()]], schema=schema), path)
        ids = spark.sparkContext._gateway.new_array(jvm.int, 1)
        ids[0] = id_
        made = jvm.org.apache.iceberg.FileMetadata.deleteFileBuilder(table.spec()).ofEqualityDeletes(ids)
        made = made.withPath(str(path)).withFormat("PARQUET")
        made = made.withFileSizeInBytes(path.stat().st_size).withRecordCount(1)
        table.newRowDelta().addDeletes(made.build()).commit()

    delete("id", pa.scalar(1, pa.int64()))
    found = world.found(base)
    assert [str(it)[5:] for it in found.days] == [f"01-0{n}" for n in range(1, 10)]
    (note,) = found.notes
    assert note.startswith("all days of the table: ")
    assert note.endswith("may be about any row: it deletes by other columns")
    before = world.head()
    delete("d", pa.scalar(dt.date(2026, 1, 9)))
    assert world.days(before) == world.differing(before) == ["01-09"]


def test_files_that_only_spark_reads_take_the_range_of_their_bounds_and_say_so(spark, namespace):
    for format_ in ("orc", "avro"):
        world = World(spark, namespace, "", properties=f", 'write.format.default'='{format_}'", column="d")
        base = world.insert("2026-01-01")
        world.insert("2026-01-03", "2026-01-05")
        found = world.found(base)
        if format_ == "orc":
            assert [str(it)[5:] for it in found.days] == ["01-03", "01-04", "01-05"]
            assert "can't be read: ORC files are read by Spark alone" in found.notes[0]
        else:  # which has no bounds
            assert found.lost.startswith("nobody can tell the days of ")
        world = World(spark, namespace, "months(d)", properties=f", 'write.format.default'='{format_}'")
        base = world.insert("2026-01-01")
        world.insert("2026-02-03", "2026-02-05")
        assert set(world.differing(base)) <= set(world.days(base)) <= {f"02-{n:02}" for n in range(1, 29)}


def test_old_formats_fields_of_structs_and_days_as_numbers_are_told(spark, namespace):
    world = World(spark, namespace, "d", properties=", 'format-version'='1'")
    base = world.insert("2026-01-01", "2026-01-02")
    world.insert("2026-01-02")
    world.sql("DELETE FROM TABLE_ WHERE id = 1")
    assert world.days(base) == world.differing(base) == ["01-01", "01-02"]

    name = f"{namespace}.nested"
    spark.sql(f"CREATE TABLE {name} (e STRUCT<day: DATE, `a.b`: INT>, dateint INT, `the day` STRING) USING iceberg")
    row = "SELECT named_struct('day', DATE '{0}', 'a.b', 1), {1}, '{0}T05:00:00'"
    spark.sql(f"INSERT INTO {name} {row.format('2026-01-01', 20260101)}")
    since = int(load(spark, name).currentSnapshot().snapshotId())
    both = " UNION ALL ".join(row.format(f"2026-01-{it:02}", 20260100 + it) for it in (3, 5))
    spark.sql(f"INSERT INTO {name} SELECT /*+ COALESCE(1) */ * FROM ({both} UNION ALL SELECT NULL, NULL, NULL)")
    table = metadata_through_spark.find_table(spark, name)
    for column in ("e.day", "dateint", "the day"):
        found = changed_days(table, since, column)
        assert [str(it) for it in found.days] == ["2026-01-03", "2026-01-05"], column
