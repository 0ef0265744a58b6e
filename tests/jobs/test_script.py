from __future__ import annotations

import pytest

from dataflow.errors import DataflowError
from dataflow.jobs.script import run_script

pytestmark = pytest.mark.spark


def failure(spark, path, text, **params):
    path.write_text(text)
    with pytest.raises(DataflowError) as caught:
        run_script(spark, path, params)
    return caught.value.message


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sql_script_runs_statement_by_statement(spark, here):
    path = here / "s.sql"
    path.write_text(
        "CREATE TEMPORARY VIEW one AS SELECT 1 AS id; -- done; really\nCREATE TEMPORARY VIEW two AS SELECT ';' AS x;\n"
    )
    session = spark.newSession()
    run_script(session, path, {})
    assert session.sql("SELECT * FROM one CROSS JOIN two").collect() == [(1, ";")]


def test_a_misspelt_column_is_told_with_its_line_and_no_java_stack(spark, here):
    message = failure(spark, here / "s.sql", "-- a comment\nSELECT\n  idd\nFROM range(3);\n")
    assert message.startswith("s.sql:3:3: [UNRESOLVED_COLUMN.WITH_SUGGESTION]")
    assert "Did you mean one of the following? [`id`]" in message
    assert message.endswith("\n    idd")
    assert "at org.apache" not in message
    assert "Project" not in message


def test_lines_are_counted_over_all_statements_of_a_script(spark, here):
    text = "CREATE TEMPORARY VIEW v AS SELECT 1;\n\n\nSELECT *\nFROM nowhere;\n"
    assert failure(spark.newSession(), here / "s.sql", text).startswith("s.sql:5:6: [TABLE_OR_VIEW_NOT_FOUND]")


def test_a_syntax_error_is_told_with_its_line(spark, here):
    assert failure(spark, here / "s.sql", "SELECT 1;\nSELEC 2;\n").startswith("s.sql:2:1: [PARSE_SYNTAX_ERROR]")


def test_a_statement_that_ends_too_early_is_told_with_its_line(spark, here):
    assert failure(spark, here / "s.sql", "SELECT\n").startswith("s.sql:")


def test_an_undefined_parameter_is_told_before_anything_runs(spark, here):
    message = failure(spark, here / "s.sql", "SELECT '${DAYY}';\n", DAY="x")
    assert message == "s.sql:1:9: undefined parameter 'DAYY'; did you mean 'DAY'?"


def test_a_python_script_gets_the_parameters_by_name(spark, here):
    path = here / "job.py"
    path.write_text(
        "def main(args, spark):\n    spark.sql(f\"SELECT '{args['DAY']}' AS day\").createOrReplaceTempView('got')\n"
    )
    session = spark.newSession()
    run_script(session, path, {"DAY": "2026-01-31"})
    assert session.table("got").collect() == [("2026-01-31",)]


def test_a_python_script_can_import_its_neighbours(spark, here):
    (here / "neighbour_of_job.py").write_text("NAME = 'neighbour'\n")
    path = here / "job.py"
    path.write_text("from neighbour_of_job import NAME\n\ndef main(args, spark):\n    assert NAME == 'neighbour'\n")
    run_script(spark, path, {})


def test_an_exception_in_python_is_told_with_the_user_s_line(spark, here):
    text = "def main(args, spark):\n    inner()\n\ndef inner():\n    return 1 / 0\n"
    assert failure(spark, here / "broken.py", text) == (
        "broken.py:5 in inner(): ZeroDivisionError: division by zero\n    return 1 / 0"
    )


def test_a_spark_error_in_python_is_told_in_one_line(spark, here):
    text = "def main(args, spark):\n    spark.table('nowhere').collect()\n"
    message = failure(spark, here / "reads_nothing.py", text)
    assert message.startswith("reads_nothing.py:2 in main(): [TABLE_OR_VIEW_NOT_FOUND] The table or view `nowhere`")
    assert "org.apache" not in message


def test_an_exception_in_a_python_function_on_the_executors_is_told_as_itself(spark, here):
    text = (
        "from pyspark.sql.functions import udf\n\n\ndef main(args, spark):\n"
        "    spark.range(1).select(udf(lambda x: 1 // x, 'int')('id')).collect()\n"
    )
    message = failure(spark, here / "udf.py", text)
    assert "ZeroDivisionError: integer division or modulo by zero" in message
    assert "org.apache" not in message


def test_a_python_file_that_does_not_parse_is_told_with_its_line(spark, here):
    assert failure(spark, here / "unparsable.py", "def main(args, spark)\n    pass\n").startswith(
        "unparsable.py:1: SyntaxError: expected ':'"
    )


def test_a_python_file_without_main_says_what_is_missing(spark, here):
    assert failure(spark, here / "empty.py", "x = 1\n") == "empty.py has no main"


def test_a_script_that_exits_fails_the_job_and_not_the_run(spark, here):
    text = "import sys\n\ndef main(args, spark):\n    sys.exit(3)\n"
    assert "SystemExit: 3" in failure(spark, here / "exits.py", text)


def test_secrets_reach_the_script_and_no_message(spark, here, monkeypatch):
    monkeypatch.setenv("TOKEN", "geheim")
    text = "def main(args, spark):\n    assert args['T'] == 'geheim'\n    raise ValueError('no')\n"
    assert "geheim" not in failure(spark, here / "secret.py", text, T="${secret:TOKEN}")
