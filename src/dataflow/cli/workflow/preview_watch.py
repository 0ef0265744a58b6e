"""`dataflow workflow preview --watch`: the data beside the code."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import err, out, print_error
from dataflow.cli.drawing import Line
from dataflow.cli.output import Output, Result
from dataflow.cli.workflow.preview import Previews
from dataflow.errors import DataflowError, display_path

if TYPE_CHECKING:
    from dataflow.preview.model import Preview, PreviewRequest, Sessions
    from dataflow.report import Report
    from dataflow.workflow.resolved import Workflow

_KEYS = "r: again · q: quit"


def watch_previews(
    file: Path, load: Callable[[], Workflow], wanted: PreviewRequest, sessions: Sessions, output: Output
) -> None:
    """Show a preview now and on each save, until `q` or Ctrl-C.

    Args:
        file: The definition.
        load: Loads it as it stands.
        wanted: What is asked for.
        sessions: Opens Spark.
        output: How it is shown.
    """
    from dataflow.preview.preview import Previewer
    from dataflow.preview.watch import PreviewWatch
    from dataflow.testing.watch.keys import Keys

    has_keys = all([output.takes_keys, sys.stdout.isatty(), Keys.can_be_read()])
    reporter = _Reporter(output, has_keys=has_keys)
    with contextlib.ExitStack() as open_:
        open_.callback(reporter.close)
        previewer = open_.enter_context(Previewer(sessions))
        wanted = dataclasses.replace(wanted, report=_changes(wanted.report))
        watcher = PreviewWatch(file.absolute().parent, load, wanted, previewer, reporter)
        if has_keys:
            open_.enter_context(Keys(watcher.press))
        with output.reserved():
            watcher.run()


def _changes(report: Report) -> Report:
    """Return what reports a line unless it is the one before once more."""
    last = ""

    def once(line: str) -> None:
        nonlocal last
        if line != last:
            report(line)
        last = line

    return once


class _Reporter:
    """Shows each event: text for people, a line of JSON for editors and scripts."""

    def __init__(self, output: Output, *, has_keys: bool) -> None:
        self._output, self._has_keys = output, has_keys
        self._stream = sys.stdout
        self._line: Line | None = None

    def watching(self, folder: Path) -> None:
        self._show(_Watching(folder, _KEYS if self._has_keys else "Ctrl-C ends it"))

    def saved(self, paths: Sequence[Path]) -> None:
        if paths:
            self._show(_Saved(paths))

    def previewed(self, found: Sequence[Preview], seconds: float) -> None:
        self._show(_Shown(found, seconds))
        self._wait()

    def failed(self, error: DataflowError) -> None:
        self._show(_Failed(error))
        self._wait()

    def close(self) -> None:
        """Take the line with the keys away."""
        if self._line is not None:
            self._line.stop()
            self._line = None

    def _show(self, event: Result) -> None:
        self.close()
        with contextlib.redirect_stdout(self._stream):
            self._output.show_event(event)

    def _wait(self) -> None:
        if self._has_keys and err().is_terminal:
            self._line = Line(err(), _KEYS, spins=False)
            self._line.start()


@dataclass(frozen=True)
class _Watching(Result):
    folder: Path
    ends: str

    def text(self) -> None:
        out().print(f"Watching {display_path(self.folder)}; {self.ends}")

    def data(self) -> object:
        return {"event": "watching", "folder": str(self.folder)}


@dataclass(frozen=True)
class _Saved(Result):
    paths: Sequence[Path]

    def text(self) -> None:
        out().print()
        out().print(f"{time.strftime('%H:%M:%S')}  {', '.join(map(display_path, self.paths))} saved", style="bold")

    def data(self) -> object:
        return {"event": "saved", "saved": [*map(str, self.paths)]}


class _Shown(Previews):
    def data(self) -> dict[str, Any]:
        return {"event": "preview", **super().data()}


@dataclass(frozen=True)
class _Failed(Result):
    error: DataflowError

    def text(self) -> None:
        print_error(self.error)

    def data(self) -> object:
        return {"event": "failed", "message": self.error.message, "hint": self.error.hint}
