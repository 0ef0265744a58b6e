"""What a run makes of its partition, and how that alone reaches main."""

from __future__ import annotations

import pytest

from dataflow.errors import DataflowError
from dataflow.tables import branch_publish
from dataflow.tables.iceberg import head, load
from dataflow.tables.publish import PublishConflict, clear, keep, outcome, publish
from tests.support.branching import published, rows, run, settled, write

pytestmark = pytest.mark.spark

DAY = {"date": "2026-01-01"}


@pytest.fixture
def by_country(spark, namespace):
    """A table by day and country, with two countries on a day."""
    table = f"{namespace}.by_country"
    spark.sql(f"CREATE TABLE {table} (id INT, date DATE, c STRING) USING iceberg PARTITIONED BY (date, c)")
    spark.sql(f"INSERT INTO {table} VALUES (1, DATE '2026-01-01', 'US'), (2, DATE '2026-01-01', 'CA')")
    spark.sql(f"INSERT INTO {table} VALUES (3, DATE '2026-01-02', 'US')")
    return table


def paths(spark, table):
    return {row.file_path for row in spark.sql(f"SELECT file_path FROM {table}.files").collect()}


def summary(spark, table):
    return dict(load(spark, table).currentSnapshot().summary())


def insert(table, *found, how="INTO"):
    values = ", ".join(f"({id_}, DATE '2026-01-0{day}')" for id_, day in found)
    return f"INSERT {how} {table} VALUES {values}"


def test_a_day_that_is_declared_as_a_whole_loses_a_country_that_is_not_written_again(spark, by_country):
    run(spark, by_country, DAY, f"INSERT OVERWRITE {by_country} VALUES (10, DATE '2026-01-01', 'US')")
    assert rows(spark, by_country) == [(3, "2026-01-02"), (10, "2026-01-01")]


def test_a_country_that_is_declared_with_its_day_leaves_the_others(spark, by_country):
    values = {**DAY, "c": "US"}
    run(spark, by_country, values, f"INSERT INTO {by_country} VALUES (10, DATE '2026-01-01', 'US')")
    assert rows(spark, by_country) == [(2, "2026-01-01"), (3, "2026-01-02"), (10, "2026-01-01")]


def test_a_script_that_appends_makes_the_day_once_however_often_it_runs(spark, by_date):
    for _ in range(3):
        run(spark, by_date, DAY, insert(by_date, (7, 1), (8, 1)))
    assert rows(spark, by_date) == [(2, "2026-01-02"), (7, "2026-01-01"), (8, "2026-01-01")]


def test_a_day_in_buckets_loses_the_buckets_that_are_not_written_again(spark, namespace):
    table = f"{namespace}.buckets"
    spark.sql(f"CREATE TABLE {table} (id INT, at TIMESTAMP) USING iceberg PARTITIONED BY (days(at), bucket(8, id))")
    for ids in ("1, 40", "1, 3"):
        run(
            spark,
            table,
            {"at": "2026-01-02"},
            f"INSERT OVERWRITE {table} SELECT explode(sequence({ids})), TIMESTAMP '2026-01-02 10:00:00'",
        )
    assert spark.sql(f"SELECT id FROM {table} ORDER BY id").collect() == [(1,), (2,), (3,)]


def test_what_was_there_before_is_dropped_by_file_and_nothing_is_written_anew(spark, by_country):
    branch = branch_publish.begin(spark, by_country, DAY, "dataflow_r1_wap")
    write(spark, branch, f"INSERT INTO {by_country} VALUES (10, DATE '2026-01-01', 'US')")
    made = outcome(spark, branch)
    cleared = clear(spark, branch, made, spark.newSession)
    table = load(spark, by_country)
    dropped = dict(table.snapshot(head(table, branch.name)).summary())
    assert (dropped["deleted-data-files"], dropped.get("added-data-files")) == ("2", None)
    assert (cleared.rows, cleared.rewritten) == (1, 0)


def test_a_delete_of_whole_files_that_leaves_others_says_that_they_would_go(spark, by_date):
    spark.sql(insert(by_date, (5, 1)))
    with pytest.raises(DataflowError, match="DELETE of some rows inside wap leaves others") as caught:
        run(spark, by_date, DAY, f"DELETE FROM {by_date} WHERE id = 5")
    assert "existing: keep" in caught.value.hint
    run(spark, by_date, DAY, f"DELETE FROM {by_date} WHERE id = 5", keeps=True)
    assert rows(spark, by_date) == [(1, "2026-01-01"), (2, "2026-01-02")]


