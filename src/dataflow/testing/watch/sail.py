"""The watcher's own Sail: threads of its process, which the processes that run tests connect to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.report import Report
    from dataflow.testing.suites.model import Suite


@contextlib.contextmanager
def sail_for(suites: Sequence[Suite], engine: str, report: Report) -> Iterator[str]:
    """Start Sail where tests may ask for it, and return where it listens; empty where Spark runs all.

    Args:
        suites: What is watched.
        engine: What runs SQL.
        report: Receives why there is none.
    """
    from dataflow.sail.server import Sail, SailError, why_missing

    if engine == "spark" or not any(it.kind == "pytest" for it in suites):
        yield ""
        return
    if reason := why_missing():
        if engine == "sail":
            report(f"Spark runs the tests: {reason}")
        yield ""
        return
    with contextlib.ExitStack() as open_:
        try:
            address = open_.enter_context(Sail(threads=1)).address
        except SailError as error:
            report(f"Spark runs the tests: {error.message}")
            address = ""
        yield address
