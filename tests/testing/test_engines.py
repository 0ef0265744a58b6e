"""Tests by Sail, by Spark, or by both: what Sail runs, what is left, and what is said where they differ."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from dataflow.testing.column_expression import expression_of
from dataflow.testing.engine_difference import rows_differ
from dataflow.testing.row_diff import RowSet

pytest_plugins = ["pytester"]

SCRIPT = """\
-- One day.
INSERT OVERWRITE ${TARGET_TABLE} PARTITION (day = DATE '${DAY}') BY NAME
WITH words AS (
  SELECT id, initcap(word) AS word FROM ${SOURCE_TABLE} WHERE day = DATE '${DAY}'
)
SELECT id, word FROM words;
"""
DDL = "CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (id BIGINT, word STRING, day DATE) USING iceberg PARTITIONED BY (day)"
TESTS = """\
script: write.sql
params: {DAY: 2026-01-31}
given:
  SOURCE_TABLE:
    columns: {id: bigint, word: string, day: date}
    rows:
      - [1, "%s", "2026-01-31"]
      - [2, "b", "2026-01-30"]
  TARGET_TABLE: ddl.sql
tests:
  words begin with a capital:
    expect:
      TARGET_TABLE:
        rows:
          - {id: 1, word: "%s", day: "2026-01-31"}
  a step too:
    expect:
      words:
        columns: [id]
        rows: [[1]]
"""
PYTHON = """\
import pytest
from dataflow.errors import DataflowError


def test_days_are_replaced(dataflow):
    source = dataflow.given(mock(dataflow))
    target = dataflow.table("ddl.sql")
    for day in ("2026-01-31", "2026-01-30", "2026-01-31"):
        dataflow.run_script("write.sql", SOURCE_TABLE=source, TARGET_TABLE=target, DAY=day)
    dataflow.assert_rows(target, [dict(id=1, word="A", day=D[1]), dict(id=2, word="B", day=D[0])], key="id")
    assert dataflow.spark.sql(f"SELECT * FROM {target} WHERE id = 2").collect()[0].word == "B"


def test_a_mistake_is_an_error_of_both(dataflow):
    with pytest.raises(DataflowError, match="write.sql"):
        dataflow.run_script("write.sql", SOURCE_TABLE="nope", TARGET_TABLE=dataflow.table("ddl.sql"), DAY="2026-01-31")


def test_a_frozen_clock_is_spark_s(dataflow):
    dataflow.freeze(now="2026-01-31")
    dataflow.assert_rows(dataflow.spark.sql("SELECT current_date() AS d"), [dict(d=D[1])])


def test_without_either():
    assert True


import datetime as dt
from pathlib import Path

D = (dt.date(2026, 1, 30), dt.date(2026, 1, 31))


def mock(dataflow):
    from dataflow.mocks.model import Mock, MockColumn
    from dataflow.tables.schema.spark_types import parse_type

    columns = [MockColumn(n, parse_type(t)) for n, t in (("id", "bigint"), ("word", "string"), ("day", "date"))]
    return Mock(Path("m.yaml"), None, tuple(columns), ((1, "a", D[1]), (2, "b", D[0])))
