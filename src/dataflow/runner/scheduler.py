"""The scheduler of steps: runs them in threads, in parallel as far as their needs and a limit allow."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from dataflow.runner.results import StepResult
from dataflow.workflow.models import OnFailure

_POLL = 0.5  # seconds between looks at the cancel flag; also what lets Ctrl-C through


class Cancellation(Protocol):
    """Whether a run is cancelled; see `CancelScope`."""

    def is_set(self) -> bool:
        """Return whether it is cancelled."""


def run_steps(
    steps: Sequence[str],
    needs: Mapping[str, frozenset[str]],
    run: Callable[[str], StepResult],
    *,
    on_failure: Mapping[str, OnFailure],
    parallel: int,
    cancel: Cancellation,
) -> list[StepResult]:
    """Run steps, each after those that it needs.

    A failed step stops the steps that need it. With `stop` nothing new starts at all, with `finish` independent steps
    still do, with `ignore` the step counts as done. So does one that was skipped when its turn came.

    Args:
        steps: Ids, in an order in which each stands after those that it needs.
        needs: For each step the ids that must have succeeded.
        run: Runs one step in a thread of its own; returns its result.
        on_failure: The effect of a failure of each step.
        parallel: How many steps may run at once.
        cancel: Once it is set, nothing new starts.

    Returns:
        The results of the steps that were started, in the order in which they ended.
    """
    waiting, running, ended = list(steps), set[str](), dict[str, StepResult]()
    done: queue.SimpleQueue[tuple[str, StepResult | BaseException]] = queue.SimpleQueue()
    stopped = False
    while True:
        if not stopped and not cancel.is_set():
            for step in _ready(waiting, needs, ended)[: parallel - len(running)]:
                waiting.remove(step)
                running.add(step)
                threading.Thread(target=_work, args=(run, step, done), name=step, daemon=True).start()
        if not running:
            return list(ended.values())
        try:
            step, result = done.get(timeout=_POLL)
        except queue.Empty:
            continue
        running.discard(step)
        if isinstance(result, BaseException):
            raise result
        ended[step] = result
        stopped = stopped or (result.status == "failed" and on_failure[step] == "stop")


def _ready(waiting: Sequence[str], needs: Mapping[str, frozenset[str]], ended: Mapping[str, StepResult]) -> list[str]:
    passed = {id_ for id_, result in ended.items() if result.status in {"succeeded", "warned", "skipped"}}
    return [step for step in waiting if needs.get(step, frozenset()) <= passed]


def _work(
    run: Callable[[str], StepResult], step: str, done: queue.SimpleQueue[tuple[str, StepResult | BaseException]]
) -> None:
    try:
        done.put((step, run(step)))
    except BaseException as error:  # handed to the thread that waits, which raises it
        done.put((step, error))
