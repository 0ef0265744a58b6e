"""What a wap template leaves for readers, run after run."""

from __future__ import annotations

import pytest

from dataflow.tables.iceberg import load
from tests.support.small_runs import failed

pytestmark = pytest.mark.spark

MERGE = """
MERGE INTO ${TARGET_TABLE} AS t
USING (SELECT id, hours, date FROM ${SOURCE_TABLE} WHERE date = DATE '${EXECUTION_DATE}') AS s
ON t.id = s.id AND t.date = s.date
WHEN MATCHED THEN UPDATE SET hours = s.hours
WHEN NOT MATCHED THEN INSERT *;
"""


def test_a_script_that_appends_leaves_what_its_last_run_made(package):
    package.write("write.sql", "INSERT INTO ${TARGET_TABLE} SELECT * FROM ${SOURCE_TABLE} WHERE day(date) = 1;\n")
    package.add_source((1, 1.5, 1), (2, 1.5, 1))
    for _ in range(2):
        result = package.run()
        assert result.status == "succeeded", failed(result)
        assert result.published[0].rows == 2
    assert package.rows() == [(1, 1), (2, 1)]


def test_a_merge_changes_its_rows_where_the_template_keeps_what_exists(package):
    package.write("write.sql", MERGE)
    package.edit("main.sch.yaml", "      write:\n", "      existing: keep\n      empty: keep\n      write:\n")
    package.add_source((1, 1.5, 1), (2, 2.5, 1))
    package.run()
    package.spark.sql(f"DELETE FROM {package.source}")
    package.add_source((2, 9.5, 1), (3, 3.5, 1))
    result = package.run()
    assert result.status == "succeeded", failed(result)
    assert result.published[0].rows == 3
    found = package.spark.sql(f"SELECT id, hours FROM {package.target} ORDER BY id").collect()
    assert [tuple(row) for row in found] == [(1, 1.5), (2, 9.5), (3, 3.5)]


def test_a_merge_that_changes_nothing_is_a_write_of_no_rows(package):
    package.write("write.sql", MERGE)
    package.edit("main.sch.yaml", "      write:\n", "      existing: keep\n      write:\n")
    package.add_source((1, 1.5, 1))
    package.run()
    package.spark.sql(f"DELETE FROM {package.source}")
    step, message = failed(package.run())
    assert (step, message) == ("wap", f"the write changed no row of {package.target} date=2026-01-01")
    assert package.rows() == [(1, 1)]


def test_rows_counted_are_those_that_this_run_made(package):
    package.write(
        "write.sql", "INSERT INTO ${TARGET_TABLE} SELECT id, hours, date FROM ${SOURCE_TABLE} WHERE day(date) = 1;\n"
    )
    package.add_source((1, 1.5, 1))
    package.run()
    package.spark.sql(f"DELETE FROM {package.source}")
    step, message = failed(package.run())
    assert (step, message) == ("wap", f"the write brought no rows for {package.target} date=2026-01-01")


def test_an_old_day_is_run_again_after_its_table_got_another_partition_field(package):
    package.add_source((1, 1.5, 1), (2, 2.5, 2))
    for day in (1, 2):
        package.run(day=day)
    package.spark.sql(f"ALTER TABLE {package.target} ADD PARTITION FIELD bucket(4, id)")
    package.edit("ddl.sql", "PARTITIONED BY (date)", "PARTITIONED BY (date, bucket(4, id))")
    package.add_source((3, 3.5, 1))
    result = package.run(day=1)
    assert result.status == "succeeded", failed(result)
    assert package.rows() == [(1, 1), (2, 2), (3, 1)]


def test_a_file_that_holds_other_days_is_rewritten_for_them_and_that_is_said(package):
    package.edit("ddl.sql", " PARTITIONED BY (date)", "")
    package.edit("main.sch.yaml", "      partition:\n        date: ${EXECUTION_DATE}\n", "")
    package.write(
        "write.sql",
        "INSERT OVERWRITE ${TARGET_TABLE} SELECT /*+ COALESCE(1) */ id, hours, date FROM ${SOURCE_TABLE};\n",
    )
    package.add_source((1, 1.5, 1), (2, 2.5, 2))
    package.run(only="ddl")
    package.run(only="wap")
    package.spark.sql(f"ALTER TABLE {package.target} ADD PARTITION FIELD date")
    package.edit("ddl.sql", "USING iceberg", "USING iceberg PARTITIONED BY (date)")
    package.edit(
        "main.sch.yaml",
        "${TARGET_TABLE}\n      write",
        "${TARGET_TABLE}\n      partition:\n        date: 2026-01-01\n      write",
    )
    package.write("write.sql", "INSERT OVERWRITE ${TARGET_TABLE} VALUES (7, 7.5, DATE '2026-01-01');\n")
    result = package.run()
    assert result.status == "succeeded", failed(result)
    assert package.rows() == [(2, 2), (7, 1)]
    assert any("held date=2026-01-01 beside others" in note for note in result.notes), result.notes


def test_a_day_without_rows_that_keeps_the_old_ones_leaves_a_word_in_the_table(package):
    package.edit("main.sch.yaml", "      write:\n", "      empty: keep\n      write:\n")
    package.add_source((1, 1.5, 1))
    package.run()
    package.spark.sql(f"DELETE FROM {package.source}")
    assert package.run().status == "succeeded"
    summary = load(package.spark, package.target).currentSnapshot().summary()
    assert summary.get("dataflow.outcome") == "kept"
    assert summary.get("dataflow.partition") == "date=2026-01-01"
    assert summary.get("dataflow.rows") is None
    assert package.rows() == [(1, 1)]


@pytest.mark.parametrize("name", ["my-results", "результаты"])
def test_a_table_s_name_may_have_any_characters(package, name):
    package.edit("main.sch.yaml", "${TARGET_DB}.results", f"${{TARGET_DB}}.`{name}`")
    for script in ("ddl.sql", "write.sql"):
        package.edit(script, "${TARGET_TABLE}", f"{package.target.rpartition('.')[0]}.`{name}`")
    package.target = package.target.replace("results", f"`{name}`")
    package.add_source((1, 1.5, 1))
    for _ in range(2):
        result = package.run()
        assert result.status == "succeeded", failed(result)
    assert package.rows() == [(1, 1)]
    assert result.published[0].table == f"{package.user}_sandbox.{name}"


def test_an_audit_of_an_hour_with_an_offset_looks_at_that_hour(package):
    package.spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {package.user}_sandbox")
    table = f"{package.user}_sandbox.hourly"
    package.spark.sql(f"CREATE TABLE {table} (id INT, At TIMESTAMP) USING iceberg PARTITIONED BY (hours(At))")
    package.spark.sql(f"INSERT INTO {table} VALUES (-1, TIMESTAMP '2026-01-31T23:30:00-05:00')")
    package.write(
        "check.sch.yaml",
        f"""
        version: 1
        workflow:
          id: ${{dataflow.package_id}}.check
        jobs:
          - job:
              id: check
              type: Audit
              audit:
                table: {table}
                partition:
                  at: '2026-01-31T23:30:00-05:00'
                audits:
                  - function: column_should_be_between
                    column: ID
                    min: 0
        """,
    )
    _, step = package.run("check.sch.yaml").failed_steps[0]
    assert step.error.message == "an audit failed: column_should_be_between: 1 row with id not at least 0 (expected 0)"
    assert step.error.hint == "the rows were published before, and readers see them"