"""


@pytest.fixture
def package(pytester):
    def package(word="a", expected="A"):
        pytester.makeini("[pytest]\n")
        (pytester.path / "write.sql").write_text(SCRIPT, "utf-8")
        (pytester.path / "ddl.sql").write_text(DDL, "utf-8")
        (pytester.path / "words.test.yaml").write_text(TESTS % (word, expected), "utf-8")
        (pytester.path / "test_words.py").write_text(PYTHON, "utf-8")
        return pytester

    return package


@pytest.mark.slow
def test_sail_runs_data_tests_and_the_fixture_without_looking_for_java(package, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    done = package().runpytest_subprocess("--dataflow-engine=sail", "-p", "no:xdist", "-k", "not mistake and not clock")
    done.assert_outcomes(passed=4, deselected=2)
    assert "Java" not in done.stdout.str()
    failed = package("a", "B").runpytest_subprocess("--dataflow-engine=sail", "-p", "no:xdist", "words.test.yaml")
    failed.assert_outcomes(passed=1, failed=1)
    failed.stdout.fnmatch_lines(['differs * "B" -> "A" *', "words.test.yaml:11"])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sail", "both"])
def test_tests_that_ask_for_spark_itself_are_left_to_it_in_one_line(package, monkeypatch, engine):
    monkeypatch.setenv("DATAFLOW_JARS", "/nowhere")  # Spark does not start: it is enough that it is asked
    files = package()
    (files.path / "test_words.py").write_text(
        "def test_one(spark):\n    pass\n\n\ndef test_other(spark, dataflow):\n    pass\n", "utf-8"
    )
    done = files.runpytest_subprocess(f"--dataflow-engine={engine}", "-p", "no:xdist")
    left = [line for line in done.outlines if "left to Spark" in line]
    assert left == ["2 tests left to Spark: the fixture `spark` is its own session"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--dataflow-engine=both", "-n", "2"), "compares both in one process: run it with -n 0"),
        (("--dataflow-engine=sail", "--update-mocks"), "mocks are what Spark makes of them"),
    ],
)
def test_what_can_not_go_together_is_refused(package, monkeypatch, arguments, reason):
    monkeypatch.setenv("CI", "")
    done = package().runpytest_subprocess(*arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert reason in done.stderr.str()


PROGRAM = """\
from pyspark.sql import functions as F


def main(args, spark):
    rows = spark.table(args["SOURCE_TABLE"]).where(F.col("day") == args["DAY"]).withColumn("word", F.upper("word"))
    rows.writeTo(args["TARGET_TABLE"]).overwrite(F.col("day") == args["DAY"])
    if args["DAY"] == "2026-01-30":
        rows.selectExpr("id + 10 AS id", "word", "day").writeTo(args["TARGET_TABLE"]).append()
"""
OF_PROGRAM = """\
def test_a_program_replaces_days(dataflow):
    source, target = dataflow.given(mock(dataflow)), dataflow.table("ddl.sql")
    for day in ("2026-01-31", "2026-01-30", "2026-01-31", "2026-01-30"):
        dataflow.run_script("write.py", SOURCE_TABLE=source, TARGET_TABLE=target, DAY=day)
    rows = [dict(id=1, word="A", day=D[1]), dict(id=2, word="B", day=D[0]), dict(id=12, word="B", day=D[0])]
    dataflow.assert_rows(target, rows, key="id")


def test_what_is_spark_s_alone_is_left(dataflow):
    dataflow.run_script("rdd.py", SOURCE_TABLE=dataflow.given(mock(dataflow)))
