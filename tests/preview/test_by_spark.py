"""Previews by Spark: what the scripts write into a table in memory, and that nothing else is written."""

from __future__ import annotations

import contextlib
import re

import pytest

from dataflow.errors import DataflowError, UsageError
from dataflow.preview.model import PreviewRequest
from dataflow.preview.preview import Previewer
from dataflow.runner.engine_choice import QueryEngine

pytestmark = pytest.mark.spark

PYTHON = """
from pyspark.sql import functions as F


def main(args, spark):
    rows = spark.table(args["SOURCE_TABLE"]).where(F.col("date") == args["EXECUTION_DATE"])
    rows.withColumn("hours", F.col("hours") * 2).writeTo(args["TARGET_TABLE"]).overwritePartitions()
"""
MERGE = """
MERGE INTO ${TARGET_TABLE} t
USING (SELECT * FROM ${SOURCE_TABLE} WHERE date = DATE '${EXECUTION_DATE}') s
ON t.id = s.id AND t.date = s.date
WHEN MATCHED THEN UPDATE SET hours = s.hours + 1
WHEN NOT MATCHED THEN INSERT *
"""


@pytest.fixture
def preview(package):
    def preview(day=1, **wanted):
        request = PreviewRequest(engine=QueryEngine.SPARK, **wanted)
        with Previewer(lambda _: contextlib.nullcontext(package.spark)) as previewer:
            (found,) = previewer.previews(package.load(day=day), request)
        return found

    return preview


def ids(found):
    return [(row.id, row.hours) for row in found.rows]


def test_rows_audits_and_the_difference_are_those_of_the_run_that_follows(package, preview):
    package.add_source((1, 1.5, 1), (2, 2.5, 1), (3, None, 1), (9, 9.0, 2))
    found = preview()
    assert (ids(found), found.total, found.partition) == ([(1, 1.5), (2, 2.5), (3, None)], 3, "date=2026-01-01")
    assert [(it.name, it.figure, it.passed) for it in found.audits] == [
        ("columns_should_be_unique", 0, True),
        ("columns_should_not_have_nulls", 1, False),
    ]
    assert (found.difference, found.would_fail) == (None, False)
    assert not package.spark.catalog.tableExists(package.target)
    package.run()
    assert preview().difference.same

    package.add_source((1, 1.5, 1), (4, 0.5, 1))
    package.edit("write.sql", "SELECT id, hours", "SELECT id, nullif(hours, 2.5) AS hours")
    before = (
        package.rows(),
        package.refs(),
        len(package.spark.sql(f"SELECT * FROM {package.target}.snapshots").collect()),
    )
    found = preview(limit=2)
    assert (len(found.rows), found.total, found.would_fail) == (2, 5, True)
    difference = found.difference
    assert (difference.key, difference.published) == (("date", "id"), 3)
    assert (difference.new, difference.gone, difference.changed) == (2, 0, 1)
    (column,) = difference.columns
    assert (column.name, column.rows) == ("hours", 1)
    assert [(it["published"], it["preview"]) for it in column.samples] == [(2.5, None)]
    assert [it["id"] for it in difference.samples_new] == [1, 4]
    after = (
        package.rows(),
        package.refs(),
        len(package.spark.sql(f"SELECT * FROM {package.target}.snapshots").collect()),
    )
    assert after == before


def test_programs_in_python_and_changes_of_kept_rows_are_previewed_too(package, preview):
    package.add_source((1, 1.5, 1), (2, 2.5, 1))
    package.run()
    package.write("write.py", PYTHON)
    package.edit("main.sch.yaml", "write.sql", "write.py")
    found = preview()
    assert ids(found) == [(1, 3.0), (2, 5.0)]
    assert found.difference.changed == 2

    package.edit("main.sch.yaml", "write.py", "write.sql")
    package.edit("main.sch.yaml", "      write:", "      existing: keep\n      write:")
    package.write("write.sql", MERGE)
    package.spark.sql(f"DELETE FROM {package.source} WHERE id = 2")
    package.add_source((3, 3.0, 1))
    found = preview()
    assert ids(found) == [(1, 2.5), (2, 2.5), (3, 3.0)]
    assert (found.difference.new, found.difference.gone, found.difference.changed) == (1, 0, 1)
    assert package.rows() == [(1, 1), (2, 1)]


def test_a_column_that_the_ddl_adds_and_rows_of_other_days_are_told(package, preview):
    package.add_source((1, 1.5, 1))
    package.run()
    package.edit("ddl.sql", "hours DOUBLE,", "hours DOUBLE, note STRING,")
    package.write(
        "write.sql",
        "INSERT OVERWRITE ${TARGET_TABLE} BY NAME SELECT id, hours, 'n' AS note, date + 1 AS date FROM ${SOURCE_TABLE}",
    )
    found = preview()
    assert (found.outside, found.would_fail, found.difference.columns_added) == (1, True, ("note",))
    assert (found.difference.new, found.difference.gone) == (0, 1)
    assert "note" not in package.spark.table(package.target).columns


def test_what_can_not_be_caught_is_refused_with_its_place(package, preview):
    package.add_source((1, 1.5, 1))
    other = f"{package.user}_sandbox.other"
    package.spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {package.user}_sandbox")
    package.spark.sql(f"CREATE TABLE {other} (id INT) USING iceberg")
    package.edit("write.sql", "INSERT OVERWRITE", f"INSERT INTO {other} VALUES (1);\nINSERT OVERWRITE")
    with pytest.raises(DataflowError) as refused:
        preview()
    assert f"write.sql:1: INSERT would write dataflow.{other}, which is not previewed in" in refused.value.message
    assert package.spark.table(other).count() == 0
    package.write("write.sql", "INSERT INTO ${TARGET_TABLE} BY NAME SELECT id, hourz FROM ${SOURCE_TABLE}")
    with pytest.raises(DataflowError, match=r"write.sql:1:\d+: .*hourz"):
        preview()
    package.write(
        "write.sql", "INSERT INTO ${TARGET_TABLE} BY NAME SELECT id, hours, date, 1 AS extra FROM ${SOURCE_TABLE}"
    )
    with pytest.raises(DataflowError, match=rf"{package.target} has .*: not among them is extra") as refused:
        preview()
    assert re.fullmatch(r"add to the DDL, as line \d+ of \S*ddl.sql:  extra INT,", refused.value.hint)
    package.write("write.sql", "WITH a AS (SELECT id FROM ${SOURCE_TABLE}) SELECT * FROM a")
    found = preview(step="a")
    assert ([tuple(row) for row in found.rows], found.table, found.step) == ([(1,)], None, "a")
    package.edit("main.sch.yaml", "write.sql", "write.R")
    package.write("write.R", "main <- function(args, spark) {}")
    with pytest.raises(UsageError, match=r"write.R can't be previewed: only SQL and Python scripts can"):
        preview()
    package.edit("main.sch.yaml", "TARGET_TABLE: ${TARGET_DB}.results", "OTHER: x")
    package.edit("main.sch.yaml", "write.R", "write.sql")
    for line in ("        table: ${TARGET_TABLE}\n", "      table: ${TARGET_TABLE}\n"):
        text = (package.folder / "main.sch.yaml").read_text()
        (package.folder / "main.sch.yaml").write_text(
            text.replace(line, line.replace("${TARGET_TABLE}", package.target))
        )
    package.edit("ddl.sql", "${TARGET_TABLE}", package.target)
    with pytest.raises(UsageError, match=r"no parameter names .*results"):
        preview()
