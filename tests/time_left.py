"""Long tests come last, and are not begun where no time is left for them: that is said at the end, with their number.

A machine may be a third as fast as another, and who checks a change waits for so long and no longer. `.ci/run` says
until when (seconds since 1970) tests marked `long` begin, and until when any does; where nobody says so, all are run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import pytest

LONG_UNTIL, ALL_UNTIL = "DATAFLOW_LONG_TESTS_UNTIL", "DATAFLOW_TESTS_UNTIL"


def reason(environ: Mapping[str, str], now: float, *, is_long: bool) -> str | None:
    """Return why a test is not begun; None where it is."""
    names = (ALL_UNTIL, LONG_UNTIL) if is_long else (ALL_UNTIL,)
    ends = [float(environ[name]) for name in names if name in environ]
    return "NOT RUN, as no time was left for it: `nox` runs it" if min(ends, default=now) < now else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long tests behind all others, which otherwise stay in their order."""
    items.sort(key=lambda it: it.get_closest_marker("long") is not None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test for which no time is left, before its fixtures are made."""
    why = reason(os.environ, time.time(), is_long=item.get_closest_marker("long") is not None)
    if why is not None:
        pytest.skip(why)
