from __future__ import annotations

import pytest

from dataflow.errors import DataflowError
from dataflow.jobs.spark.script import run_script

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


TABLE = "CREATE TABLE {0}.plays (id INT, title STRING) USING iceberg;\n"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "INSERT INTO {0}.plays BY NAME\nSELECT 1 AS id, 'x' AS title, 2 AS hours;",
            "{0}.plays has 2 columns, the write gives 3: not among them is hours",
        ),
        ("INSERT INTO {0}.plays SELECT 1 AS id;", "{0}.plays has 2 columns, the write gives 1: title is missing"),
        (
            "INSERT INTO {0}.plays SELECT 1, 2.5, 'x';",
            "{0}.plays has 2 columns, the write gives 3: its columns are id, title",
        ),
        ("INSERT INTO {0}.plays VALUES (1);", "{0}.plays has 2 columns, the write gives 1: its columns are id, title"),
    ],
)
def test_columns_that_are_not_the_table_s_are_told_in_a_line_at_the_statement(spark, here, statement, message):
    spark.sql("CREATE NAMESPACE IF NOT EXISTS differ")
    spark.sql("DROP TABLE IF EXISTS differ.plays")
    text = TABLE.format("differ") + "\n-- what is played\n\n" + statement.format("differ")
    assert failure(spark, here / "s.sql", text) == f"s.sql:5: {message.format('differ')}"


def test_a_data_frame_with_a_column_too_many_is_told_in_a_line_with_its_code(spark, here):
    spark.sql("CREATE NAMESPACE IF NOT EXISTS differ")
    spark.sql("DROP TABLE IF EXISTS differ.plays")
    spark.sql(TABLE.format("differ").rstrip(";\n"))
    text = (
        "def main(args, spark):\n"
        "    spark.sql(\"SELECT 1 AS id, 'x' AS title, 2 AS hours\").writeTo('differ.plays').append()\n"
        "\n"
        "def other(args, spark):\n"
        "    spark.sql('SELECT 1 AS id, 2 AS hours').writeTo('differ.plays').append()\n"
    )
    assert failure(spark, here / "s.py", text) == (
        "s.py:2 in main(): differ.plays has 2 columns, the write gives 3: not among them is hours\n"
        "    spark.sql(\"SELECT 1 AS id, 'x' AS title, 2 AS hours\").writeTo('differ.plays').append()"
    )
    renamed = text.replace("main", "first").replace("other", "main")
    assert failure(spark, here / "s.py", renamed) == (
        "s.py:5 in main(): differ.plays has no hours\n"
        "    spark.sql('SELECT 1 AS id, 2 AS hours').writeTo('differ.plays').append()"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "SELECT *\nFROM nowhere;\n",
            "s.sql:2:6: [TABLE_OR_VIEW_NOT_FOUND] The table or view `nowhere` cannot be found.\n    FROM nowhere;",
        ),
        (
            "SELECT 1;\nDROP TABLE nowhere;\n",
            "s.sql:2: [TABLE_OR_VIEW_NOT_FOUND] The table or view `dataflow`.`nowhere` cannot be found.",
        ),
    ],
)
def test_spark_s_advice_that_mends_nothing_in_a_script_is_left_out(spark, here, text, message):
    assert failure(spark.newSession(), here / "s.sql", text) == message


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


def test_each_failure_of_a_worker_is_told_with_the_user_s_own_line(spark, here):
    text = "def half(x):\n    return 1 // (x - x)\n\ndef main(args, spark):\n    {}\n"
    line = "half(): ZeroDivisionError: integer division or modulo by zero\n    return 1 // (x - x)"
    for call in (
        "spark.sparkContext.parallelize([1]).map(half).collect()",
        "spark.range(1).foreachPartition(lambda rows: [half(1) for _ in rows])",
        "spark.udf.register('half', half)\n    spark.sql('SELECT half(1)').collect()",
    ):
        assert failure(spark.newSession(), here / "rdd.py", text.format(call)) == f"rdd.py:2 in {line}"


def test_what_a_worker_raises_of_the_user_s_own_classes_is_told_by_its_name(spark, here):
    text = "class Refused(Exception):\n    pass\n\ndef no(x):\n    raise Refused('row ' + str(x))\n\n"
    text += "def main(args, spark):\n    spark.sparkContext.parallelize([7]).map(no).collect()\n"
    message = failure(spark, here / "own.py", text)
    assert message == "own.py:5 in no(): own.Refused: row 7\n    raise Refused('row ' + str(x))"


def test_functions_and_classes_of_a_script_and_its_helpers_work_on_the_workers(spark, here):
    (here / "sides.py").write_text(
        "import threading\n\nLOCK = threading.Lock()\nPREFIX = 'h'\n\ndef tag(x):\n    return f'{PREFIX}{x}'\n\n"
        "class Box:\n    def __init__(self, x):\n        self.x = x\n"
    )
    path = here / "ways.py"
    path.write_text(
        "import sys\nimport sides\nfrom pyspark.sql import functions as F\n\nKNOWN = {}\n\n"
        "def plain(x):\n    return sides.tag(x) if sys.version else ''\n\n"
        "@F.udf('string')\ndef decorated(x):\n    return plain(x)\n\n"
        "def main(args, spark):\n"
        "    rows = spark.range(1)\n    context = spark.sparkContext\n"
        "    spark.udf.register('tagged', plain)\n"
        "    found = [rows.select(decorated('id')).first()[0], rows.select(F.udf(sides.tag)('id')).first()[0],\n"
        "        spark.sql('SELECT tagged(0)').first()[0], context.parallelize([0]).map(plain).first(),\n"
        "        context.parallelize([0]).map(lambda x: sides.Box(plain(x))).first().x]\n"
        "    rows.foreachPartition(lambda part: [plain(row) for row in part])\n"
        "    assert isinstance(context.parallelize([0]).map(sides.Box).first(), sides.Box)\n"
        "    spark.createDataFrame([(it,) for it in found], 'v string').createOrReplaceTempView('ways')\n"
    )
    session = spark.newSession()
    run_script(session, path, {})
    assert [row.v for row in session.table("ways").collect()] == ["h0"] * 5


