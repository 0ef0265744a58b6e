"""`dataflow project test --watch`: what one sees while one edits."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import Output, err, out, say
from dataflow.errors import display_path

if TYPE_CHECKING:
    from rich.status import Status

    from dataflow.testing.suites.model import Suite
    from dataflow.testing.watch.rerun import Rerun, Result

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


def watch(paths: Sequence[Path], output: Output) -> None:
    """Run the tests below folders now, and what a saved file affects on every save, until Ctrl-C.

    Raises:
        UsageError: A folder does not exist or holds no tests.
        DataflowError: There is no Java, or Spark can't be started.
    """
    from dataflow.home import subfolder
    from dataflow.testing.suites.discovery import find_suites
    from dataflow.testing.watch.loop import Watch

    suites = find_suites(paths)
    tops = {path.resolve() for path in paths} | {suite.package for suite in suites}
    tops = {it for it in tops if not tops & set(it.parents)}
    log = subfolder("logs") / f"watch-{os.getpid()}.log"
    Watch(suites, tops, log, _Lines() if output is Output.JSON else _Screen()).run()


class _Screen:
    """For people: a line for each test, below it what is wrong, and how long it all took."""

    def __init__(self) -> None:
        self._status: Status | None = None

    def watching(self, suites: Sequence[Suite]) -> None:
        names = ", ".join(f"{_folder(suite)} ({suite.kind})" for suite in suites)
        out().print(f"Watching {names}; Ctrl-C ends it.")

    def rerun(self, rerun: Rerun, *, again: bool) -> None:
        self._busy(None)
        what = ", ".join(display_path(path) for path in rerun.saved)
        why = "; ".join(f"{it.why}{_of(it.suite)}" if len(rerun.selections) > 1 else it.why for it in rerun.selections)
        line = f"{what} saved{', while tests ran' if again else ''}: {why}" if what else why
        out().print()
        out().print(f"{_clock()}  {line}", style="bold")
        self._busy("Running …")

    def result(self, result: Result) -> None:
        from rich.text import Text

        word = Text(result.outcome.upper().ljust(7), style=_STYLES[result.outcome])
        out().print(Text.assemble(word, f" {_name(result)}  {result.seconds:.2f} s"))
        for line in result.text.splitlines() if result.outcome == "failed" else ():
            out().print(f"    {line}".rstrip())

    def summary(self, rerun: Rerun, seconds: float, still: Sequence[Result]) -> None:
        self._busy(None)
        counts = _counts(rerun)
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "no tests in it"
        since = "from the save" if rerun.saved else "from the start"
        style = "bold red" if counts["failed"] else "green"
        out().print(f"{_clock()}  {said}, {seconds:.1f} s {since}", style=style)
        if still:
            out().print(f"          still failing: {', '.join(map(_name, still))}", style="red")

    def note(self, text: str) -> None:
        say(text)

    def _busy(self, text: str | None) -> None:
        """Show on a terminal that something runs; None ends it."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if text is not None and err().is_terminal:
            self._status = err().status(text)
            self._status.start()


class _Lines:
    """For editors and scripts: a line of JSON for each event."""

    def watching(self, suites: Sequence[Suite]) -> None:
        self._print("watching", suites=[{"folder": str(it.folder), "kind": it.kind} for it in suites])

    def rerun(self, rerun: Rerun, *, again: bool) -> None:
        what = [{"folder": str(it.suite.folder), "tests": it.targets, "why": it.why} for it in rerun.selections]
        self._print("rerun", saved=list(map(str, rerun.saved)), again=again, selections=what)

    def result(self, result: Result) -> None:
        facts = {"outcome": result.outcome, "seconds": round(result.seconds, 3), "text": result.text}
        self._print("test", folder=str(result.suite.folder), id=result.id, **facts)

    def summary(self, rerun: Rerun, seconds: float, still: Sequence[Result]) -> None:
        self._print("verdict", **_counts(rerun), seconds=round(seconds, 3), still_failing=list(map(_name, still)))

    def note(self, text: str) -> None:
        self._print("note", text=text)

    def _print(self, event: str, **facts: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **facts}, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def _counts(rerun: Rerun) -> dict[str, int]:
    outcomes = [it.outcome for it in rerun.results]
    return {word: outcomes.count(word) for word in ("failed", "passed", "skipped")}


def _name(result: Result) -> str:
    return result.id or f"{_folder(result.suite)} ({result.suite.kind})"


def _folder(suite: Suite) -> str:
    folder = Path(display_path(suite.folder))
    return str(folder) if folder.is_absolute() or folder == Path() else f"./{folder}"


def _of(suite: Suite) -> str:
    return f" in {_folder(suite)} ({suite.kind})"


def _clock() -> str:
    return time.strftime("%H:%M:%S")
