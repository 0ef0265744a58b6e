"""The same mistakes, planted in each recipe's package: its own unit tests have to catch them.

That they pass without a mistake is seen by the tests of whole recipes.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.recipe

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Defect:
    """A mistake: a piece of a file, what stands there instead, and how the test that must notice it fails."""

    file: str
    right: str
    wrong: str
    failure: str


def pytest_failure(test):
    return rf"^FAILED \S+::{test}(\[.*\])? - (AssertionError: |assert )"


def scalatest_failure(test):
    # An assertion's message ends with its place; an exception would be followed by a stack trace.
    return rf"- should {test} \*\*\* FAILED \*\*\*\n((?!\[info\] - ).*\n)*?.* \(TopTitlesSpec\.scala:\d+\)$"


def r_failure(test):
    return rf"Failure \(.*\): {test}"


SQL = "src/sparksql_write.sql"
PYTHON = "src/pyspark_write.py"
SCALA = "src/main/scala/playback/TopTitles.scala"

TOP_TITLES = pytest_failure("test_the_top_titles_of_each_day")
WRITTEN_AGAIN = pytest_failure("test_writing_a_day_again_changes_neither_it_nor_others")

DEFECTS = {
    "spark-sql": {
        "wrong comparison": Defect(SQL, "title_rank <= 100", "title_rank < 100", TOP_TITLES),
        "dense rank": Defect(SQL, " RANK()", " DENSE_RANK()", TOP_TITLES),
        "null titles": Defect(SQL, "    AND title_id IS NOT NULL\n", "", TOP_TITLES),
        "append": Defect(SQL, "INSERT OVERWRITE", "INSERT INTO", WRITTEN_AGAIN),
    },
    "pyspark": {
        "wrong comparison": Defect(
            PYTHON,
            'F.col("title_rank") <= TOP',
            'F.col("title_rank") < TOP',
            pytest_failure("test_ranks_after_the_hundredth_are_left_out"),
        ),
        "dense rank": Defect(
            PYTHON,
            "F.rank()",
            "F.dense_rank()",
            pytest_failure("test_equal_hours_share_a_rank_and_the_next_is_skipped"),
        ),
        "null titles": Defect(
            PYTHON,
            'F.col("title_id").isNotNull() & ',
            "",
            pytest_failure("test_without_a_title_or_hours_a_row_does_not_count"),
        ),
        "append": Defect(PYTHON, '.overwrite(F.col("date") == F.lit(day))', ".append()", WRITTEN_AGAIN),
    },
    "scala": {
        "wrong comparison": Defect(
            SCALA,
            'col("title_rank") <= Top',
            'col("title_rank") < Top',
            scalatest_failure("leave out ranks after the hundredth"),
        ),
        "dense rank": Defect(
            SCALA,
            "rank().over",
            "dense_rank().over",
            scalatest_failure("let equal hours share a rank and skip the next"),
        ),
        "null titles": Defect(
            SCALA,
            'col("title_id").isNotNull && ',
            "",
            scalatest_failure("not count rows without a title or without hours"),
        ),
        "append": Defect(
            SCALA,
            '.overwrite(col("date") === lit(day))',
            ".append()",
            scalatest_failure("change neither a day nor others by writing it again"),
        ),
    },
    "sparklyr": {
        "wrong comparison": Defect(
            "src/viewing.R",
            "title_rank <= top",
            "title_rank < top",
            r_failure("ranks after the hundredth are left out"),
        ),
        "dense rank": Defect(
            "src/viewing.R",
            "min_rank(",
            "dense_rank(",
            r_failure("equal hours share a rank and the next is skipped"),
        ),
        "null titles": Defect(
            "src/viewing.R",
            "!is.na(title_id), ",
            "",
            r_failure("without a title or hours a row does not count"),
        ),
        "append": Defect(
            "src/tables.R",
            "overwrite = TRUE,",
            "overwrite = FALSE,",
            r_failure("a day is written in the table's order, and only it is replaced"),
        ),
    },
}


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """Return how to get a recipe's package, which is generated once."""
    made = {}

    def package(recipe):
        if recipe not in made:
            from copier import run_copy

            made[recipe] = tmp_path_factory.mktemp("packages") / recipe
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # uncommitted changes of the recipe are meant to be tested
                run_copy(
                    str(ROOT),
                    made[recipe],
                    data={"recipe": recipe},
                    vcs_ref="HEAD",
                    defaults=True,
                    skip_tasks=True,
                    quiet=True,
                )
        return made[recipe]

    return package


@pytest.fixture
def tested(recipe, packages, spark_command):
    """Return how to run the unit tests of the recipe's package, expecting an exit code."""

    def test(code):
        (suite,) = spark_command.json("project", "test", packages(recipe), code=code)["suites"]
        if suite["status"] == "skipped":
            pytest.skip(f"{recipe}: {suite['reason']}")
        return suite

    return test


@pytest.mark.parametrize("defect", ["wrong comparison", "dense rank", "null titles", "append"])
def test_a_defect_is_caught_by_the_package_s_own_tests(recipe, defect, packages, tested, table_line):
    planted = DEFECTS[recipe][defect]
    file = packages(recipe) / planted.file
    text = file.read_text("utf-8")
    assert text.count(planted.right) == 1, f"{planted.file} holds not exactly one {planted.right!r}"
    file.write_text(text.replace(planted.right, planted.wrong), "utf-8")
    try:
        suite = tested(None)
    finally:
        file.write_text(text, "utf-8")

    output = "\n".join(suite["output"])
    assert suite["status"] == "failed"
    assert re.search(planted.failure, output, re.MULTILINE), output
    table_line["defects caught"] = f"{int(table_line.get('defects caught', 0)) + 1}"
