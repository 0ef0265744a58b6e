"""What a tracker's answers mean: which are refusals for good, and which ask for patience."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from dataflow.foreign import for_terminal_line
from dataflow.migration.tracker.model import TrackerError
from dataflow.report import Report
from dataflow.wording import plural

if TYPE_CHECKING:
    import tenacity

PATIENCE = 120.0
"""For how many seconds one request is waited for, at most."""

ATTEMPTS = 5
SECONDARY = 60.0
"""Seconds to wait where GitHub limits writes and does not say for how long, as its documentation asks."""

_SHOWN = 200
_Answer = TypeVar("_Answer")


def refusal(name: str, status: int, said: str, headers: Mapping[str, str]) -> TrackerError:
    """Return what an answer means that is no success.

    Args:
        name: What to call the tracker.
        status: The HTTP status.
        said: What the tracker says of it.
        headers: The answer's headers, their names in lower case.
    """
    said = for_terminal_line(said)[:_SHOWN].strip()
    because = f": {said}" if said else ""
    if (wait := _wait(status, said, headers)) is not None:
        return TrackerError(f"{name} takes no more requests for {wait:,.0f} s", _LATER, again=wait)
    if status in _REFUSALS:
        message, hint = _REFUSALS[status]
        return TrackerError(f"{name} {message}{because if status != HTTPStatus.UNAUTHORIZED else ''}", hint)
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return TrackerError(f"{name} does not take it{because}", of_issue=True)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TrackerError(f"{name} answers {status}{because}", _LATER, again=0, unsure=True)
    return TrackerError(f"{name} answers {status}{because}")


_LATER = "run the same command again later: nothing is lost, nothing is filed twice"
_REFUSALS: dict[int, tuple[str, str]] = {
    HTTPStatus.UNAUTHORIZED: ("refuses the token", "check tracker.token in dataflow.yaml, and whether it expired"),
    HTTPStatus.FORBIDDEN: ("does not allow it", "the token needs to read and write issues there"),
    HTTPStatus.NOT_FOUND: ("is not there, or the token may not see it", "check tracker in dataflow.yaml"),
    HTTPStatus.GONE: ("has no issues", "switch them on in its settings"),
}


def no_api(name: str) -> TrackerError:
    """Return what it means that an answer is not one of the tracker's API."""
    return TrackerError(f"{name} answers what is not its API", "check tracker.url in dataflow.yaml")


def unreachable(name: str, error: Exception) -> TrackerError:
    """Return what it means that no answer came."""
    from requests import ConnectTimeout
    from requests.exceptions import SSLError
    from urllib3.exceptions import NewConnectionError

    reason = getattr(error.args[0] if error.args else None, "reason", None)
    unsent = isinstance(error, ConnectTimeout | SSLError) or isinstance(reason, NewConnectionError)
    why = "refused" if "refused" in str(error) else type(error).__name__
    return TrackerError(f"{name} can't be reached: {why}", _LATER, again=0, unsure=not unsent)


def patiently(call: Callable[[], _Answer], report: Report, *, only_if_sure: bool = False) -> _Answer:
    """Ask a tracker, again where that may help, and wait as long as it says.

    Args:
        call: What asks.
        report: Called with a line before a long wait.
        only_if_sure: Whether what may have been done is not asked for again.

    Raises:
        TrackerError: It refuses, or asks for more patience than there is.
    """
    import tenacity

    def may_help(error: BaseException) -> bool:
        return isinstance(error, TrackerError) and error.again is not None and not (only_if_sure and error.unsure)

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.again or 0.0 if isinstance(error, TrackerError) else 0.0
        return max(asked, 2.0 ** (state.attempt_number - 2))

    def tell(state: tenacity.RetryCallState) -> None:
        if state.upcoming_sleep >= 5:
            error = state.outcome.exception() if state.outcome else None
            report(f"waiting {plural(round(state.upcoming_sleep), 'second')}: {error}")

    loop = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_help),
        wait=wait,
        stop=tenacity.stop_any(tenacity.stop_after_attempt(ATTEMPTS), tenacity.stop_before_delay(PATIENCE)),
        before_sleep=tell,
        reraise=True,
    )
    return loop(call)


def _wait(status: int, said: str, headers: Mapping[str, str]) -> float | None:
    """Return for how long an answer asks to wait; None where it is no limit."""
    after = _seconds(headers.get("retry-after", ""))
    limited = status == HTTPStatus.TOO_MANY_REQUESTS or "rate limit" in said.lower()
    if status == HTTPStatus.FORBIDDEN and (after is not None or limited or headers.get("x-ratelimit-remaining") == "0"):
        limited = True
    if status == HTTPStatus.SERVICE_UNAVAILABLE and after is not None:
        return after
    if not limited:
        return None
    if after is not None:
        return after
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(1.0, int(reset) - time.time() + 1)
    return SECONDARY


def _seconds(text: str) -> float | None:
    """Read `Retry-After`: seconds, or a date."""
    if text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds())
