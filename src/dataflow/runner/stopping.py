"""Stopping a run from elsewhere: it is asked through the state database, and its heartbeat hears it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError
from dataflow.state.leases import Leases
from dataflow.state.run_records import UNENDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflow.state.run_records import RunRecords

_POLL = 0.3


@dataclass(frozen=True)
class StoppedRun:
    """A run that was asked to stop.

    Attributes:
        run: Its record, as it was when it was last looked at.
    """

    run: Mapping[str, Any]

    @property
    def has_ended(self) -> bool:
        """Whether it has ended since."""
        return self.run["status"] not in UNENDED


def stop_run(records: RunRecords, run_id: str, user: str, seconds: float) -> StoppedRun:
    """Ask a run to stop, and wait until it has.

    Args:
        records: Where it is recorded.
        run_id: The run, or one that is part of another: a day of a backfill.
        user: Who asks.
        seconds: How long to wait at most.

    Raises:
        UsageError: There is no such run, or it has ended.
        DataflowError: It does not listen.
    """
    found = records.one(run_id)
    own = found["run_id"]
    if found["status"] not in UNENDED:
        raise UsageError(f"run {own} is not at work: it has ended as {found['status']}")
    leases = Leases(records.database)
    if not leases.is_there(records.root_of(found)["run_id"]):
        raise DataflowError(
            f"run {own} has no heartbeat, so it hears nothing",
            f"end process {found['process']} on {found['host']}",
        )
    leases.ask_to_stop(own, f"cancelled by {user}")
    deadline = time.monotonic() + seconds
    while (found := records.one(own))["status"] in UNENDED and time.monotonic() < deadline:
        time.sleep(_POLL)
    return StoppedRun(found)
