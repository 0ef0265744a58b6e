"""The days of a foreach, while they run and when they are over."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dataflow.cli.workflow import days as days_module
from dataflow.cli.workflow.days import Days, strip, summary
from dataflow.workflow.periods import Cadence


@pytest.fixture
def clock(monkeypatch):
    """Stop the clock; return what moves it."""
    at = [0.0]
    monkeypatch.setattr(days_module, "time", SimpleNamespace(monotonic=lambda: at[0]))
    return lambda seconds: at.__setitem__(0, at[0] + seconds)


def test_how_far_it_is_counts_what_is_done_what_runs_and_what_is_left(clock):
    days = Days(10)
    for day in ("1", "2"):
        days.start(day)
    said = [days.text]
    for day in range(1, 7):
        clock(5)
        days.end(str(day), "failed" if day == 4 else "succeeded")
        days.start(str(day + 2))
        said.append(days.text)
    clock(1000)
    days.end("7", "succeeded")
    assert [*said, days.text] == [
        "0 of 10 days · 2 running",
        "1 of 10 days · 2 running · about 45 s left",
        "2 of 10 days · 2 running · about 40 s left",
        "3 of 10 days · 2 running · about 35 s left",
        "4 of 10 days · 1 failed · 2 running · about 30 s left",
        "5 of 10 days · 1 failed · 2 running · about 25 s left",
        "6 of 10 days · 1 failed · 2 running · about 20 s left",
        "7 of 10 days · 1 failed · 1 running · about 7 min left",
    ]


def day(text, cadence=Cadence.DAILY):
    return cadence.parse(text)


def a_range(first, number):
    found = [day(first)]
    while len(found) < number:
        found.append(found[-1].next)
    return found


def plain(lines):
    return [line.replace("[/]", "").replace("[dim]", "").replace("[green]", "").replace("[red]", "") for line in lines]


def test_a_strip_has_a_line_a_month_and_a_mark_a_day():
    found = dict.fromkeys(a_range("2026-01-25", 10), "succeeded")
    found[day("2026-01-28")] = "failed"
    found |= dict.fromkeys((day("2026-02-02"), day("2026-02-03")), "skipped")
    assert plain(strip(found)) == ["2026-01  25 ✓✓✓✗✓✓✓ 31", "2026-02  01 ✓-- 03"]
    assert summary(found) == ("7 of 10 days succeeded · failed: 2026-01-28 · not started: 2026-02-02 to 2026-02-03")


def test_of_many_gaps_the_first_ones_are_named():
    found = {it: "failed" if n % 2 else "succeeded" for n, it in enumerate(a_range("2026-01-01", 31))}
    said = summary(found)
    assert said.startswith("16 of 31 days succeeded · failed: 2026-01-02, 2026-01-04, ")
    assert said.endswith("2026-01-20 and 5 more")


def test_a_single_day_is_one():
    assert summary({day("2026-01-31"): "succeeded"}) == "1 of 1 day succeeded"
