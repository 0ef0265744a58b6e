from __future__ import annotations

import contextlib
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.errors import DataflowError
from dataflow.runner.cancellation import CancelScope
from dataflow.runner.failure_kind import kind_of
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


def test_an_attempt_that_was_cancelled_and_does_not_end_is_given_up(scope, monkeypatch):
    monkeypatch.setattr("dataflow.runner.retry._GRACE", 0.2)
    ended = threading.Event()
    threading.Timer(0.1, scope.cancel, ["cancelled by bob"]).start()
    with pytest.raises(
        Cancelled, match=r"^cancelled by bob, and its code still runs until this process ends$"
    ) as caught:
        run_with_retry(RetryPolicy(), scope, lambda *_: ended.wait(60), lambda *_: None)
    assert caught.value.left_running
    ended.set()


def test_a_run_that_was_cancelled_gives_up_its_own_steps_and_is_waited_for(scope, monkeypatch):
    monkeypatch.setattr("dataflow.runner.retry._GRACE", 0.2)
    scope.cancel()
    for timeout in (None, 60.0):

        def slow(*_):
            time.sleep(1.0)
            return "recorded"

        assert run_with_retry(RetryPolicy(timeout=timeout, is_run=True), scope, slow, lambda *_: None) == "recorded"


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


def caused(cause):
    """Return a failure as a run reports it, with what caused it."""
    error = DataflowError(str(cause))
    error.__cause__ = cause
    return error


CODE = caused(ValueError("a mistake"))
NETWORK = caused(ConnectionResetError("by peer"))


def tries(scope, policy, *errors):
    """Return how many attempts are made at what fails by these errors, one after the other."""
    made = []

    def attempt(number, _):
        made.append(number)
        if number <= len(errors):
            raise errors[number - 1]

    with contextlib.suppress(DataflowError):
        run_with_retry(policy, scope, attempt, lambda *_: None)
    return len(made)


def test_failures_of_the_code_and_of_the_infrastructure_are_counted_apart(scope):
    same = RetryPolicy(retries=1, delay=0.001)
    assert tries(scope, same, CODE, CODE) == 2
    assert tries(scope, same, NETWORK, NETWORK) == 2
    assert tries(scope, same, CODE, NETWORK) == 3  # one of each
    assert tries(scope, same, NETWORK, CODE, NETWORK) == 3
    apart = RetryPolicy(retries=0, delay=0.001, infrastructure_retries=3)
    assert tries(scope, apart, CODE) == 1
    assert tries(scope, apart, NETWORK, NETWORK, NETWORK) == 4
    assert tries(scope, apart, NETWORK, NETWORK, CODE) == 3
    assert tries(scope, RetryPolicy(retries=2, delay=0.001, infrastructure_retries=0), NETWORK) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("x"), "code"),
        (ZeroDivisionError(), "code"),
        (FileNotFoundError(2, "no such file"), "code"),
        (OSError(28, "No space left on device"), "infrastructure"),
        (TimeoutError("timed out"), "infrastructure"),
        (RuntimeError("Status Code: 503, AWS Service: S3"), "infrastructure"),
        (RuntimeError("java.net.UnknownHostException: catalog.example.org"), "infrastructure"),
        (RuntimeError("a row says: java"), "code"),
        (RuntimeError("org.apache.iceberg.exceptions.ServiceFailureException: Server error"), "infrastructure"),
    ],
)
def test_what_caused_a_failure_says_of_which_kind_it_is(error, kind):
    assert kind_of(caused(error)) == kind
    assert kind_of(caused(caused(error))) == kind


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([CODE, NETWORK]), max_size=9), st.integers(0, 3), st.none() | st.integers(0, 3))
def test_a_run_is_tried_again_exactly_until_one_kind_has_used_up_its_count(scope, errors, retries, infrastructure):
    policy = RetryPolicy(retries, 0.0, infrastructure_retries=infrastructure)
    most = {CODE: retries, NETWORK: retries if infrastructure is None else infrastructure}
    expected = next((n for n, it in enumerate(errors, 1) if errors[:n].count(it) > most[it]), len(errors) + 1)
    assert tries(scope, policy, *errors) == expected
