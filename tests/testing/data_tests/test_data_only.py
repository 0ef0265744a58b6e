"""Tests of data alone, single CTEs and `--update-mocks`, as pytest runs them in a package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dataflow.errors import DataflowError
from dataflow.testing import Dataflow

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.spark

STEPS = """\
-- Two steps.
CREATE OR REPLACE TEMPORARY VIEW played_${RUN} AS SELECT * FROM ${SOURCE_TABLE} WHERE view_hours > 0;

INSERT INTO ${TARGET_TABLE}
WITH viewing AS (
  SELECT title_id, view_hours FROM played_${RUN}
),
ranked AS (
  SELECT
    title_id,
    RANK() OVER (ORDER BY view_hours DESC) AS title_rank,
    view_hours
  FROM viewing
)
SELECT title_id, title_rank, view_hours, DATE '2026-01-31' AS date FROM ranked;
"""
DATA = """\
script: steps.sql
given:
  SOURCE_TABLE: mocks/demo.playback.yaml
  TARGET_TABLE: ../ddl/titles.sql
params:
  RUN: a
tests:
  titles are written with their rank:
    expect:
      TARGET_TABLE: mocks/titles.yaml
  equal hours share a rank:
    given:
      viewing:
        columns: {title_id: int, view_hours: double}
        rows: [[1, 9.5], [2, 9.5], [3, 4.0]]
    expect:
      ranked:
        columns: [title_id, title_rank]
        key: title_id
        rows: [[1, 1], [2, 1], [3, 3]]
  what is there before stays:
    given:
      TARGET_TABLE:
        ddl: ../ddl/titles.sql
        rows: [{title_id: 7, title_rank: 1}]
      SOURCE_TABLE: {columns: {title_id: int, view_hours: double}, rows: []}
    expect:
      TARGET_TABLE:
        rows: [[7, 1, null, null]]
      viewing:
        rows: []
