from __future__ import annotations

import datetime as dt
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.runner.results import StepResult
from dataflow.runner.scheduler import run_steps

MOMENT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def result(step, status="succeeded"):
    return StepResult(step, status, MOMENT)


def run(steps, needs=None, failing=(), on_failure="stop", parallel=8, cancel=None):
    def one(step):
        return result(step, "failed" if step in failing else "succeeded")

    found = run_steps(
        steps,
        {k: frozenset(v) for k, v in (needs or {}).items()},
        one,
        on_failure=dict.fromkeys(steps, on_failure),
        parallel=parallel,
        cancel=cancel or threading.Event(),
    )
    return [r.id for r in found]


def test_steps_run_after_those_that_they_need():
    assert run(["a", "b", "c"], {"b": ["a"], "c": ["b"]}) == ["a", "b", "c"]


def test_independent_steps_run_side_by_side():
    both = threading.Barrier(2, timeout=60)

    def one(step):
        both.wait()
        return result(step)

    found = run_steps(["a", "b"], {}, one, on_failure={"a": "stop", "b": "stop"}, parallel=2, cancel=threading.Event())
    assert {r.id for r in found} == {"a", "b"}


def test_never_more_than_allowed_run_at_once():
    running, most = [0], [0]
    lock = threading.Lock()

    def one(step):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return result(step)

    steps = [str(n) for n in range(12)]
    run_steps(steps, {}, one, on_failure=dict.fromkeys(steps, "stop"), parallel=3, cancel=threading.Event())
    assert most[0] <= 3


def test_with_stop_nothing_starts_after_a_failure():
    assert run(["a", "b", "c"], failing=["a"], parallel=1) == ["a"]


def test_with_finish_independent_steps_still_run_and_dependent_ones_do_not():
    assert run(["a", "b", "c"], {"b": ["a"]}, failing=["a"], on_failure="finish", parallel=1) == ["a", "c"]


def test_a_cancelled_run_starts_nothing():
    cancel = threading.Event()
    cancel.set()
    assert run(["a"], cancel=cancel) == []


def test_an_error_that_is_no_result_reaches_the_caller():
    def broken(step):
        raise ZeroDivisionError(step)

    with pytest.raises(ZeroDivisionError):
        run_steps(["a"], {}, broken, on_failure={"a": "stop"}, parallel=1, cancel=threading.Event())


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_every_order_respects_the_needs(data):
    size = data.draw(st.integers(1, 8))
    steps = [f"s{n}" for n in range(size)]
    needs = {
        step: data.draw(st.sets(st.sampled_from(steps[:n]), max_size=3)) if n else set() for n, step in enumerate(steps)
    }
    order = run(steps, needs, parallel=data.draw(st.integers(1, 4)))
    assert sorted(order) == sorted(steps)
    assert all(order.index(need) < order.index(step) for step, wanted in needs.items() for need in wanted)
