from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from dataflow.errors import DataflowError
from dataflow.tables import branch_publish
from dataflow.tables.iceberg import head, load
from dataflow.tables.publications import row_history
from dataflow.tables.publish import PublishConflict, outcome
from tests.support.branching import published, rows, write

pytestmark = pytest.mark.spark


def test_readers_see_a_day_only_once_it_is_published(spark, by_date):
    branch = branch_publish.begin(spark, by_date, {"date": "2026-01-02"}, "dataflow_r1_wap")
    write(spark, branch, f"INSERT OVERWRITE {by_date} PARTITION (date = DATE '2026-01-02') SELECT 20")
    assert rows(spark, by_date) == [(1, "2026-01-01"), (2, "2026-01-02")]

    assert outcome(spark, branch).rows == 1
    snapshot = published(spark, branch, {"dataflow.run-id": "r1"})

    assert rows(spark, by_date) == [(1, "2026-01-01"), (20, "2026-01-02")]
    table = load(spark, by_date)
    assert head(table) == snapshot
    assert table.snapshot(snapshot).summary().get("dataflow.run-id") == "r1"
    assert head(table, "dataflow_r1_wap") is None


def test_two_days_are_published_though_main_moved_between_them(spark, by_date):
    branches = [
        branch_publish.begin(spark, by_date, {"date": f"2026-01-0{day}"}, f"dataflow_r{day}_wap") for day in (1, 2)
    ]
    for day, branch in enumerate(branches, 1):
        write(spark, branch, f"INSERT OVERWRITE {by_date} PARTITION (date = DATE '2026-01-0{day}') SELECT {day}0")
    snapshots = [published(spark, branch, {"dataflow.run-id": branch.name}) for branch in branches]
    assert rows(spark, by_date) == [(10, "2026-01-01"), (20, "2026-01-02")]
    assert len(set(snapshots)) == 2


def test_a_late_row_on_main_refuses_the_publishing(spark, by_date):
    branch = branch_publish.begin(spark, by_date, {"date": "2026-01-01"}, "dataflow_r1_wap")
    write(spark, branch, f"INSERT OVERWRITE {by_date} PARTITION (date = DATE '2026-01-01') SELECT 10")
    spark.sql(f"INSERT INTO {by_date} VALUES (7, DATE '2026-01-01')")
    with pytest.raises(PublishConflict, match="changed by somebody else"):
        published(spark, branch)
    assert rows(spark, by_date) == [(1, "2026-01-01"), (2, "2026-01-02"), (7, "2026-01-01")]


def test_a_write_that_touches_an_undeclared_partition_is_refused(spark, by_date):
    branch = branch_publish.begin(spark, by_date, {"date": "2026-01-01"}, "dataflow_r1_wap")
    for _ in ("once", "and in another file"):
        write(spark, branch, f"INSERT INTO {by_date} VALUES (5, DATE '2026-01-01'), (6, DATE '2026-01-06')")
    with pytest.raises(DataflowError, match=r"did not declare: date=2026-01-06 \(declared: date=2026-01-01\)"):
        outcome(spark, branch)


def test_a_deletion_in_an_undeclared_partition_is_refused_too(spark, by_date):
    branch = branch_publish.begin(spark, by_date, {"date": "2026-01-01"}, "dataflow_r1_wap")
    write(spark, branch, f"DELETE FROM {by_date} WHERE id = 2")
    with pytest.raises(DataflowError, match="did not declare: date=2026-01-02"):
        outcome(spark, branch)


def test_all_commits_of_a_branch_are_published(spark, by_date):
    branch = branch_publish.begin(spark, by_date, {"date": "2026-01-01"}, "dataflow_r1_wap")
    write(spark, branch, f"INSERT OVERWRITE {by_date} PARTITION (date = DATE '2026-01-01') SELECT 10")
    write(spark, branch, f"INSERT INTO {by_date} VALUES (11, DATE '2026-01-01')")
    assert outcome(spark, branch).rows == 2
    published(spark, branch)
    assert rows(spark, by_date) == [(2, "2026-01-02"), (10, "2026-01-01"), (11, "2026-01-01")]


def test_a_write_of_no_rows_counts_as_none_whatever_main_holds(spark, by_date):
    branch = branch_publish.begin(spark, by_date, {"date": "2026-01-01"}, "dataflow_r1_wap")
    write(spark, branch, f"INSERT OVERWRITE {by_date} SELECT * FROM {by_date} WHERE false")
    assert outcome(spark, branch).rows == 0


def test_an_empty_day_can_be_published_as_empty(spark, by_date):
    branch = branch_publish.begin(spark, by_date, {"date": "2026-01-01"}, "dataflow_r1_wap")
    published(spark, branch)
    assert rows(spark, by_date) == [(2, "2026-01-02")]


def test_the_first_day_of_a_new_table_is_published(spark, namespace):
    table = f"{namespace}.fresh"
    spark.sql(f"CREATE TABLE {table} (id INT, date DATE) USING iceberg PARTITIONED BY (date)")
    branch = branch_publish.begin(spark, table, {"date": "2026-01-01"}, "dataflow_r1_wap")
    write(spark, branch, f"INSERT OVERWRITE {table} PARTITION (date = DATE '2026-01-01') SELECT 1")
    assert outcome(spark, branch).rows == 1
    published(spark, branch)
    assert rows(spark, table) == [(1, "2026-01-01")]


