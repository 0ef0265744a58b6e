from __future__ import annotations

import threading
import time

import pytest

from dataflow.errors import DataflowError
from dataflow.runner.cancellation import CancelScope
from dataflow.runner.retry import Cancelled, RetryPolicy, TimedOut, run_with_retry


class Tags:
    """Stands for the Spark context: remembers which tags were cancelled."""

    def __init__(self):
        self.cancelled = []

    def cancelJobsWithTag(self, tag):  # noqa: N802 - Spark's name
        self.cancelled.append(tag)


@pytest.fixture
def scope():
    return CancelScope(Tags(), "run")


def failing(times, error=None):
    """Fail so many times, then return the number of the attempt."""

    def attempt(number, _):
        if number <= times:
            raise error or DataflowError(f"attempt {number}")
        return number

    return attempt


def test_it_is_tried_again_until_it_succeeds(scope):
    told = []
    tell = lambda number, error, wait: told.append((number, str(error), wait))  # noqa: E731
    assert run_with_retry(RetryPolicy(retries=3, delay=0.01), scope, failing(2), tell) == 3
    assert told == [(1, "attempt 1", 0.01), (2, "attempt 2", 0.02)]


def test_the_last_attempt_s_error_is_the_one_that_is_raised(scope):
    with pytest.raises(DataflowError, match="attempt 3"):
        run_with_retry(RetryPolicy(retries=2, delay=0.01), scope, failing(9), lambda *_: None)


def test_what_is_bound_to_fail_again_is_not_tried_again(scope):
    error = DataflowError("for good", permanent=True)
    with pytest.raises(DataflowError, match="for good"):
        run_with_retry(
            RetryPolicy(retries=5, delay=60), scope, failing(9, error), lambda *_: pytest.fail("tried again")
        )


def test_an_attempt_that_takes_too_long_is_given_up_and_its_jobs_are_cancelled(scope):
    def endless(_, inner):
        while not inner.is_set():
            time.sleep(0.01)
        raise Cancelled("stopped")

    with pytest.raises(TimedOut, match=r"gave up after 0\.05 s$") as caught:
        run_with_retry(RetryPolicy(timeout=0.05), scope, endless, lambda *_: None)
    assert not caught.value.left_running
    assert scope.context.cancelled == ["run/1"]


def test_an_attempt_that_gets_through_while_it_is_given_up_has_succeeded(scope):
    def late(_, inner):
        while not inner.is_set():
            time.sleep(0.01)
        return "there"

    assert run_with_retry(RetryPolicy(timeout=0.05), scope, late, lambda *_: None) == "there"


def test_stopping_the_run_ends_the_wait_for_the_next_attempt(scope):
    threading.Timer(0.1, scope.cancel).start()
    began = time.monotonic()
    with pytest.raises(DataflowError):
        run_with_retry(RetryPolicy(retries=1, delay=60), scope, failing(9), lambda *_: None)
    assert time.monotonic() - began < 5


def test_a_part_is_stopped_with_the_whole_but_not_the_other_way_round(scope):
    part = scope.child("step")
    other = scope.child("other")
    part.cancel()
    assert part.is_set()
    assert not scope.is_set()
    scope.cancel()
    assert other.is_set()
