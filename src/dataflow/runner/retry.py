"""Retries with growing waits, and a timeout for each attempt."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from dataflow.errors import DataflowError
from dataflow.runner.cancellation import CancelScope
from dataflow.runner.failure_kind import Kind, kind_of

if TYPE_CHECKING:
    from dataflow.workflow.models import RetryPolicyMixin

T = TypeVar("T")
_GRACE = 15.0
"""Seconds that code has to end after its Spark jobs were cancelled."""

_RECORDING = 5.0
"""Seconds that a run inside another has beyond that to record which of its steps were given up."""

CANCEL_GRACE = _GRACE + 2 * _RECORDING
"""Seconds after which a run that was cancelled has ended, its steps recorded, whatever its code does."""

_POLL = 0.2


class Cancelled(DataflowError):
    """The run was cancelled.

    Attributes:
        left_running: Whether its Python code still runs all the same.
    """

    permanent = True
    exit_code = 130

    def __init__(self, reason: str | None, *, left_running: bool = False) -> None:
        still = ", and its code still runs until this process ends" if left_running else ""
        super().__init__(f"{reason or 'stopped before its end'}{still}")
        self.left_running = left_running


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
        is_run: Whether an attempt is a run, whose own steps are given up when it is cancelled.
    """

    retries: int = 0
    delay: float = 10.0
    timeout: float | None = None
    infrastructure_retries: int | None = None
    is_run: bool = False

    @classmethod
    def of(cls, job: RetryPolicyMixin, *, is_run: bool = False) -> RetryPolicy:
        """Return what a definition says of a job or a template."""
        return cls(job.retries, job.retry_delay, job.timeout, job.infrastructure_retries, is_run)

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
            return _bounded(policy, inner, lambda: attempt(number, inner))  # noqa: B023 - called at once
    raise AssertionError("the last attempt returns or raises")


def _bounded(policy: RetryPolicy, scope: CancelScope, call: Callable[[], T]) -> T:
    """Call a function until its timeout, or until it is cancelled and does not end.

    Spark jobs end when they are cancelled; Python code that ignores that is left running in its thread.

    Args:
        policy: How long it may take; a run gives up its own steps.
        scope: Cancelled at the timeout.
        call: The function.

    Raises:
        TimedOut: The function took longer.
        Cancelled: It was cancelled, and has not ended.
    """
    if policy.is_run and policy.timeout is None:
        return call()
    work = _Work(call)
    deadline = math.inf if policy.timeout is None else time.monotonic() + policy.timeout
    is_cancelled = False
    while not is_cancelled and (left := deadline - time.monotonic()) > 0 and not work.is_over(min(_POLL, left)):
        is_cancelled = scope.is_set() and not policy.is_run
    if not work.is_over(0):
        has_ended = scope.cancel_until(work.is_over, _GRACE + policy.is_run * _RECORDING)
        if work.ended:  # it succeeded all the same, and what it published is there
            return work.ended[0]
        if policy.timeout is not None and not is_cancelled:
            raise TimedOut(policy.timeout, left_running=not has_ended)
        if not has_ended:
            raise Cancelled(scope.reason, left_running=True)
    return work.result()


class _Work(Generic[T]):
    """A call in a thread of its own.

    Attributes:
        ended: What it returned, once it has.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self.ended: list[T] = []
        self._failure: list[BaseException] = []
        self._call = call
        self._thread = threading.Thread(target=self._work, name=threading.current_thread().name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.ended.append(self._call())
        except BaseException as error:  # raised again in the thread that waits
            self._failure.append(error)

    def is_over(self, wait: float) -> bool:
        """Wait at most so many seconds, and return whether it has ended."""
        self._thread.join(wait)
        return not self._thread.is_alive()

    def result(self) -> T:
        """Return what it returned, or raise what it raised."""
        if self._failure:
            raise self._failure[0]
        return self.ended[0]