def test_a_script_reads_what_main_holds_while_it_writes(spark, by_date):
    again = f"INSERT OVERWRITE {by_date} SELECT id + 10, date FROM {by_date} WHERE date = DATE '2026-01-01'"
    run(spark, by_date, DAY, again)
    assert rows(spark, by_date) == [(2, "2026-01-02"), (11, "2026-01-01")]
    more = f"INSERT INTO {by_date} SELECT id + 1, date FROM {by_date} WHERE date = DATE '2026-01-01'"
    run(spark, by_date, DAY, more)
    assert rows(spark, by_date) == [(2, "2026-01-02"), (12, "2026-01-01")]


def test_a_merge_that_keeps_what_exists_moves_the_files_that_it_changed_alone(spark, by_date):
    for id_ in (5, 6):
        spark.sql(insert(by_date, (id_, 1)))
    before = paths(spark, by_date)
    branch = branch_publish.begin(spark, by_date, DAY, "dataflow_r1_wap", keeps=True)
    write(spark, branch, f"UPDATE {by_date} SET id = 50 WHERE id = 5 AND date = DATE '2026-01-01'")
    made = outcome(spark, branch)
    assert (made.rows, made.total) == (1, 3)
    publish(spark, branch, made, {})
    assert rows(spark, by_date) == [(1, "2026-01-01"), (2, "2026-01-02"), (6, "2026-01-01"), (50, "2026-01-01")]
    assert len(before - paths(spark, by_date)) == len(paths(spark, by_date) - before) == 1
    told = summary(spark, by_date)
    assert (told["added-data-files"], told["deleted-data-files"], told["changed-partition-count"]) == ("1", "1", "1")


def test_a_keeping_run_that_changes_nothing_or_leaves_nothing_made_no_rows(spark, by_date):
    deletes = f"DELETE FROM {by_date} WHERE id = 1"
    for statement, empty in (("SELECT 1", True), (insert(by_date, (9, 1)), False), (deletes, True)):
        branch = branch_publish.begin(spark, by_date, DAY, "dataflow_r1_wap", keeps=True)
        write(spark, branch, statement)
        assert outcome(spark, branch).is_empty == empty


def test_published_files_keep_their_statistics(spark, by_date):
    run(spark, by_date, DAY, insert(by_date, (10, 1), how="OVERWRITE"))
    bounds = spark.sql(f"SELECT readable_metrics.id.lower_bound AS low FROM {by_date}.files").collect()
    assert sorted(row.low for row in bounds) == [2, 10]


def test_a_file_that_holds_other_days_as_well_is_rewritten_for_them(spark, namespace):
    table = f"{namespace}.whole_once"
    spark.sql(f"CREATE TABLE {table} (id INT, date DATE, m MAP<STRING, INT>) USING iceberg")
    spark.sql(
        f"INSERT INTO {table} SELECT /*+ COALESCE(1) */ * FROM VALUES (1, DATE '2026-01-01', map('a', 1)), "
        "(2, DATE '2026-01-02', map('b', 2)), (3, NULL, NULL)"
    )
    spark.sql(f"ALTER TABLE {table} ADD PARTITION FIELD date")
    branch = branch_publish.begin(spark, table, DAY, "dataflow_r1_wap")
    write(spark, branch, f"INSERT OVERWRITE {table} VALUES (10, DATE '2026-01-01', map('c', 3))")
    made = clear(spark, branch, outcome(spark, branch), spark.newSession)
    assert (made.rows, made.rewritten) == (1, 1)
    publish(spark, branch, made, {})
    found = spark.sql(f"SELECT id, CAST(date AS STRING), m FROM {table} ORDER BY id").collect()
    assert [tuple(row) for row in found] == [(2, "2026-01-02", {"b": 2}), (3, None, None), (10, "2026-01-01", {"c": 3})]


@pytest.mark.parametrize("statement", ["DELETE FROM {t} WHERE id = 2", "UPDATE {t} SET id = 9 WHERE id = 2"])
def test_other_days_in_a_shared_file_are_not_this_run_s_to_change(spark, namespace, statement):
    table = f"{namespace}.shared"
    spark.sql(f"CREATE TABLE {table} (id INT, date DATE) USING iceberg")
    spark.sql(
        f"INSERT INTO {table} SELECT /*+ COALESCE(1) */ * FROM VALUES (1, DATE '2026-01-01'), (2, DATE '2026-01-02')"
    )
    spark.sql(f"ALTER TABLE {table} ADD PARTITION FIELD date")
    branch = branch_publish.begin(spark, table, DAY, "dataflow_r1_wap", keeps=True)
    write(spark, branch, statement.format(t=table))
    with pytest.raises(DataflowError, match="did not declare"):
        outcome(spark, branch)


