"""Running suites in parallel: as many as the machine has room for, reported in order, stopped together."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from dataflow.provided_files import refresh
from dataflow.testing.suites.model import Suite, SuiteResult
from dataflow.testing.suites.result_cache import known_result, store_result
from dataflow.testing.suites.run import run_suite

if TYPE_CHECKING:
    from dataflow.report import Report
    from dataflow.testing.suites.model import Kind

_GIB = 1024**3
_NEEDS: dict[Kind, float] = {"pytest": 2.0, "sbt": 2.5, "gradle": 1.5, "maven": 1.5, "testthat": 0.5}
"""GiB that a suite may take: most start a JVM, and a local Spark in it."""


def run_suites(
    suites: Sequence[Suite],
    *,
    ignore_cache: bool = False,
    jobs: int | None = None,
    report: Report,
    done: Callable[[SuiteResult], None],
    running: Callable[[Sequence[Suite]], None],
) -> list[SuiteResult]:
    """Run suites, as many at once as there are processors and memory for.

    Args:
        suites: Which.
        ignore_cache: Whether suites run that passed and have not changed since.
        jobs: How many at once; by what the machine has when None.
        report: Receives a line about what takes a while.
        done: Receives each result, in the order of the suites.
        running: Receives the suites that run, whenever that changes.

    Returns:
        The results, in the order of the suites.

    Raises:
        KeyboardInterrupt: The user stopped it; every program that was started is ended by then.
    """
    refresh(it.folder for it in suites)
    at_once = jobs or room(suites)
    stop = threading.Event()
    found: dict[int, SuiteResult] = {}
    reported = 0
    with ThreadPoolExecutor(at_once, thread_name_prefix="suite") as pool:
        started: dict[Future[SuiteResult], int] = {}
        waiting = list(enumerate(suites))
        try:
            while waiting or started:
                while waiting and len(started) < at_once:
                    number, suite = waiting.pop(0)
                    started[pool.submit(_run, suite, ignore_cache, report, stop)] = number
                running([suites[number] for number in sorted(started.values())])
                finished, _ = wait(started, return_when=FIRST_COMPLETED)
                for future in finished:
                    found[started.pop(future)] = future.result()
                while reported in found:
                    done(found[reported])
                    reported += 1
        finally:
            stop.set()  # nothing to end where all came to their end
    return [found[number] for number in range(len(suites))]


def _run(suite: Suite, ignore_cache: bool, report: Report, stop: threading.Event) -> SuiteResult:
    inputs, known = known_result(suite)
    if known is not None and not ignore_cache:
        return known
    outcome = run_suite(suite, report, stop.is_set)
    if not stop.is_set():
        store_result(outcome, inputs)
    return outcome


def room(suites: Sequence[Suite]) -> int:
    """Return how many of these suites the machine can run at once: at least one."""
    needed = max((_NEEDS[it.kind] for it in suites), default=1.0)
    return max(1, min(os.cpu_count() or 1, len(suites), int(_free_gib() // needed)))


def _free_gib() -> float:
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:  # noqa: PTH123  # read line by line
            for line in stream:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) / 1024**2
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB / 2
    except (ValueError, OSError, AttributeError):
        return 4.0