"""


@pytest.mark.slow
@pytest.mark.tools("PySpark's client")
def test_a_program_in_python_is_run_by_pyspark_s_own_client_where_that_can_be_had(package, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    files = package()
    (files.path / "write.py").write_text(PROGRAM, "utf-8")
    (files.path / "rdd.py").write_text("def main(args, spark):\n    spark.sparkContext.parallelize([1])\n", "utf-8")
    tests = PYTHON[PYTHON.index("import datetime") :] + OF_PROGRAM
    (files.path / "test_words.py").write_text(tests, "utf-8")
    done = files.runpytest_subprocess("--dataflow-engine=sail", "-p", "no:xdist", "-k", "program")
    done.assert_outcomes(passed=1, deselected=3)
    assert "Java" not in done.stdout.str()
    monkeypatch.setenv("DATAFLOW_JARS", "/nowhere")  # Spark does not start: it is enough that it is asked
    done = files.runpytest_subprocess("--dataflow-engine=sail", "-p", "no:xdist", "-k", "alone")
    done.stdout.fnmatch_lines(["1 test left to Spark: Sail fails in rdd.py: *"])


@pytest.mark.slow
def test_without_pandas_programs_in_python_are_left_to_spark(package, monkeypatch):
    monkeypatch.setattr("dataflow.testing.sail_python.find_spec", lambda _: None)
    from dataflow.sail.judgement import SparkDecides
    from dataflow.testing.sail_python import run_python

    with pytest.raises(SparkDecides, match=r"need pandas .* pip install 'dataflow-recipes\[pandas\]'"):
        run_python(None, package().path / "x.py", {}, None)


@pytest.mark.spark
def test_spark_runs_what_is_left_and_overrules_sail_with_rows_and_expression(package, shared_jars, monkeypatch):
    monkeypatch.setenv("DATAFLOW_JARS", str(shared_jars))
    done = package("a-b", "A-b").runpytest_subprocess("--dataflow-engine=both", "-p", "no:xdist")
    done.assert_outcomes(passed=6)
    text = done.stdout.str()
    assert "1 test left to Spark: a frozen clock, or seed, is Spark's alone\n" in text
    assert "1 test left to Spark: Sail fails: " in text
    assert "Sail and Spark differ" in text
    lines = text[text.index("words.test.yaml::words begin") :].splitlines()
    assert [re.sub("  +", "  ", line) for line in lines[:7]] == [
        "words.test.yaml::words begin with a capital: TARGET_TABLE by Sail has 1 row, that by Spark has 1 row:",
        "1 differ (Spark -> Sail)",
        "",
        "  id  word  day",
        'differs  1  "A-b" -> "A-B"  2026-01-31',
        "→ word is INITCAP(word) (write.sql:4)",
        lines[6],
    ]


def rows(*values, types=("bigint", "double"), columns=("id", "x")):
    return RowSet("t", columns, list(values), types)


def test_rows_are_the_same_in_any_order_and_within_the_last_digits_of_doubles():
    assert rows_differ(rows((1, 0.1), (2, None)), rows((2, None), (1, 0.1 + 1e-17)), []) == ""
    assert rows_differ(rows(), rows(), []) == ""
    assert "1 missing" in rows_differ(rows((1, 0.5)), rows((1, 0.5), (2, 2.0)), [])


def test_types_and_names_of_columns_are_told_apart():
    found = rows_differ(rows((1, 1), types=("bigint", "bigint")), rows((1, 1)), [])
    assert found == "x is bigint by Sail, double by Spark"
    assert rows_differ(rows((1, 1), columns=("id", "y")), rows((1, 1)), []).endswith("id, y by Sail, id, x by Spark")


def test_rows_that_are_alike_are_shown_beside_each_other():
    found = rows_differ(rows((1, 2.0), (2, 5.0)), rows((1, 3.0), (2, 5.0)), [])
    assert found.splitlines()[:2] == [
        "t by Sail has 2 rows, that by Spark has 2 rows:",
        "1 differ (Spark -> Sail), 1 equal",
    ]
    assert "3.0 -> 2.0" in found


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("word", (4, "INITCAP(word)")),
        ("WORD", (4, "INITCAP(word)")),
        ("id", None),
        ("nope", None),
    ],
)
def test_the_expression_of_a_column_is_the_last_that_makes_it(column, expected):
    found = expression_of(SCRIPT, column)
    assert (found and (found[0], found[1].split(",")[0].rstrip(")") + ")")) == expected


def test_a_script_that_can_not_be_read_has_no_expressions():
    assert expression_of("SELECT (", "a") is None


def test_a_mock_is_the_same_as_arrow_and_back():
    from dataflow.mocks.model import Mock, MockColumn
    from dataflow.sail.rows import plain_values
    from dataflow.tables.schema.spark_types import parse_type
    from dataflow.testing.sail_fixture import arrow_rows

    moment = dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC)
    values = {
        "int": 1, "double": float("inf"), "string": "ä", "binary": b"\\x00", "date": dt.date(1, 1, 1), "boolean": True,
        "timestamp": moment, "timestamp_ntz": moment.replace(tzinfo=None), "map<string,array<int>>": {"a": [1, None]},
        "struct<x:map<int,timestamp>>": {"x": {1: moment}}, "decimal(38,2)": __import__("decimal").Decimal("1.25"),
    }  # fmt: skip
    columns = tuple(MockColumn(f"c{i}", parse_type(it)) for i, it in enumerate(values))
    mock = Mock(Path("m"), None, columns, (tuple(values.values()), (None,) * len(values)))
    table = arrow_rows(mock)
    back = [tuple(row) for row in zip(*(plain_values(it) for it in table.columns), strict=True)]
    assert back == list(mock.rows)
