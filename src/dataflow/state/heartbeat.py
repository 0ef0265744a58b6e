"""A heartbeat in a thread of its own, for whatever counts as alive only while its process works."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.state import leases as state

if TYPE_CHECKING:
    from dataflow.state.leases import Leases


@contextlib.contextmanager
def beating(leases: Leases, live_id: str, user: str) -> Iterator[None]:
    """Count as alive for as long as a block."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(state.BEAT):
            with contextlib.suppress(DataflowError):  # the next one may go through
                leases.beat(live_id)

    leases.enter(live_id, user)
    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(state.BEAT)
        with contextlib.suppress(DataflowError):  # it counts as dead once this process is gone
            leases.leave(live_id)
