"""The same mistakes, planted in each recipe's package: its own unit tests have to catch them.

That they pass without a mistake is seen by the tests of whole recipes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from tests.optional_tools import SPARKLYR_RECIPE, require

pytestmark = pytest.mark.recipe


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
        "null titles": Defect(
            SQL,
            "    AND title_id IS NOT NULL\n",
            "",
            pytest_failure("without a title or hours a row does not count"),
        ),
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
            'invoke("overwritePartitions")',
            'invoke("append")',
            r_failure("a day is written by its columns' names, and only it is replaced"),
        ),
    },
}


def planted_together(recipe):
    """Return groups of defects: those of different steps are planted at once where each step has a test of its own.

    What writes a day is tested only with all the steps before it, so it gets a package without other defects.
    """
    *steps, writing = DEFECTS[recipe]
    alone = len({DEFECTS[recipe][name].failure for name in steps}) < len(steps)
    return [*([name] for name in steps), [writing]] if alone else [steps, [writing]]


def plant(folder, defects):
    """Plant defects in a package, and return how to weed them out again."""
    before = {}
    for defect in defects:
        file = folder / defect.file
        text = file.read_text("utf-8")
        assert text.count(defect.right) == 1, f"{defect.file} holds not exactly one {defect.right!r}"
        before.setdefault(file, text)
        file.write_text(text.replace(defect.right, defect.wrong), "utf-8")

    def weed():
        for file, text in before.items():
            file.write_text(text, "utf-8")

    return weed


def test_each_defect_is_caught_by_the_package_s_own_tests(recipe, package, table_line, request):
    if recipe == "sparklyr":
        require(request.node, *SPARKLYR_RECIPE)
    if recipe not in DEFECTS:
        pytest.skip("no defects of this recipe are known")
    caught = 0
    for names in planted_together(recipe):
        defects = [DEFECTS[recipe][name] for name in names]
        weed = plant(package.folder, defects)
        try:
            (suite,) = package.json("project", "test", ".", code=None)["suites"]
        finally:
            weed()
        output = "\n".join(suite["output"])
        assert suite["status"] == "failed", names
        for defect in defects:
            assert re.search(defect.failure, output, re.MULTILINE), output
            caught += 1
            table_line["defects caught"] = f"{caught} of {len(DEFECTS[recipe])}"