"""


def edit(package: pytest.Pytester, name: str, old: str, new: str) -> None:
    text = (package.path / name).read_text()
    assert old in text
    (package.path / name).write_text(text.replace(old, new))


def run(package: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return package.runpytest_inprocess("-p", "no:cacheprovider", *arguments)


@pytest.fixture
def tests(package: pytest.Pytester) -> pytest.Pytester:
    (package.path / "src/test_write.py").unlink()
    (package.path / "src/steps.sql").write_text(STEPS)
    (package.path / "src/steps.test.yaml").write_text(DATA)
    return package


def test_each_test_of_a_file_is_a_test_of_pytests(tests: pytest.Pytester) -> None:
    result = run(tests, "-v")

    result.assert_outcomes(passed=3)
    assert "src/steps.test.yaml::equal hours share a rank PASSED" in re.sub(" +", " ", result.stdout.str())
    run(tests, "-k", "share").assert_outcomes(passed=1, deselected=2)
    run(tests, "src/steps.test.yaml::equal hours share a rank").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("right", "wrong", "which", "shown"),
    [
        ("RANK()", "DENSE_RANK()", "written", ["TARGET_TABLE has 3 rows, titles.yaml has 3 rows:"]),
        ("RANK()", "DENSE_RANK()", "share", ["ranked has 3 rows, the expected", "differs  3         3 -> 2"]),
        ("RANK()", "RNK()", "share", ["src/steps.sql:11:5: [UNRESOLVED_ROUTINE]", "RNK() OVER (ORDER BY"]),
        ("view_hours DESC", "1 / (title_id - 1)", "share", ["src/steps.sql:11:27: [DIVIDE_BY_ZERO]"]),
        ("ranked AS", "rankd AS", "share", ["src/steps.sql has no CTE 'ranked'; did you mean 'rankd'?"]),
        ("M played_${RUN}", "M a_${RUNS}", "stays", ["src/steps.sql:6:38: undefined parameter 'RUNS'; did you"]),
    ],
)  # fmt: skip
def test_a_failure_shows_what_is_wrong_where_and_no_code_of_ours(
    tests: pytest.Pytester, right: str, wrong: str, which: str, shown: list[str]
) -> None:
    edit(tests, "src/steps.sql", right, wrong)

    result = run(tests, "-k", which)

    result.assert_outcomes(failed=1, deselected=2)
    text = result.stdout.str()
    for part in shown:
        assert part in text
    assert "/dataflow/" not in text
    assert re.search(r"^src/steps.test.yaml:\d+$", text, re.MULTILINE)
    assert re.search(r"^FAILED src/steps.test.yaml::.* - \w+", text, re.MULTILINE)


def test_mistakes_in_a_test_file_are_told_at_once_and_nothing_of_it_runs(tests: pytest.Pytester) -> None:
    edit(tests, "src/steps.test.yaml", "expect:", "expects:")

    result = run(tests)

    result.assert_outcomes(errors=1)
    assert "src/steps.test.yaml:9:5: unknown key 'expects'; did you mean 'expect'?" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_a_table_that_the_script_names_itself_is_there_for_the_test_alone(
    tests: pytest.Pytester, spark: SparkSession
) -> None:
    (tests.path / "src/fixed.sql").write_text(
        "INSERT INTO own.results SELECT title_id, 1, view_hours, date FROM own.played"
    )
    (tests.path / "src/steps.test.yaml").write_text(
        "script: fixed.sql\n"
        "given: {own.played: mocks/demo.playback.yaml, own.results: ../ddl/titles.sql}\n"
        "tests:\n"
        "  one: {expect: {own.results: {columns: [title_id], rows: [[1], [2], [3], [4]]}}}\n"
        "  two: {expect: {own.results: {columns: [title_id], rows: [[1], [2], [3], [4]]}}}\n"
    )

    run(tests).assert_outcomes(passed=2)

    assert spark.sql("SHOW TABLES IN own").collect() == []


def test_a_python_script_is_tested_the_same_way(tests: pytest.Pytester) -> None:
    (tests.path / "src/steps.py").write_text(
        "def main(args, spark):\n"
        "    spark.table(args['SOURCE_TABLE']).selectExpr('title_id', '1 AS title_rank', 'view_hours', 'date')"
        ".writeTo(args['TARGET_TABLE']).append()\n"
    )
    (tests.path / "src/steps.test.yaml").write_text(
        DATA[: DATA.index("tests:")].replace("steps.sql", "steps.py")
        + "tests: {all: {expect: {TARGET_TABLE: {columns: [title_id], rows: [[1], [2], [3], [4]]}}}}\n"
    )

    run(tests).assert_outcomes(passed=1)


def test_a_parameter_that_is_not_given_is_the_constant_of_the_definition(tests: pytest.Pytester) -> None:
    (tests.path / "main.sch.yaml").write_text(
        "params: {RUN: b, TARGET_TABLE: '${TARGET_DB}.x'}\n"
        "jobs: [{job: {id: a, type: Spark, spark: {script: ./src/steps.sql}}}]\n"
    )
    edit(tests, "src/steps.test.yaml", "params:\n  RUN: a\n", "")
    run(tests).assert_outcomes(passed=3)


def test_python_asks_for_a_cte_as_well(dataflow: Dataflow, spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "steps.sql").write_text(STEPS)
    viewing = spark.createDataFrame([(1, 4.0), (2, 9.0)], "title_id int, view_hours double")

    ranked = dataflow.rows_of(
        tmp_path / "steps.sql",
        "ranked",
        given={"viewing": viewing},
        RUN="c",
        SOURCE_TABLE="values(1, 1D) AS t(title_id, view_hours)",
    )

    dataflow.assert_rows(
        ranked, [{"title_id": 1, "title_rank": 2}, {"title_id": 2, "title_rank": 1}], columns=["title_id", "title_rank"]
    )
    with pytest.raises(DataflowError, match=r"only a \.sql script has CTEs"):
        dataflow.rows_of(__file__, "ranked")


# -------------------------------------------------------------------------------------------- snapshots


def test_update_mocks_rewrites_the_expected_rows_and_shows_what_changed(package: pytest.Pytester) -> None:
    mock = package.path / "src/mocks/titles.yaml"
    head = "columns:\n  title_id: int\n  title_rank: int\n  view_hours: double\n  date: date\nrows:\n"
    rows = mock.read_text().partition("rows:\n")[2].replace("[3, 3,", "[3, 2,")
    mock.write_text(f"{head}  # ties share a rank\n{rows}")
    before = mock.read_text()

    result = run(package, "--update-mocks")

    result.assert_outcomes(passed=1)
    assert mock.read_text() == before.replace("[3, 2,", "[3, 3,")
    result.stdout.fnmatch_lines(
        [
            "*expected mocks*",
            "--- src/mocks/titles.yaml",
            "-  - ?3, 2, 4.0,*",
            "+  - ?3, 3, 4.0,*",
            "→ 1 rewritten: review*",
        ]
    )
    again = run(package, "--update-mocks")
    again.stdout.fnmatch_lines(["*expected mocks*", "→ all as they were"])
    run(package).assert_outcomes(passed=1)


def test_update_mocks_writes_a_file_that_is_not_there_yet(package: pytest.Pytester) -> None:
    mock = package.path / "src/mocks/titles.yaml"
    mock.unlink()

    run(package, "--update-mocks").assert_outcomes(passed=1)

    assert "key: [title_id]" in mock.read_text()
    run(package).assert_outcomes(passed=1)


def test_update_mocks_follows_a_change_of_columns(package: pytest.Pytester) -> None:
    edit(package, "ddl/titles.sql", "title_rank INT", "title_rank BIGINT, note STRING")
    edit(package, "src/write.sql", "view_hours\n", "'x', view_hours\n")

    run(package, "--update-mocks").assert_outcomes(passed=1)

    text = (package.path / "src/mocks/titles.yaml").read_text()
    assert "title_rank: bigint" in text
    assert "note: string" in text
    run(package).assert_outcomes(passed=1)


def test_update_mocks_does_not_let_two_tests_overwrite_each_other(package: pytest.Pytester) -> None:
    text = (package.path / "src/test_write.py").read_text()
    other = text.replace("test_titles_are_ranked", "test_other").replace('"2026-01-31")', '"2020-01-01")')
    (package.path / "src/test_write.py").write_text(f"{text}\n{other}")
    edit(package, "src/mocks/titles.yaml", "[3, 3,", "[3, 2,")

    result = run(package, "--update-mocks")

    result.assert_outcomes(passed=1, failed=1)
    assert "titles.yaml was rewritten by another test of this run" in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "environ", "why"),
    [((), {"CI": "true"}, "not in CI"), (("-n", "2"), {"CI": ""}, "run it without -n")],
)
def test_update_mocks_is_refused_where_nobody_would_look(
    package: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    environ: dict[str, str],
    why: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    result = run(package, "--update-mocks", *arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert why in result.stderr.str()


# --------------------------------------------------------------------------------------- in any order


def test_tests_run_in_any_order_and_side_by_side(tests: pytest.Pytester, shared_jars: Path) -> None:
    (tests.path / "conftest.py").write_text(
        "import random\n\ndef pytest_collection_modifyitems(items):\n    random.Random(7).shuffle(items)\n"
    )
    (tests.path / "src/steps.test.yaml").rename(tests.path / "src/one.test.yaml")
    (tests.path / "src/two.test.yaml").write_text(DATA)
    environ = {**os.environ, "DATAFLOW_JARS": str(shared_jars)}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-p", "no:randomly"]

    done = subprocess.run(command, cwd=tests.path, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


NAMES = """\
INSERT INTO ${TARGET_TABLE}
WITH base AS (SELECT title_id AS id, 'x' AS name FROM ${SOURCE_TABLE}),
wrapped AS (WITH base AS (SELECT 7 AS seven) SELECT seven FROM base),
twice AS (SELECT b.id, x.id AS ID FROM base b JOIN base x ON b.id = x.id),
TINY AS (SELECT CAST(0.1 AS DOUBLE) + CAST(0.2 AS DOUBLE) - CAST(0.3 AS DOUBLE) AS d, named_struct('In', 1) AS s)
SELECT id, 1, 1.0D, current_date() FROM base;
INSERT INTO ${TARGET_TABLE} WITH base AS (SELECT 8 AS eight) SELECT eight, 1, 1.0D, current_date() FROM base;
"""
NAMED = """\
script: names.sql
given:
  SOURCE_TABLE: {columns: {title_id: int}, rows: [[1]]}
  TARGET_TABLE: ../ddl/titles.sql
