"""Previews beside the code: each save of a package's file shows again what its write would bring."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dataflow.errors import DataflowError
from dataflow.testing.watch.affected import is_generated

if TYPE_CHECKING:
    from dataflow.preview.model import Preview, PreviewRequest
    from dataflow.preview.preview import Previewer
    from dataflow.workflow.resolved import Workflow

_SUFFIXES = frozenset({".sql", ".py", ".yaml", ".yml", ".csv", ".toml"})
_TICK = 0.5


class PreviewReporter(Protocol):
    """Shows what a watcher does."""

    def watching(self, folder: Path) -> None:
        """Watching begins."""

    def saved(self, paths: Sequence[Path]) -> None:
        """A preview is about to be made, because of these files; of none at the start, and where a key asks."""

    def previewed(self, found: Sequence[Preview], seconds: float) -> None:
        """A preview was made, so many seconds after the save."""

    def failed(self, error: DataflowError) -> None:
        """A preview can't be made, as the code stands."""


class PreviewWatch:
    """Makes a preview now and on each save, until it is ended.

    Args:
        folder: The package.
        load: Loads the workflow as it stands.
        wanted: What is asked for.
        previewer: Makes previews.
        reporter: Shows them.
    """

    def __init__(
        self,
        folder: Path,
        load: Callable[[], Workflow],
        wanted: PreviewRequest,
        previewer: Previewer,
        reporter: PreviewReporter,
    ) -> None:
        self._folder = folder.resolve()
        self._load, self._wanted = load, wanted
        self._previewer, self._reporter = previewer, reporter
        self._orders: queue.SimpleQueue[frozenset[Path] | None] = queue.SimpleQueue()

    def press(self, key: str) -> None:
        """Do what a key is for; any thread may call it."""
        match key.lower():
            case "r":
                self._orders.put(frozenset())
            case "q":
                self._orders.put(None)

    def run(self) -> None:
        """Watch until `q` is pressed, or a KeyboardInterrupt or SystemExit."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _exit)
        stop = threading.Event()
        threading.Thread(target=self._listen, args=(stop,), daemon=True, name="watches files").start()
        self._reporter.watching(self._folder)
        self._orders.put(frozenset())
        try:
            while (saved := self._next()) is not None:
                began = time.monotonic()
                self._reporter.saved(sorted(saved))
                try:
                    found = [*self._previewer.previews(self._load(), self._wanted)]
                except DataflowError as error:
                    self._reporter.failed(error)
                else:
                    self._reporter.previewed(found, time.monotonic() - began)
        finally:
            stop.set()

    def _next(self) -> frozenset[Path] | None:
        """Wait for an order, and take those that have come behind it as one."""
        saved: frozenset[Path] | None = None
        while saved is None:
            with contextlib.suppress(queue.Empty):
                order = self._orders.get(timeout=_TICK)
                if order is None:
                    return None
                saved = order
        with contextlib.suppress(queue.Empty):
            while True:
                order = self._orders.get_nowait()
                if order is None:
                    return None
                saved |= order
        return saved

    def _listen(self, stop: threading.Event) -> None:
        import watchfiles

        changes = watchfiles.watch(
            self._folder,
            watch_filter=lambda _, path: Path(path).suffix in _SUFFIXES and not is_generated(Path(path), self._folder),
            debounce=200,
            step=20,
            stop_event=stop,
            raise_interrupt=False,
        )
        for change in changes:
            self._orders.put(frozenset(Path(path) for _, path in change))


def _exit(*_: object) -> None:
    raise SystemExit(130)  # as of every command that is stopped, by Ctrl-C or by a scheduler
