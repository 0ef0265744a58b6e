"""What is shown of the engines below a suite that passed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflow.testing.suites.engine_lines import engine_lines
from dataflow.testing.suites.model import Suite, SuiteResult

PRINTED = """\
......                                                                   [100%]
2 tests left to Spark: a frozen clock, or seed, is Spark's alone
============================ Sail and Spark differ =============================
a.test.yaml::b: t by Sail has 1 row, that by Spark has 1 row:
1 differ (Spark -> Sail)

         id  word
differs  1   "A" -> "B"
6 passed in 2.24s
""".splitlines()


def outcome(engine, output):
    suite = Suite("pytest", Path("/p"), Path("/p"), engine=engine)
    return SuiteResult(suite, "passed", 1.0, 6, output=output)


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        (PRINTED, [PRINTED[1], "Sail and Spark differ", *PRINTED[3:8]]),
        ([PRINTED[0], PRINTED[8]], []),
        ([*PRINTED[:2], PRINTED[8]], [PRINTED[1]]),
        ([*PRINTED[2:8], "=== short test summary info ===", "FAILED x"], ["Sail and Spark differ", *PRINTED[3:8]]),
    ],
)
def test_what_was_left_and_what_differs_is_shown_though_all_passed(output, lines):
    assert engine_lines(outcome("both", output)) == lines
    assert engine_lines(outcome("spark", output)) == []