tests:
  green first: {expect: {base#1: {rows: [{ID: 1, Name: "x"}]}}}
  green inner: {expect: {wrapped.base: {rows: [{SEVEN: 7}]}}}
  green second: {expect: {base#2: {rows: [{eight: 8}]}}}
  green case: {expect: {wrapped: {columns: [SEVEN], rows: [[7]]}}}
  green upper: {expect: {TINY: {atol: 1.0e-12, columns: [D], rows: [[0.0]]}}}
  green field: {expect: {tiny: {columns: [S], rows: [{s: {IN: 1}}]}}}
  red two columns: {expect: {twice: {rows: [{id: 1}]}}}
  red one of two: {expect: {twice: {columns: [id], rows: [[1]]}}}
  red misspelt: {expect: {wrapped: {columns: [sevn], rows: [[7]]}}}
  red nought: {expect: {TINY: {rtol: 0.01, columns: [d], rows: [[0.0]]}}}
  red which: {expect: {base: {rows: []}}}
"""


def test_steps_and_columns_are_named_as_spark_names_them_and_no_two_pass_for_one(tests: pytest.Pytester) -> None:
    (tests.path / "src/steps.test.yaml").unlink()
    (tests.path / "src/names.sql").write_text(NAMES)
    (tests.path / "src/names.test.yaml").write_text(NAMED)

    run(tests, "-k", "green").assert_outcomes(passed=6, deselected=5)
    result = run(tests, "-k", "red")

    result.assert_outcomes(failed=5, deselected=6)
    text = result.stdout.str()
    for told in (
        "ambiguous   2 columns of twice are called id; give each a name of its own",
        "src/names.test.yaml:14:47: there is no column 'sevn'; did you mean 'seven'?",
        "→ a relative tolerance never reaches 0.0; atol is an absolute one, such as 1.0e-12",
        "src/names.sql has 2 CTEs 'base': base#1 on line 2, base#2 on line 7",
    ):
        assert told in text
    assert text.count("ambiguous") == 1
    assert "in 2 tests: src/names.test.yaml::red two columns, src/names.test.yaml::red one of two" in text


# ------------------------------------------------------------------------------- the same in several tests


def test_the_same_mistake_in_several_tests_is_told_once_with_what_to_do_and_every_test_counts(
    tests: pytest.Pytester,
) -> None:
    edit(tests, "src/steps.sql", "view_hours FROM played", "view_hour FROM played")
    (tests.path / "src/test_more.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.parametrize('x', range(2))\n"
        "def test_more(dataflow, x):\n"
        "    dataflow.run_script('steps.sql', SOURCE_TABLE=dataflow.mock('mocks/demo.playback.yaml'), RUN=f'b{x}',\n"
        "                        TARGET_TABLE=dataflow.table('../ddl/titles.sql'))\n\n"
        "def test_another():\n    assert 1 == 2\n"
    )

    result = run(tests, "-rf", "-k", "written or before or more or another")

    text = result.stdout.str()
    result.assert_outcomes(failed=5, deselected=1)
    failures, _, summary = text.partition("short test summary info")
    assert failures.count("[UNRESOLVED_COLUMN.WITH_SUGGESTION]") == 1
    assert "Did you mean one of the following? [`view_hours`" in failures
    assert re.search(
        r"in 4 tests: src/steps.test.yaml::titles are written with their rank, src/steps.test.yaml::", text
    )
    assert "assert 1 == 2" in failures
    assert summary.count("FAILED ") == 5
    assert summary.count(" - the same as src/step") == 3
    assert "→ run the first alone: pytest 'src/steps.test.yaml::titles are written with their rank'" in failures
    assert "def run(" not in text


def test_whatever_goes_wrong_in_a_data_test_none_of_its_function_is_shown(tests: pytest.Pytester) -> None:
    with (tests.path / "conftest.py").open("a") as conftest:
        conftest.write("\n@pytest.fixture\ndef dataflow():\n    return 'out of order'\n")

    result = run(tests, "-k", "share")

    result.assert_outcomes(failed=1, deselected=2)
    assert "AttributeError: 'str' object has no attribute" in result.stdout.str()
    assert "def run(" not in result.stdout.str()


def test_update_mocks_refuses_two_columns_of_one_name(package: pytest.Pytester) -> None:
    mock = package.path / "src/mocks/two.yaml"
    (package.path / "src/test_write.py").write_text(
        "def test_two(dataflow):\n    it = dataflow.spark.sql('SELECT 1 AS id, 2 AS ID')\n"
        "    dataflow.assert_rows(it, 'mocks/two.yaml')\n"
    )

    result = run(package, "--update-mocks")

    result.assert_outcomes(failed=1)
    assert "has 2 columns called id, which a mock can't hold" in result.stdout.str()
    assert not mock.exists()
