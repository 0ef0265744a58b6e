from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.support.places import ROOT
from tests.time_left import ALL_UNTIL, LONG_UNTIL, reason

TESTS = """
import pytest

@pytest.mark.long
def test_long(): pass

def test_short(): pass
"""
ENDS = [
    ({}, True, True),
    ({LONG_UNTIL: "5"}, True, False),
    ({ALL_UNTIL: "5"}, False, False),
    ({LONG_UNTIL: "8", ALL_UNTIL: "9"}, True, True),
]


@pytest.mark.parametrize(("ends", "short", "long"), ENDS)
def test_a_test_is_begun_as_long_as_time_is_left_for_its_kind(ends, short, long):
    assert (reason(ends, 7, is_long=False) is None) is short
    assert (reason(ends, 7, is_long=True) is None) is long


def test_long_tests_are_last_and_what_is_not_run_is_counted_and_fails_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(LONG_UNTIL, str(time.time() - 1))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = long: last\n")
    (tmp_path / "test_both.py").write_text(TESTS)
    options = ("-v", "-ra", "-p", "tests.time_left", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    short, long = (done.stdout.index(it) for it in ("test_short PASSED", "test_long SKIPPED"))
    assert short < long
    assert "NOT RUN, as no time was left for it" in done.stdout.partition("short test summary")[2]
    assert "1 passed, 1 skipped" in done.stdout
