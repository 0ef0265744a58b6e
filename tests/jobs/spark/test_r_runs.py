"""R scripts as jobs of a run, each with a Spark of its own: what they write, and what is known of it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from dataflow.lineage.store.writer import flows, run_writes
from dataflow.spark.launch_env import SparkLaunch

pytestmark = [pytest.mark.spark, pytest.mark.tools("R", "R's dplyr")]

WRITE = """
main <- function(args, spark) {
  sql <- function(text) sparklyr::invoke(sparklyr::spark_session(spark), "sql", text)
  day <- sprintf("DATE '%%s'", args$EXECUTION_DATE)
  %s
  rows <- sql(sprintf("SELECT id, hours, date FROM %%s WHERE date = %%s", args$SOURCE_TABLE, day))
  sparklyr::invoke(sparklyr::invoke(rows, "writeTo", args$TARGET_TABLE), "overwritePartitions")
  cat("wrote the day\\n")
}
"""


@pytest.fixture
def scripted(package, sparklyr):  # noqa: ARG001  # R has to find it
    """A package whose write is an R script, which does something before it writes."""
    package.add_source((1, 1.0, 1), (2, 2.0, 1), (3, 3.0, 2))

    def run(before=""):
        package.write("write.R", WRITE % before)
        package.edit("main.sch.yaml", "script: write.sql", "script: write.R")
        return package.runner(launch=SparkLaunch(dict(package.spark.sparkContext.getConf().getAll()))).run(
            package.load()
        )

    package.run_script = run
    return package


def test_a_script_s_rows_are_written_on_the_branch_audited_and_published(scripted):
    result = scripted.run_script()
    assert result.status == "succeeded"
    assert scripted.rows() == [(1, 1), (2, 1)]
    assert scripted.refs() == {"main"}
    assert result.published[0].rows == 2


def test_what_a_script_read_and_wrote_is_recorded_by_column(scripted):
    scripted.run_script()
    joined = select(flows.c.source_column, flows.c.target_column).join(run_writes, flows.c.shape == run_writes.c.shape)
    with scripted.records.database.begin() as connection:
        found = {tuple(row) for row in connection.execute(joined) if row.source_column}
    assert {("id", "id"), ("hours", "hours")} <= found


def test_a_script_that_writes_elsewhere_fails_with_what_it_would_have_written_and_publishes_nothing(scripted):
    result = scripted.run_script('sql(sprintf("DELETE FROM %s", args$SOURCE_TABLE))')
    message = result.failed_steps[0][1].error.message
    assert f"DELETE FROM TABLE inside wap would write {scripted.source}" in message
    assert "write.R:" in message
    assert scripted.spark.table(scripted.source).count() == 3
    assert scripted.rows() == []


def test_a_refusal_that_a_script_hides_fails_its_job_all_the_same(scripted):
    result = scripted.run_script('try(sql(sprintf("DROP TABLE %s", args$SOURCE_TABLE)), silent = TRUE)')
    error = result.failed_steps[0][1].error
    assert error.message.startswith(f"DROP TABLE inside wap would write {scripted.source}")
    assert error.hint
    assert scripted.refs() == {"main"}
    assert scripted.rows() == []


def test_a_procedure_that_is_refused_says_why(scripted):
    result = scripted.run_script("sql(sprintf(\"CALL dataflow.system.rewrite_data_files('%s')\", args$SOURCE_TABLE))")
    assert (
        "CALL rewrite_data_files would write what can't be known before it runs"
        in result.failed_steps[0][1].error.message
    )