def test_a_table_partitioned_by_days_of_a_timestamp_is_published_by_day(spark, namespace):
    table = f"{namespace}.by_days"
    spark.sql(f"CREATE TABLE {table} (id INT, at TIMESTAMP) USING iceberg PARTITIONED BY (days(at), bucket(4, id))")
    spark.sql(f"INSERT INTO {table} VALUES (1, TIMESTAMP '2026-01-01 23:59:59'), (2, TIMESTAMP '2026-01-02 00:00:00')")
    branch = branch_publish.begin(spark, table, {"at": "2026-01-02"}, "dataflow_r1_wap")
    write(
        spark,
        branch,
        f"INSERT OVERWRITE {table} SELECT id + 10, at + INTERVAL 1 HOUR FROM {table} WHERE at >= '2026-01-02'",
    )
    write(spark, branch, f"DELETE FROM {table} WHERE id = 2")
    assert outcome(spark, branch).rows == 1
    published(spark, branch)
    found = spark.sql(f"SELECT id, CAST(at AS STRING) FROM {table} ORDER BY id").collect()
    assert [tuple(row) for row in found] == [(1, "2026-01-01 23:59:59"), (12, "2026-01-02 01:00:00")]


def test_an_unpartitioned_table_is_published_whole(spark, namespace):
    table = f"{namespace}.whole"
    spark.sql(f"CREATE TABLE {table} (id INT) USING iceberg")
    spark.sql(f"INSERT INTO {table} VALUES (1), (2)")
    branch = branch_publish.begin(spark, table, {}, "dataflow_r1_wap")
    write(spark, branch, f"INSERT OVERWRITE {table} VALUES (3)")
    assert outcome(spark, branch).rows == 1
    published(spark, branch)
    assert [row.id for row in spark.table(table).collect()] == [3]


def test_a_merge_on_read_table_is_refused_before_the_write(spark, by_date):
    spark.sql(f"ALTER TABLE {by_date} SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')")
    with pytest.raises(DataflowError, match="needs copy-on-write"):
        branch_publish.begin(spark, by_date, {"date": "2026-01-01"}, "dataflow_r1_wap")


def test_a_partition_column_that_does_not_exist_is_told_with_the_nearest(spark, by_date):
    with pytest.raises(DataflowError, match="not partitioned by 'dat'; did you mean 'date'"):
        branch_publish.begin(spark, by_date, {"dat": "2026-01-01"}, "dataflow_r1_wap")


def test_branches_of_dead_runs_are_swept_and_those_of_live_ones_stay(spark, by_date):
    for name in ("dataflow_dead_wap", "dataflow_live_wap"):
        branch_publish.begin(spark, by_date, {"date": "2026-01-01"}, name)
    spark.sql(f"ALTER TABLE {by_date} CREATE BRANCH somebody_elses")
    assert branch_publish.sweep(spark, by_date, lambda rest: rest.startswith("live")) == ["dataflow_dead_wap"]
    assert {str(ref) for ref in load(spark, by_date).refs()} == {"main", "dataflow_live_wap", "somebody_elses"}


def test_sweeps_at_once_drop_each_branch_once_and_none_fails(spark, by_date):
    left = [f"dataflow_dead_{number}" for number in range(8)]
    for name in left:
        branch_publish.begin(spark, by_date, {"date": "2026-01-01"}, name)
    with ThreadPoolExecutor(4) as pool:
        swept = list(pool.map(lambda _: branch_publish.sweep(spark, by_date, lambda _: False), range(4)))
    assert sorted(name for names in swept for name in names) == left
    assert {str(ref) for ref in load(spark, by_date).refs()} == {"main"}


def test_rows_that_failed_are_kept_for_a_day_beside_what_readers_see(spark, by_date, monkeypatch):
    before = spark.table(by_date).count()
    branch = branch_publish.begin(spark, by_date, {"date": "2026-01-01"}, "dataflow_r1_wap")
    write(spark, branch, f"INSERT OVERWRITE {by_date} PARTITION (date = DATE '2026-01-01') VALUES (77), (78)")
    kept = branch_publish.keep_failed(spark, branch)
    assert kept.name == "dataflow_failed_r1_wap"
    seen = spark.sql(f"SELECT id FROM {kept.reference} WHERE date = DATE '2026-01-01' ORDER BY id").collect()
    assert [row.id for row in seen] == [77, 78]
    assert spark.table(by_date).count() == before

    def left():
        return {str(ref) for ref in load(spark, by_date).refs()}

    now = time.time()
    monkeypatch.setattr(branch_publish, "time", SimpleNamespace(time=lambda: now + 23.9 * 3600))
    assert branch_publish.sweep(spark, by_date, lambda _: False) == []
    assert left() == {"main", "dataflow_failed_r1_wap"}
    monkeypatch.setattr(branch_publish, "time", SimpleNamespace(time=lambda: now + 24.1 * 3600))
    assert branch_publish.sweep(spark, by_date, lambda _: True) == ["dataflow_failed_r1_wap"]
    assert left() == {"main"}


def test_row_counts_of_other_days_are_told_by_the_table_itself(spark, by_date):
    for day in ("2026-01-03", "2026-01-04"):
        branch = branch_publish.begin(spark, by_date, {"date": day}, f"dataflow_{day[-1]}_wap")
        write(spark, branch, f"INSERT OVERWRITE {by_date} PARTITION (date = DATE '{day}') SELECT 1")
        published(spark, branch, {"dataflow.partition": f"date={day}", "dataflow.rows": day[-1]})
    assert row_history(spark, by_date, branch.partition, limit=10) == [3]
