"""`dataflow project diff-data`: what it prints of a comparison, for people and for a pull request."""

from __future__ import annotations

import pytest

from dataflow.cli.output import MARKDOWN, TEXT
from dataflow.cli.project.diff_data import _Compared
from dataflow.deploy.data_diff import ColumnDiff, TableDiff, TablePair

PAIR = TablePair("branch_top.results", "prod.results", ("id",), {"date": "${EXECUTION_DATE}"})
DAY = "CAST(`date` AS DATE) = DATE '2026-01-31'"
SAME = TableDiff(PAIR, "true", 1200, 1200, 0, 0, (), (), (), (), ())
CHANGED = ColumnDiff("title|rank", 3, ({"key": {"id": "`7`"}, "here": "<b>1</b>", "there": "@bob"},))
FOUND = TableDiff(
    PAIR, DAY, 19303, 9700, 9604, 1, ({"id": "1"}, {"id": "2"}), ({"id": "9"},), (CHANGED,), ("plays",), ()
)


@pytest.fixture
def printed(capsys):
    def show(output, *found):
        output.show(_Compared(found))
        return [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]

    return show


def test_people_read_a_table_with_the_share_of_each_difference_then_examples(printed):
    assert printed(TEXT, FOUND, SAME) == [
        "branch_top.results beside prod.results, CAST(`date` AS DATE) = DATE '2026-01-31'",
        "  rows: 19,303 here, 9,700 there, 9,699 on both sides",
        "  columns only here: plays",
        " differs            rows     share",
        " " + "─" * 33,
        " rows only here    9,604    49.8 %",
        " rows only there       1   < 0.1 %",
        " title|rank            3   < 0.1 %",
        "  rows only here",
        "    id=1",
        "    id=2",
        "  rows only there",
        "    id=9",
        "  title|rank",
        "    id=`7`: <b>1</b> here, @bob there",
        "branch_top.results beside prod.results, all rows",
        "  rows: 1,200 here, 1,200 there, 1,200 on both sides",
        "  no difference",
    ]


def test_a_pull_request_gets_a_table_in_which_data_is_only_data(printed):
    assert printed(MARKDOWN, FOUND, SAME) == [
        "**`branch_top.results` beside `prod.results`**, `` CAST(`date` AS DATE) = DATE '2026-01-31' ``: "
        "19,303 rows here, 9,700 there, 9,699 on both sides",
        "- columns only here: `plays`",
        "| differs | rows | share | for example |",
        "|---|---:|---:|---|",
        "| `rows only here` | 9,604 | 49.8 % | `id=1` |",
        "| `rows only there` | 1 | < 0.1 % | `id=9` |",
        r"| `title\|rank` | 3 | < 0.1 % | `` id=`7`: <b>1</b> here, @bob there `` |",
        "**`branch_top.results` beside `prod.results`**, `all rows`: 1,200 rows here, 1,200 there, 1,200 on both sides",
        "No difference",
    ]