def test_a_correction_in_a_shared_file_that_keeps_the_other_days_is_published(spark, namespace):
    table = f"{namespace}.corrected"
    spark.sql(f"CREATE TABLE {table} (id INT, date DATE) USING iceberg")
    spark.sql(
        f"INSERT INTO {table} SELECT /*+ COALESCE(1) */ * FROM VALUES (1, DATE '2026-01-01'), (2, DATE '2026-01-02'), "
        "(3, DATE '2026-01-01')"
    )
    spark.sql(f"ALTER TABLE {table} ADD PARTITION FIELD date")
    run(spark, table, DAY, f"UPDATE {table} SET id = 10 WHERE id = 1", keeps=True)
    assert rows(spark, table) == [(2, "2026-01-02"), (3, "2026-01-01"), (10, "2026-01-01")]


@pytest.mark.parametrize(
    "change",
    ["ADD PARTITION FIELD bucket(4, id)", "ADD PARTITION FIELD id", "REPLACE PARTITION FIELD date WITH days(date)"],
)
def test_an_old_day_can_be_run_again_after_the_partitioning_changed(spark, by_date, change):
    spark.sql(f"ALTER TABLE {by_date} {change}")
    for id_ in (10, 11):
        run(spark, by_date, DAY, insert(by_date, (id_, 1), how="OVERWRITE"))
    assert rows(spark, by_date) == [(2, "2026-01-02"), (11, "2026-01-01")]


def test_a_day_of_a_table_that_was_partitioned_by_month_can_be_run_again(spark, namespace):
    table = f"{namespace}.monthly"
    spark.sql(f"CREATE TABLE {table} (id INT, date DATE) USING iceberg PARTITIONED BY (months(date))")
    spark.sql(insert(table, (1, 1), (2, 2)))
    spark.sql(f"ALTER TABLE {table} REPLACE PARTITION FIELD months(date) WITH date")
    run(spark, table, DAY, insert(table, (10, 1), how="OVERWRITE"))
    assert rows(spark, table) == [(2, "2026-01-02"), (10, "2026-01-01")]


def test_a_column_that_was_added_meanwhile_does_not_hinder_an_old_day(spark, by_date):
    spark.sql(f"ALTER TABLE {by_date} ADD COLUMN more STRING")
    run(spark, by_date, DAY, f"INSERT OVERWRITE {by_date} VALUES (10, DATE '2026-01-01', 'x')")
    assert rows(spark, by_date) == [(2, "2026-01-02"), (10, "2026-01-01")]


def test_a_table_of_format_version_3_is_published_to(spark, namespace):
    table = f"{namespace}.third"
    spark.sql(
        f"CREATE TABLE {table} (id INT, date DATE) USING iceberg PARTITIONED BY (date) "
        "TBLPROPERTIES ('format-version' = '3')"
    )
    for id_ in (1, 2):
        run(spark, table, DAY, insert(table, (id_, 1)))
    run(spark, table, DAY, f"UPDATE {table} SET id = 3", keeps=True)
    assert rows(spark, table) == [(3, "2026-01-01")]


# ---------------------------------------------------------------------------------- what others do meanwhile


def compact(spark, table, day=1):
    spark.sql(
        f"CALL {spark.conf.get('spark.sql.defaultCatalog')}.system.rewrite_data_files(table => '{table}', "
        f"where => 'date = DATE \"2026-01-0{day}\"', options => map('rewrite-all', 'true'))"
    )


@pytest.mark.parametrize("times", [1, 2])
def test_a_compaction_of_the_day_meanwhile_is_no_conflict(spark, by_date, times):
    spark.sql(insert(by_date, (5, 1)))
    branch = branch_publish.begin(spark, by_date, DAY, "dataflow_r1_wap")
    write(spark, branch, insert(by_date, (10, 1), how="OVERWRITE"))
    made = settled(spark, branch)
    for _ in range(times):
        compact(spark, by_date)
    spark.sql(insert(by_date, (8, 2)))
    publish(spark, branch, made, {})
    assert rows(spark, by_date) == [(2, "2026-01-02"), (8, "2026-01-02"), (10, "2026-01-01")]


def test_a_correction_whose_file_was_compacted_with_others_starts_again(spark, by_date):
    spark.sql(insert(by_date, (5, 1)))
    branch = branch_publish.begin(spark, by_date, DAY, "dataflow_r1_wap", keeps=True)
    write(spark, branch, f"UPDATE {by_date} SET id = 50 WHERE id = 5 AND date = DATE '2026-01-01'")
    made = outcome(spark, branch)
    compact(spark, by_date)
    with pytest.raises(PublishConflict):
        publish(spark, branch, made, {})
    assert rows(spark, by_date) == [(1, "2026-01-01"), (2, "2026-01-02"), (5, "2026-01-01")]