@pytest.mark.parametrize("end", ["sys.exit(0)", "sys.exit()", "raise SystemExit"])
def test_a_script_that_says_that_all_is_well_when_it_exits_succeeds(spark, here, end):
    path = here / "done.py"
    path.write_text(f"import sys\n\ndef main(args, spark):\n    {end}\n")
    run_script(spark, path, {})


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("BaseException('odd')", "BaseException: odd"),
        ("GeneratorExit", "GeneratorExit"),
        (
            "ExceptionGroup('two', [ValueError('a'), KeyError('b')])",
            "two (2 sub-exceptions): ValueError: a; KeyError: 'b'",
        ),
        ("Mute()", "Mute"),
    ],
)
def test_whatever_a_script_raises_is_one_message(spark, here, raised, told):
    text = "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\n\n"
    text += f"def main(args, spark):\n    raise {raised}\n"
    assert failure(spark, here / "raises.py", text) == f"raises.py:6 in main(): {told}\n    raise {raised}"


def test_a_keyboard_interrupt_of_a_job_s_own_is_a_failure_and_ctrl_c_is_not(spark, here):
    from concurrent.futures import ThreadPoolExecutor

    path = here / "stops.py"
    path.write_text("def main(args, spark):\n    raise KeyboardInterrupt\n")
    with ThreadPoolExecutor(1) as pool, pytest.raises(DataflowError, match="KeyboardInterrupt"):
        pool.submit(run_script, spark, path, {}).result()
    with pytest.raises(KeyboardInterrupt):
        run_script(spark, path, {})


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "import nowhere_to_be\n",
            "put nowhere_to_be.py beside the script, "
            'or write a pyproject.toml:  [project] with dependencies = ["nowhere_to_be"]',
        ),
        (
            "import helpers.inner\n",
            'put helpers.py beside the script, or write a pyproject.toml:  [project] with dependencies = ["helpers"]',
        ),
        ("import pyspark\n", "pip install 'dataflow-recipes[pandas]'"),
    ],
)
def test_a_module_that_is_missing_is_named_with_what_brings_it(spark, here, monkeypatch, text, hint):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    path = here / "needs.py"
    path.write_text(f"{text}\ndef main(args, spark):\n    spark.range(1).toPandas()\n")
    with pytest.raises(DataflowError) as caught:
        run_script(spark, path, {})
    assert hint in (caught.value.hint or "")
    assert "dataflow_script" not in caught.value.message


def test_a_byte_order_mark_is_no_syntax_error(spark, here):
    for name, text in (("s.sql", "\ufeffSELECT 1;\r\n"), ("s.py", "\ufeffdef main(args, spark):\r\n    pass\r\n")):
        (here / name).write_bytes(text.encode())
        run_script(spark, here / name, {})


def test_a_sql_script_that_is_not_utf_8_is_told_with_its_line(spark, here):
    (here / "s.sql").write_bytes("SELECT 1;\nSELECT 'é';\n".encode("latin-1"))
    with pytest.raises(DataflowError, match=r"s\.sql:2:9: this character is not UTF-8"):
        run_script(spark, here / "s.sql", {})


def test_a_block_of_begin_and_end_is_one_statement(spark, here):
    path = here / "s.sql"
    path.write_text(
        "-- first; this\nBEGIN\n  DECLARE n INT DEFAULT 1;\n  IF n = 1 THEN\n    SELECT n;\n  END IF;\nEND;\n"
        "CREATE TEMPORARY VIEW after AS SELECT CASE WHEN true THEN 'it' END AS found;\n"
    )
    session = spark.newSession()
    run_script(session, path, {})
    assert session.table("after").collect() == [("it",)]


def test_a_mistake_in_a_block_of_begin_and_end_is_told_with_its_line(spark, here):
    text = "SELECT 1;\nBEGIN\n  SELECT 2;\n  SELECT * FROM nowhere;\nEND;\n"
    assert failure(spark.newSession(), here / "s.sql", text).startswith("s.sql:4:17: [TABLE_OR_VIEW_NOT_FOUND]")


def test_a_python_script_in_no_encoding_that_it_names_is_told_in_one_line(spark, here):
    (here / "s.py").write_bytes("NAME = 'é'\n".encode("latin-1"))
    with pytest.raises(DataflowError) as caught:
        run_script(spark, here / "s.py", {})
    assert caught.value.message.startswith("s.py:1: SyntaxError: ")
    assert "\n" not in caught.value.message


def test_helpers_that_import_each_other_reach_the_workers(spark, here):
    (here / "left.py").write_text("import right\n\ndef one(x):\n    return right.two(x)\n")
    (here / "right.py").write_text("import left\n\ndef two(x):\n    return x + 1 if left.one else x\n")
    text = "import left\n\ndef main(args, spark):\n"
    text += "    assert spark.sparkContext.parallelize([1]).map(lambda x: left.one(x)).collect() == [2]\n"
    (here / "both.py").write_text(text)
    run_script(spark, here / "both.py", {})
