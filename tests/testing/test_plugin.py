"""The plugin end to end: a package's own tests, run by pytest inside pytest on the same JVM."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dataflow.errors import DataflowError
from dataflow.testing import Dataflow

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.spark

PYTHON = """\
def main(args, spark):
    hours = spark.table(args["SOURCE_TABLE"])
    {mistake}
    ranked = hours.where("view_hours > 0").selectExpr(
        "title_id", "RANK() OVER (ORDER BY view_hours DESC) AS title_rank", "view_hours", "date"
    )
    ranked.writeTo(args["TARGET_TABLE"]).overwritePartitions()
"""


def edit(package: pytest.Pytester, name: str, old: str, new: str) -> None:
    text = (package.path / name).read_text()
    assert old in text
    (package.path / name).write_text(text.replace(old, new))


def failure(package: pytest.Pytester) -> str:
    result = package.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    return result.stdout.str()


def test_a_package_passes_its_own_test(package: pytest.Pytester) -> None:
    package.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("right", "wrong", "shown"),
    [
        (
            "> 0",
            ">= 0",
            ["1 unexpected, 3 equal", "unexpected  4         4           0.0         2026-01-31"],
        ),
        (
            "RANK()",
            "DENSE_RANK()",
            [
                "1 differ (expected -> actual), 2 equal",
                "differs  3         3 -> 2      4.0         2026-01-31",
            ],
        ),
        (
            "'${EXECUTION_DATE}' AND",
            "'2020-01-01' AND",
            ["titles has 0 rows, titles.yaml has 3 rows:", "3 missing"],
        ),
        ("RANK()", "RNK()", ["write.sql:3:18: [UNRESOLVED_ROUTINE]", "SELECT title_id, RNK() OVER"]),
        ("view_hours > 0", "view_hour > 0", ["write.sql:5:", "`view_hours`"]),
        ("SELECT", "SELEC", ["write.sql:3:1: [PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'"]),
        (
            "${SOURCE_TABLE}",
            "${SOURCE_TABEL}",
            ["undefined parameter 'SOURCE_TABEL'; did you mean 'SOURCE_TABLE'?"],
        ),
    ],
)
def test_broken_sql_fails_with_what_is_wrong(
    package: pytest.Pytester, right: str, wrong: str, shown: list[str]
) -> None:
    edit(package, "src/write.sql", right, wrong)

    text = failure(package)

    for part in shown:
        assert part in text
    assert "org.apache.spark" not in text
    assert "/dataflow/" not in text, "no frame of Dataflow's own is shown"


def test_a_python_script_runs_as_in_production(package: pytest.Pytester) -> None:
    edit(package, "src/test_write.py", "write.sql", "write.py")
    (package.path / "src/write.py").write_text(PYTHON.format(mistake=""))

    package.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_an_exception_in_a_python_script_is_shown_at_the_users_own_line(package: pytest.Pytester) -> None:
    edit(package, "src/test_write.py", "write.sql", "write.py")
    (package.path / "src/write.py").write_text(PYTHON.format(mistake="hours = 1 / 0"))

    text = failure(package)

    assert "src/write.py:3: ZeroDivisionError" in text
    assert "write.py:3 in main(): ZeroDivisionError: division by zero" in text


def test_mistakes_in_a_mock_are_shown_with_line_and_column(package: pytest.Pytester) -> None:
    edit(package, "src/mocks/demo.playback.yaml", "9.5", "1e3")

    text = failure(package)

    assert "demo.playback.yaml:4:9: view_hours: '1e3' is not a number" in text
    assert "demo.playback.yaml:5:9: " in text


def test_sparks_log_is_named_below_a_failure_that_came_out_of_spark(package: pytest.Pytester) -> None:
    (package.path / "conftest.py").unlink()
    (package.path / "src/test_write.py").write_text(
        "import pytest\nfrom dataflow.testing.plugin import _LOG\n"
        "def test_it(request):\n    request.config.stash[_LOG] = 'the/spark.log'\n"
        "    from pyspark.sql import SparkSession\n    SparkSession.getActiveSession().sql('SELEC')\n"
    )

    assert "the/spark.log" in failure(package)


def test_without_java_a_test_says_so_in_a_line(package: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_java(*_: object, **__: object) -> None:
        raise DataflowError("there is no Java", "install one")

    monkeypatch.setattr("dataflow.testing.session.Engine", no_java)
    (package.path / "conftest.py").unlink()

    result = package.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of*", "there is no Java", "install one", "*short test summary*"])
    result.stdout.no_fnmatch_line("*Error*: there is no Java*")


def test_each_test_has_names_of_its_own(dataflow: Dataflow, spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("columns: {a: int}\nrows: [[1]]\n")
    (tmp_path / "t.sql").write_text("CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (a INT) USING iceberg")
    other = Dataflow(spark, tmp_path)

    mocks = {bench.mock(tmp_path / "m.yaml") for bench in (dataflow, other, dataflow)}
    tables = {bench.table(tmp_path / "t.sql") for bench in (dataflow, other, dataflow)}
    other.close()

    assert (len(mocks), len(tables)) == (3, 3)
    assert [spark.catalog.tableExists(name) for name in sorted(mocks)].count(True) == 2


def test_user_code_that_builds_a_session_gets_the_same_one(spark: SparkSession) -> None:
    assert SparkSession.builder.appName("mine").getOrCreate() is spark


def test_a_hint_is_shown_below_the_message(dataflow: Dataflow, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text("x = 1\n")

    with pytest.raises(DataflowError, match="has no main") as caught:
        dataflow.run_script(tmp_path / "s.py")

    assert any("main(args, spark)" in note for note in caught.value.__notes__)


def test_parameters_may_be_dates_and_numbers(dataflow: Dataflow, tmp_path: Path) -> None:
    (tmp_path / "s.sql").write_text("CREATE OR REPLACE TEMP VIEW dated AS SELECT DATE '${DAY}' AS day, ${N} AS n")

    dataflow.run_script(tmp_path / "s.sql", DAY=dt.date(2026, 1, 31), N=3)

    dataflow.assert_rows("dated", [{"day": dt.date(2026, 1, 31), "n": 3}])


def test_the_plugin_loads_without_pyspark() -> None:
    code = "import sys, dataflow.testing.plugin; sys.exit('pyspark' in sys.modules or 'yaml' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
