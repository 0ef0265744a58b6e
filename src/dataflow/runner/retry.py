"""Trying a step: again after a failure with growing waits, and not for longer than its timeout."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dataflow.errors import DataflowError
from dataflow.runner.cancellation import Scope

T = TypeVar("T")
_GRACE = 15.0
"""Seconds that code gets to end after its Spark jobs were cancelled."""


class Cancelled(DataflowError):
    """The run was stopped from outside."""

    permanent = True


class TimedOut(DataflowError):
    """An attempt took longer than its timeout.

    Attributes:
        left_behind: Whether its Python code goes on regardless, so that the process has to end soon.
    """

    def __init__(self, seconds: float, *, left_behind: bool) -> None:
        still = ", and its code is still running" if left_behind else ""
        super().__init__(f"gave up after {seconds:g} s{still}", "raise 'timeout:' if it needs longer")
        self.left_behind = left_behind


@dataclass(frozen=True)
class Patience:
    """How often and how long to try.

    Attributes:
        retries: How many more times after the first failure.
        delay: Seconds before the first retry; doubles with each one.
        timeout: Seconds for one attempt, or None.
    """

    retries: int = 0
    delay: float = 10.0
    timeout: float | None = None


def retrying(
    patience: Patience,
    scope: Scope,
    attempt: Callable[[int, Scope], T],
    failed: Callable[[int, DataflowError, float], None],
) -> T:
    """Try until it succeeds, fails for good, or the retries are used up.

    Args:
        patience: How often, and how long each time.
        scope: Ends the attempts and the waiting between them.
        attempt: Gets the attempt's number, from 1, and its scope.
        failed: Told of each failure that is tried again: its number, the error, the seconds until then.

    Raises:
        DataflowError: The last attempt's.
    """
    import tenacity

    def passes(error: BaseException) -> bool:
        return isinstance(error, DataflowError) and not error.permanent

    def tell(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, DataflowError):
            failed(state.attempt_number, error, state.upcoming_sleep)

    loop = tenacity.Retrying(
        stop=lambda state: state.attempt_number > patience.retries or scope.is_set(),
        wait=tenacity.wait_exponential(multiplier=patience.delay, max=3600),
        retry=tenacity.retry_if_exception(passes),
        before_sleep=tell,
        sleep=scope.wait,
        reraise=True,
    )
    for turn in loop:
        number = turn.retry_state.attempt_number
        with turn:
            inner = scope.child(str(number))
            return within(patience.timeout, inner, lambda: attempt(number, inner))  # noqa: B023 - called at once
    raise AssertionError("the last attempt returns or raises")


def within(seconds: float | None, scope: Scope, call: Callable[[], T]) -> T:
    """Call a function and give up on it after a while.

    Spark's work is ended by cancelling it; Python code that goes on regardless is left behind in its thread.

    Args:
        seconds: The timeout, or None to wait for ever.
        scope: What is stopped when the time is over.
        call: The function.

    Raises:
        TimedOut: It took longer.
    """
    if seconds is None:
        return call()
    ended: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            ended.append(call())
        except BaseException as error:  # raised again in the thread that waits
            failure.append(error)

    worker = threading.Thread(target=work, name=threading.current_thread().name, daemon=True)
    worker.start()
    worker.join(seconds)
    if worker.is_alive():

        def over(wait: float) -> bool:
            worker.join(wait)
            return not worker.is_alive()

        scope.stop_until(over, _GRACE)
        if not ended:  # else it got through all the same, and what it published is there
            raise TimedOut(seconds, left_behind=worker.is_alive())
    if failure:
        raise failure[0]
    return ended[0]
