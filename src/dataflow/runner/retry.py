"""Retries with growing waits, and a timeout for each attempt."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from dataflow.errors import DataflowError
from dataflow.runner.cancellation import CancelScope
from dataflow.runner.failure_kind import Kind, kind_of

if TYPE_CHECKING:
    from dataflow.workflow.models import RetryPolicyMixin

T = TypeVar("T")
_GRACE = 15.0
"""Seconds that code has to end after its Spark jobs were cancelled."""


class Cancelled(DataflowError):
    """The run was cancelled."""

    permanent = True
    exit_code = 130


class TimedOut(DataflowError):
    """An attempt took longer than its timeout.

    Attributes:
        left_running: Whether its Python code still runs although it was cancelled.
    """

    def __init__(self, seconds: float, *, left_running: bool) -> None:
        still = ", and its code is still running" if left_running else ""
        super().__init__(f"gave up after {seconds:g} s{still}", "raise 'timeout:' if it needs longer")
        self.left_running = left_running


@dataclass(frozen=True)
class RetryPolicy:
    """How often to retry, and how long an attempt may take.

    Attributes:
        retries: How many attempts may follow failures of the code.
        infrastructure_retries: How many may follow failures of networks, stores, catalogs or the cluster; as many
            as `retries` when None. Each kind has a count of its own.
        delay: Seconds before the first retry; doubles with each one.
        timeout: Seconds for one attempt; None for no limit.
    """

    retries: int = 0
    delay: float = 10.0
    timeout: float | None = None
    infrastructure_retries: int | None = None

    @classmethod
    def of(cls, job: RetryPolicyMixin) -> RetryPolicy:
        """Return what a definition says of a job or a template."""
        return cls(job.retries, job.retry_delay, job.timeout, job.infrastructure_retries)

    def most(self, kind: Kind) -> int:
        """Return how many attempts may follow failures of a kind."""
        own = self.infrastructure_retries if kind == "infrastructure" else None
        return self.retries if own is None else own


def run_with_retry(
    policy: RetryPolicy,
    scope: CancelScope,
    attempt: Callable[[int, CancelScope], T],
    failed: Callable[[int, DataflowError, float], None],
) -> T:
    """Retry until it succeeds, fails permanently, or the retries are used up.

    Args:
        policy: How often, and how long each time.
        scope: Cancels the attempts and the waiting between them.
        attempt: Called with the attempt's number, from 1, and its scope.
        failed: Called before each retry with the number of the failed attempt, its error, and the seconds to wait.

    Raises:
        DataflowError: The last attempt's error.
    """
    import tenacity

    def is_retryable(error: BaseException) -> bool:
        return isinstance(error, DataflowError) and not error.permanent

    def report_failure(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, DataflowError):
            failed(state.attempt_number, error, state.upcoming_sleep)

    failures: Counter[Kind] = Counter()

    def is_over(state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        kind = kind_of(error) if isinstance(error, DataflowError) else "code"
        failures[kind] += 1
        return failures[kind] > policy.most(kind) or scope.is_set()

    loop = tenacity.Retrying(
        stop=is_over,
        wait=tenacity.wait_exponential(multiplier=policy.delay, max=3600),
        retry=tenacity.retry_if_exception(is_retryable),
        before_sleep=report_failure,
        sleep=scope.wait,
        reraise=True,
    )
    for turn in loop:
        number = turn.retry_state.attempt_number
        with turn:
            inner = scope.child(str(number))
            return run_with_timeout(policy.timeout, inner, lambda: attempt(number, inner))  # noqa: B023 - called at once
    raise AssertionError("the last attempt returns or raises")


def run_with_timeout(seconds: float | None, scope: CancelScope, call: Callable[[], T]) -> T:
    """Call a function with a timeout.

    Spark jobs end when they are cancelled; Python code that ignores that is left running in its thread.

    Args:
        seconds: The timeout; None for no limit.
        scope: Cancelled at the timeout.
        call: The function.

    Raises:
        TimedOut: The function took longer.
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

        scope.cancel_until(over, _GRACE)
        if not ended:  # else it succeeded all the same, and what it published is there
            raise TimedOut(seconds, left_running=worker.is_alive())
    if failure:
        raise failure[0]
    return ended[0]
