"""Workers as the watcher has them: made ready by a fork server for each Python."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import time
from pathlib import Path

import pytest

from dataflow.testing.watch import fork_server
from dataflow.testing.watch.worker_process import WorkerProcess

pytestmark = pytest.mark.slow


@pytest.fixture
def events():
    return queue.Queue()


@pytest.fixture
def worker(tmp_path, events):
    """A worker process whose events the test reads."""
    found = WorkerProcess(tmp_path / "log", events.put)
    found.start()
    yield found
    found.end()


def until(events, kind, within=120):
    """Return the events up to the next one of a kind."""
    seen, deadline = [], time.monotonic() + within
    while not seen or seen[-1]["event"] != kind:
        seen.append(events.get(timeout=max(0.1, deadline - time.monotonic())))
    return seen


def test_a_server_that_starts_disturbs_no_worker_that_was_ordered_before(worker, events):
    worker.prepare(None, [], None)
    worker.prepare(None, [], Path(sys.executable))  # another server, while the first one may still import
    seen = []
    while not worker.ready:
        seen.append(events.get(timeout=60))
        worker.is_current(seen[-1])
    with contextlib.suppress(queue.Empty):
        while True:  # nor does the first one, when it has started
            seen.append(events.get(timeout=5))
    assert {it["event"] for it in seen} <= {"ready", "ended"}


def test_a_server_that_starts_again_says_whose_worker_is_to_be_prepared_anew(worker, events):
    worker.prepare(None, [], None)
    until(events, "ready")
    own = Path(fork_server.__file__)
    before = own.stat()
    try:
        own.touch()  # as somebody who works on Dataflow saves a file of it
        worker.prepare(None, [own], None)
        assert until(events, "restarted")[-1] == {"event": "restarted", "python": None}
    finally:
        os.utime(own, ns=(before.st_atime_ns, before.st_mtime_ns))
