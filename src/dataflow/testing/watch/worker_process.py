"""The processes that run tests, as the watcher sees them: one at a time, and one that waits for its turn."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dataflow.testing.watch.affected import Selection
from dataflow.testing.watch.protocol import Event, decode

_GRACE = 8.0


class WorkerProcess:
    """The process in which the next tests run: made ready ahead of time by a fork server, one for each Python."""

    def __init__(self, log: Path, on_event: Callable[[Event], None]) -> None:
        """Prepare; nothing is started yet.

        Args:
            log: File for Spark's log.
            on_event: Receives each event, in a thread of its own.
        """
        self.engine, self.sail = "spark", ""
        """What runs SQL, and where Sail listens."""
        self._log, self._on_event = log, on_event
        self._processes: dict[Path | None, subprocess.Popen[bytes]] = {}
        self._readers: list[threading.Thread] = []
        self.python: Path | None = None
        """The Python of the current worker: an environment's, or None for Dataflow's own."""
        self._number = 0
        self._finished = False
        self.ready = False
        """Whether a worker waits for tests."""

    def start(self) -> None:
        """Start the fork server; there is one for each Python that tests need."""
        process = self._processes[self.python] = subprocess.Popen(
            # -P: what the user has in this folder is imported by tests alone
            [str(self.python or sys.executable), "-P", "-m", "dataflow.testing.watch.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for us; it ends when its input does
        )
        reader = threading.Thread(target=self._read, args=(process, self.python), daemon=True, name="reads test events")
        self._readers.append(reader)
        reader.start()

    def prepare(self, gateway: tuple[int, str] | None, saved: Iterable[Path], python: Path | None) -> None:
        """Have a worker made ready, in place of the current one.

        Args:
            gateway: Port and secret of the JVM that it attaches to, if there is one.
            saved: Files that it has to read as they are now.
            python: The Python that runs it.
        """
        if python != self.python:
            self._order({"do": "end"})
            self.python = python
            if python not in self._processes:
                self.start()
        self._number += 1
        self.ready = self._finished = False
        order = {"do": "prepare", "number": self._number, "gateway": gateway, "saved": list(map(str, saved))}
        self._order({**order, "engine": self.engine, "sail": self.sail})

    def run(self, selection: Selection) -> None:
        """Have the waiting worker run tests."""
        suite = selection.suite
        arguments = [f"--ignore={it}" for it in suite.ignored]
        self.ready = False
        self._order(
            {
                "do": "run",
                "number": self._number,
                "kind": suite.kind,
                "folder": str(suite.folder),
                "package": str(suite.package),
                "log": str(self._log),
                "arguments": [*arguments, *(selection.targets or map(str, suite.only))],
            }
        )

    def stop(self) -> None:
        """Stop the worker that runs tests; its end is reported as an event, and another one is to be prepared."""
        self.ready = False
        self._order({"do": "end"})

    def discard(self) -> None:
        """Stop the worker, and ignore its further events."""
        self._number += 1
        self.stop()

    def is_current(self, event: Event) -> bool:
        """Say whether an event is the current worker's, and note it."""
        if event.get("number") != self._number:
            return False
        match event["event"]:
            case "ready":
                self.ready = True
            case "finished":
                self._finished = True
            case "ended":
                self.ready = False
                event["finished"] = self._finished
        return True

    def end(self) -> None:
        """Stop all fork servers."""
        for process in self._processes.values():
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        for process in self._processes.values():
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers:
            reader.join(_GRACE)

    def _order(self, order: dict[str, Any]) -> None:
        process = self._processes.get(self.python)
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):  # its end arrives as an event
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()

    def _read(self, process: subprocess.Popen[bytes], python: Path | None) -> None:
        started = False
        for line in process.stdout or ():
            event = decode(line)
            if event is not None and event["event"] == "started":
                # What it was ordered before waits in its input; only a server that starts again has lost its worker.
                event, started = {"event": "restarted", "python": python} if started else None, True
            if event is not None:
                self._on_event(event)
        errors = process.stderr.read().decode(errors="replace") if process.stderr else ""
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        self._on_event({"event": "exited", "text": errors.strip()})