def test_an_addition_to_a_day_that_was_compacted_meanwhile_is_published(spark, by_date):
    spark.sql(insert(by_date, (5, 1)))
    branch = branch_publish.begin(spark, by_date, DAY, "dataflow_r1_wap", keeps=True)
    write(spark, branch, insert(by_date, (6, 1)))
    made = outcome(spark, branch)
    compact(spark, by_date)
    publish(spark, branch, made, {})
    assert rows(spark, by_date) == [(1, "2026-01-01"), (2, "2026-01-02"), (5, "2026-01-01"), (6, "2026-01-01")]


def test_a_compaction_of_a_file_that_holds_other_days_is_no_conflict(spark, namespace):
    table = f"{namespace}.shared_compacted"
    spark.sql(f"CREATE TABLE {table} (id INT, date DATE) USING iceberg")
    spark.sql(
        f"INSERT INTO {table} SELECT /*+ COALESCE(1) */ * FROM VALUES (1, DATE '2026-01-01'), (2, DATE '2026-01-02')"
    )
    spark.sql(f"ALTER TABLE {table} ADD PARTITION FIELD date")
    branch = branch_publish.begin(spark, table, DAY, "dataflow_r1_wap")
    write(spark, branch, insert(table, (10, 1)))
    made = settled(spark, branch)
    compact(spark, table)
    publish(spark, branch, made, {})
    assert rows(spark, table) == [(2, "2026-01-02"), (10, "2026-01-01")]


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize(
    "theirs",
    [
        "INSERT INTO {t} VALUES (7, DATE '2026-01-01')",
        "DELETE FROM {t} WHERE id = 5 AND date = DATE '2026-01-01'",
        "DELETE FROM {t} WHERE date = DATE '2026-01-01'",
        "UPDATE {t} SET id = 51 WHERE id = 5 AND date = DATE '2026-01-01'",
        "INSERT OVERWRITE {t} VALUES (7, DATE '2026-01-01')",
    ],
)
def test_a_row_that_somebody_else_changed_refuses_the_publishing(spark, by_date, theirs, keeps):
    spark.sql(insert(by_date, (5, 1)))
    branch = branch_publish.begin(spark, by_date, DAY, "dataflow_r1_wap", keeps=keeps)
    write(spark, branch, insert(by_date, (6, 1)))
    made = settled(spark, branch)
    spark.sql(theirs.format(t=by_date))
    compact(spark, by_date)  # which hides nothing
    now = rows(spark, by_date)
    with pytest.raises(PublishConflict, match="changed by somebody else"):
        publish(spark, branch, made, {})
    assert rows(spark, by_date) == now


def test_rows_of_other_days_that_came_meanwhile_are_no_conflict(spark, by_date):
    branch = branch_publish.begin(spark, by_date, DAY, "dataflow_r1_wap")
    write(spark, branch, insert(by_date, (6, 1)))
    spark.sql(insert(by_date, (8, 2)))
    published(spark, branch)
    assert rows(spark, by_date) == [(2, "2026-01-02"), (6, "2026-01-01"), (8, "2026-01-02")]


def test_a_base_that_has_expired_meanwhile_refuses_the_publishing(spark, by_date):
    branch = branch_publish.begin(spark, by_date, DAY, "dataflow_r1_wap")
    write(spark, branch, insert(by_date, (6, 1)))
    made = settled(spark, branch)
    spark.sql(insert(by_date, (8, 2)))
    load(spark, by_date).expireSnapshots().expireSnapshotId(branch.base).commit()
    with pytest.raises(PublishConflict):
        publish(spark, branch, made, {})


def test_what_is_written_to_the_branch_after_its_audits_is_not_published(spark, by_date):
    branch = branch_publish.begin(spark, by_date, DAY, "dataflow_r1_wap")
    write(spark, branch, insert(by_date, (6, 1)))
    made = settled(spark, branch)
    write(spark, branch, insert(by_date, (7, 1)))
    with pytest.raises(DataflowError, match="while its audits were running"):
        publish(spark, branch, made, {})
    assert rows(spark, by_date) == [(1, "2026-01-01"), (2, "2026-01-02")]


def test_a_run_that_made_nothing_leaves_a_word_in_the_history_and_no_other_trace(spark, by_date):
    branch = branch_publish.begin(spark, by_date, DAY, "dataflow_r1_wap")
    snapshot = keep(spark, branch, {"dataflow.outcome": "kept"})
    table = load(spark, by_date)
    assert head(table) == snapshot
    assert summary(spark, by_date)["dataflow.outcome"] == "kept"
    assert head(table, branch.name) is None
    assert rows(spark, by_date) == [(1, "2026-01-01"), (2, "2026-01-02")]
