"""Telling that a run takes long, while it does."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.workflow.resolved import Workflow


def long_run_watch(workflow: Workflow, say: Callable[[str], None]) -> Callable[[], None]:
    """Return what looks whether a run takes longer than its definition says, and tells that once.

    Args:
        workflow: The run, from now on.
        say: Receives who was told, or why nobody could be.
    """
    began, longest, told = time.monotonic(), workflow.notifications.longer_than, threading.Event()

    def look() -> None:
        if longest is None or told.is_set() or time.monotonic() - began <= longest:
            return
        told.set()
        # A mail server may take its time, and a heartbeat must not.
        threading.Thread(target=_tell, args=(workflow, longest, say), daemon=True).start()

    return look


def _tell(workflow: Workflow, longest: float, say: Callable[[str], None]) -> None:
    from dataflow.jobs.notification import tell

    day = f" for {workflow.params['EXECUTION_DATE']}" if "EXECUTION_DATE" in workflow.params else ""
    environment = workflow.environment
    limit = dt.timedelta(seconds=round(longest))
    lines = tell(
        workflow.notifications.late_recipients,
        f"{workflow.id} takes longer than {limit}{day} in {environment.name}",
        f"run   {workflow.run_id}, which goes on\n"
        f"more  dataflow workflow show {workflow.run_id} --env {environment.name}\n"
        f"stop  dataflow workflow cancel {workflow.run_id} --env {environment.name}",
        environment=environment,
        owner=workflow.owner,
    )
    say(f"it takes longer than {limit}: {'; '.join(lines)}")
