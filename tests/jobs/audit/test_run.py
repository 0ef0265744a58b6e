"""Audits on a real table: each passing, failing, and saying so."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pyspark.sql import SparkSession

from dataflow.errors import DataflowError
from dataflow.jobs.audit import AuditedRows, AuditResult, run_audits
from dataflow.workflow.audits import Audit

pytestmark = pytest.mark.spark

DAY = "`date` = DATE'2026-01-31' OR `date` = DATE'2026-01-30'"
ROWS = """
  (1, 'US', 9.5D, DATE'2026-01-31', TIMESTAMP'2026-01-31 20:00:00', true, 1.25),
  (1, 'US', 0.5D, DATE'2026-01-31', TIMESTAMP'2026-01-31 21:00:00', true, 1.25),
  (2, 'O''Hara', -1D, DATE'2026-01-31', NULL, false, 2.5),
  (3, NULL, double('NaN'), DATE'2026-01-30', NULL, NULL, NULL),
  (4, 'FR', NULL, DATE'2026-01-30', NULL, NULL, NULL),
  (NULL, 'FR', 1e9D, DATE'2020-01-01', NULL, NULL, NULL)
"""


@pytest.fixture(scope="module")
def table(spark: SparkSession) -> str:
    spark.sql("CREATE NAMESPACE IF NOT EXISTS audits")
    columns = "title_id INT, `country ``code.` STRING, hours DOUBLE, `date` DATE, at TIMESTAMP, is_new BOOLEAN"
    spark.sql(f"CREATE TABLE audits.plays ({columns}, price DECIMAL(10,2)) USING iceberg PARTITIONED BY (`date`)")
    spark.sql(f"INSERT INTO audits.plays VALUES {ROWS}")
    return "`dataflow`.`audits`.`plays`"


def audit(spark: SparkSession, table: str, folder: Path = Path(), **declared: Any) -> AuditResult:
    """Run one audit over the five rows of two days."""
    history = declared.pop("history", [])
    (result,) = run(spark, AuditedRows(table, DAY), [declared], folder, history)
    return result


def run(
    spark: SparkSession,
    rows: AuditedRows,
    declared: Sequence[dict[str, Any]],
    folder: Path = Path(),
    history: Sequence[int] = (),
) -> list[AuditResult]:
    audits: list[Audit] = TypeAdapter(list[Audit]).validate_python(declared)
    return run_audits(spark, rows, audits, folder=folder, params={"LIMIT": "4"}, history=history)


def test_nulls_are_counted_by_row_and_named_by_column(spark: SparkSession, table: str) -> None:
    columns = ["TITLE_ID", "country `code.", "hours"]
    result = audit(spark, table, function="columns_should_not_have_nulls", columns=columns)

    assert not result.passed
    assert result.figure == 2
    assert result.message == "2 rows with NULL in country `code., hours (country `code.: 1, hours: 1) (expected 0)"
    assert {row["title_id"] for row in result.sample} == {"3", "4"}
    assert {row["hours"] for row in result.sample} == {"NaN", "null"}


def test_columns_without_nulls_pass(spark: SparkSession, table: str) -> None:
    result = audit(
        spark,
        table,
        function="columns_should_not_have_nulls",
        columns=["title_id", "date"],
        name="ids",
        blocking=False,
    )

    assert result == AuditResult(
        "ids", "columns_should_not_have_nulls", False, True, 0, "0", "0 rows with NULL in title_id, date"
    )


def test_a_repeated_key_is_shown_with_its_number_of_rows(spark: SparkSession, table: str) -> None:
    result = audit(spark, table, function="columns_should_be_unique", columns=["title_id", "country `code."])

    assert result.message == "1 duplicate row for key (title_id, country `code.) (expected 0)"
    assert result.sample == ({"title_id": "1", "country `code.": "US", "rows": "2"},)
    assert audit(spark, table, function="columns_should_be_unique", columns=["title_id", "hours"]).passed


@pytest.mark.parametrize(
    ("bounds", "passed", "expected"),
    [
        ({"min": 1}, True, "at least 1"),
        ({"min": 5, "max": 5}, True, "between 5 and 5"),
        ({"max": 4}, False, "at most 4"),
        ({"min": 6, "max": 9}, False, "between 6 and 9"),
    ],
)
def test_the_number_of_rows_is_held_to_its_bounds(
    spark: SparkSession, table: str, bounds: dict[str, int], passed: bool, expected: str
) -> None:
    result = audit(spark, table, function="row_count_should_be_between", **bounds)

    assert (result.passed, result.figure, result.expected, result.sample) == (passed, 5, expected, ())
    assert result.message == f"5 rows (expected {expected})"


@pytest.mark.parametrize(
    ("column", "values", "failing"),
    [
        ("country `code.", ["US", "O'Hara", "FR"], 0),
        ("country `code.", ["US", "\\"], 2),
        ("title_id", [1, "2", 3.0], 1),
        ("title_id", [2**40, 1.5], 5),
        ("date", ["2026-01-31", "2026-01-30"], 0),
        ("at", ["2026-01-31 20:00:00"], 1),
        ("is_new", [True], 1),
        ("price", [1.25, "2.50"], 0),
        ("hours", [9.5, 0.5, -1], 1),
    ],
)
def test_values_outside_a_set_are_counted_and_nulls_are_not(
    spark: SparkSession, table: str, column: str, values: list[Any], failing: int
) -> None:
    result = audit(spark, table, function="values_should_be_in", column=column, values=values)

    assert (result.figure, result.passed, len(result.sample)) == (failing, failing == 0, failing)


@pytest.mark.parametrize(
    ("column", "bounds", "failing"),
    [
        ("hours", {"min": 0}, 2),  # -1 and not a number
        ("hours", {"max": 9.5}, 1),
        ("title_id", {"min": 0.5, "max": 3.5}, 1),
        ("date", {"min": "2026-01-31"}, 2),
        ("at", {"max": "2026-01-31 20:30:00"}, 1),
        ("price", {"min": "1.26"}, 2),
        ("country `code.", {"min": "FR", "max": "O'Hara"}, 2),
    ],
)
def test_values_outside_bounds_are_counted_and_nulls_are_not(
    spark: SparkSession, table: str, column: str, bounds: dict[str, Any], failing: int
) -> None:
    result = audit(spark, table, function="column_should_be_between", column=column, **bounds)

    assert (result.figure, result.passed, len(result.sample)) == (failing, failing == 0, failing)


@pytest.mark.parametrize(
    ("history", "passed", "expected"),
    [
        ([10, 9], True, "anything: the history has 2 of the 3 runs that it needs"),
        ([4, 6, 5], True, "between 2.5 and 7.5: 50% around 5, the median of the last 3 runs"),
        (
            [20, 11, 10, 12, 0, 0, 0],
            False,
            "between 5.75 and 17.25: 50% around 11.5, the median of the last 4 runs",
        ),
    ],
)
def test_the_number_of_rows_is_compared_with_the_median_of_the_last_runs(
    spark: SparkSession, table: str, history: list[int], passed: bool, expected: str
) -> None:
    result = audit(spark, table, function="row_count_should_be_near_history", runs=4, history=history)

    assert (result.passed, result.figure, result.expected) == (passed, 5, expected)


def test_a_query_of_ones_own_sees_the_rows_under_audit_alone(spark: SparkSession, table: str) -> None:
    found = audit(
        spark,
        table,
        function="sql_should_return_no_rows",
        sql="SELECT * FROM ${AUDITED} WHERE title_id >= ${LIMIT};",
    )
    none = audit(
        spark,
        table,
        function="sql_should_return_no_rows",
        sql="SELECT 1 FROM ${AUDITED} WHERE title_id IS NULL",
    )

    assert found.message == "the query returns 1 row (expected 0)"
    assert found.sample[0]["country `code."] == "FR"
    assert none.passed
    views = spark._jsparkSession.sessionState().catalog().listLocalTempViews("dataflow_audited*")
    assert views.size() == 0


def test_a_query_may_stand_in_a_script(spark: SparkSession, table: str, tmp_path: Path) -> None:
    (tmp_path / "late.sql").write_text("-- ${ANYTHING} in a comment\nSELECT count(*), count(*) FROM ${AUDITED}")

    result = audit(spark, table, tmp_path, function="sql_should_return_no_rows", script="late.sql")

    assert result.sample == ({"count(1)": "5"},)


def test_a_function_of_ones_own_returns_the_number_of_failing_rows(
    spark: SparkSession, table: str, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(
        "def audit(rows, args):\n    return rows.where(f'title_id >= {args[\"LIMIT\"]}').count()\n"
        "def none(rows, args):\n    return 0.0\n"
    )

    failed = audit(spark, table, tmp_path, function="python_should_pass", script="own.py")
    passed = audit(spark, table, tmp_path, function="python_should_pass", script="own.py", callable="none")

    assert (failed.passed, failed.figure, failed.message) == (False, 1, "audit() returns 1 (expected 0)")
    assert (passed.passed, passed.figure) == (True, 0)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            {"function": "columns_should_be_unique", "columns": ["titel_id"], "name": "key"},
            "audit key: `dataflow`.`audits`.`plays` has no column 'titel_id'; did you mean 'title_id'?",
        ),
        (
            {"function": "values_should_be_in", "column": "country `code.", "values": [False]},
            "column country `code.: False is not a text, as the column is: write it in quotes",
        ),
        (
            {"function": "column_should_be_between", "column": "title_id", "min": "many"},
            "audit column_should_be_between, column title_id: 'many' is not a number, as the column is",
        ),
        (
            {"function": "sql_should_return_no_rows", "sql": "SELECT *\nFROM ${AUDITED}\nWHERE titel_id = 1"},
            "audit sql_should_return_no_rows, sql:3:7: [UNRESOLVED_COLUMN",
        ),
        (
            {"function": "sql_should_return_no_rows", "sql": "SELECT * FROM ${AUDITD}"},
            "undefined parameter 'AUDITD'; did you mean 'AUDITED'?",
        ),
        (
            {"function": "sql_should_return_no_rows", "sql": "SELECT 1; SELECT 2", "name": "two"},
            "audit two, sql:1:11: [PARSE_SYNTAX_ERROR]",
        ),
        (
            {"function": "python_should_pass", "script": "bad.py"},
            "bad.py:3 in audit(): ZeroDivisionError: division by zero",
        ),
        (
            {"function": "python_should_pass", "script": "bad.py", "callable": "audits"},
            "bad.py has no audits(); did you mean 'audit'?",
        ),
        (
            {"function": "python_should_pass", "script": "bad.py", "callable": "true"},
            "true() in",
        ),
        (
            {"function": "python_should_pass", "script": "bad.py", "callable": "analysed"},
            "bad.py:6 in analysed(): [",
        ),
    ],
)
def test_an_audit_that_cannot_run_says_which_and_why(
    spark: SparkSession, table: str, tmp_path: Path, declared: dict[str, Any], message: str
) -> None:
    (tmp_path / "bad.py").write_text(
        "def audit(rows, args):\n    x = 1\n    return 1 / 0\n\n"
        "def analysed(rows, args):\n    return rows.where('no_such = 1').count()\n\n"
        "def true(rows, args):\n    return True\n"
    )

    with pytest.raises(DataflowError) as caught:
        audit(spark, table, tmp_path, **declared)

    assert message in caught.value.message
    assert "org.apache" not in caught.value.message


def test_all_rows_of_a_table_may_be_audited(spark: SparkSession, table: str) -> None:
    (result,) = run(spark, AuditedRows(table, "true"), [{"function": "row_count_should_be_between", "max": 5}])

    assert result.figure == 6


def test_results_come_in_the_order_of_the_audits(spark: SparkSession, table: str) -> None:
    results = run(
        spark,
        AuditedRows(table, "`date` = DATE'2020-01-01'"),
        [
            {"function": "sql_should_return_no_rows", "sql": "SELECT * FROM ${AUDITED}"},
            {"function": "columns_should_not_have_nulls", "columns": ["title_id"]},
            {"function": "columns_should_be_unique", "columns": ["title_id"]},
            {"function": "row_count_should_be_between", "min": 1},
        ],
    )

    assert [(result.function.split("_")[0], result.figure) for result in results] == [
        ("sql", 1),
        ("columns", 1),
        ("columns", 0),
        ("row", 1),
    ]


def test_no_rows_at_all_pass_what_speaks_of_each_row(spark: SparkSession, table: str) -> None:
    rules = [
        {"function": "columns_should_not_have_nulls", "columns": ["title_id"]},
        {"function": "columns_should_be_unique", "columns": ["title_id"]},
        {"function": "column_should_be_between", "column": "hours", "min": 0},
    ]

    assert [result.figure for result in run(spark, AuditedRows(table, "false"), rules)] == [0, 0, 0]


numbers = st.none() | st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, 1.5, float("inf"), float("nan")])
plays = st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from("abc'"), numbers), max_size=30)


@settings(max_examples=5, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(plays)
def test_counts_equal_those_of_a_plain_loop(spark: SparkSession, rows: list[tuple[Any, ...]]) -> None:
    spark.createDataFrame(rows, "a INT, b STRING, c DOUBLE").createOrReplaceTempView("plays")

    results = run(
        spark,
        AuditedRows("plays"),
        [
            {"function": "columns_should_not_have_nulls", "columns": ["a", "b", "c"]},
            {"function": "columns_should_be_unique", "columns": ["a", "b"]},
            {"function": "values_should_be_in", "column": "b", "values": ["a", "'"]},
            {"function": "column_should_be_between", "column": "c", "min": 0, "max": 1},
        ],
    )

    assert [result.figure for result in results] == [
        sum(None in row for row in rows),
        sum(count - 1 for count in Counter((a, b) for a, b, _ in rows).values()),
        sum(b in {"b", "c"} for _, b, _ in rows),
        sum(c is not None and not 0 <= c <= 1 for _, _, c in rows),
    ]


def test_an_audit_of_one_s_own_reads_and_writes_nothing(spark: SparkSession, table: str, tmp_path: Path) -> None:
    with pytest.raises(DataflowError, match="INSERT would write") as caught:
        audit(spark, table, function="sql_should_return_no_rows", sql=f"INSERT INTO {table} SELECT * FROM {table}")
    assert "an audit only reads" in caught.value.message
    (tmp_path / "audits.py").write_text(
        f"def audit(rows, args):\n    rows.sparkSession.sql('DROP TABLE {table}')\n    return 0\n"
    )
    with pytest.raises(DataflowError, match=r"DROP TABLE would write .* and an audit only reads"):
        audit(spark, table, tmp_path, function="python_should_pass", script="audits.py", callable="audit")
    assert spark.table(table).count()
