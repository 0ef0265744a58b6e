"""`dataflow project test --watch`: what one sees while one edits."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import STATUS_STYLES, err, out, say
from dataflow.cli.output import Output, Result
from dataflow.cli.project.test import suite_name
from dataflow.errors import display_path

if TYPE_CHECKING:
    from rich.status import Status

    from dataflow.testing.suites.model import Suite
    from dataflow.testing.watch.rerun import Rerun
    from dataflow.testing.watch.rerun import Result as TestResult


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
    Watch(suites, tops, log, _Reporter(output)).run()


class _Reporter:
    """Shows each event of the watcher: text for people, a line of JSON for editors and scripts."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._busy = _Busy()

    def watching(self, suites: Sequence[Suite]) -> None:
        self._output.show_event(_Watching(suites))

    def rerun(self, rerun: Rerun, *, again: bool) -> None:
        self._output.show_event(_Rerun(rerun, again, self._busy))

    def result(self, result: TestResult) -> None:
        self._output.show_event(_TestResult(result))

    def summary(self, rerun: Rerun, seconds: float, still: Sequence[TestResult]) -> None:
        self._output.show_event(_Verdict(rerun, seconds, still, self._busy))

    def note(self, text: str) -> None:
        self._output.show_event(_Note(text))


class _Busy:
    """Shows on a terminal that something runs."""

    def __init__(self) -> None:
        self._status: Status | None = None

    def begin(self, text: str) -> None:
        if err().is_terminal:
            self._status = err().status(text)
            self._status.start()

    def end(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


@dataclass(frozen=True)
class _Watching(Result):
    suites: Sequence[Suite]

    def text(self) -> None:
        out().print(f"Watching {', '.join(map(suite_name, self.suites))}; Ctrl-C ends it")

    def data(self) -> object:
        return _event("watching", suites=[{"folder": str(it.folder), "kind": it.kind} for it in self.suites])


@dataclass(frozen=True)
class _Rerun(Result):
    rerun: Rerun
    again: bool
    busy: _Busy

    def text(self) -> None:
        self.busy.end()
        found = self.rerun.selections
        what = ", ".join(display_path(path) for path in self.rerun.saved)
        why = "; ".join(f"{it.why} in {suite_name(it.suite)}" if len(found) > 1 else it.why for it in found)
        line = f"{what} saved{', while tests ran' if self.again else ''}: {why}" if what else why
        out().print()
        out().print(f"{_clock()}  {line}", style="bold")
        self.busy.begin("Running …")

    def data(self) -> object:
        what = [{"folder": str(it.suite.folder), "tests": it.targets, "why": it.why} for it in self.rerun.selections]
        return _event("rerun", saved=list(map(str, self.rerun.saved)), again=self.again, selections=what)


@dataclass(frozen=True)
class _TestResult(Result):
    result: TestResult

    def text(self) -> None:
        from rich.text import Text

        it = self.result
        word = Text(it.outcome.upper().ljust(7), style=STATUS_STYLES[it.outcome])
        out().print(Text.assemble(word, f" {_name(it)}  {it.seconds:.2f} s"))
        for line in it.text.splitlines() if it.outcome == "failed" else ():
            out().print(f"    {line}".rstrip())

    def data(self) -> object:
        it = self.result
        facts = {"outcome": it.outcome, "seconds": round(it.seconds, 3), "text": it.text}
        return _event("test", folder=str(it.suite.folder), id=it.id, **facts)


@dataclass(frozen=True)
class _Verdict(Result):
    rerun: Rerun
    seconds: float
    still: Sequence[TestResult]
    busy: _Busy

    def text(self) -> None:
        self.busy.end()
        counts = self._counts()
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "no tests in it"
        since = "from the save" if self.rerun.saved else "from the start"
        style = "bold red" if counts["failed"] else "green"
        out().print(f"{_clock()}  {said}, {self.seconds:.1f} s {since}", style=style)
        if self.still:
            out().print(f"          still failing: {', '.join(map(_name, self.still))}", style="red")

    def data(self) -> object:
        still = list(map(_name, self.still))
        return _event("verdict", **self._counts(), seconds=round(self.seconds, 3), still_failing=still)

    def _counts(self) -> dict[str, int]:
        outcomes = [it.outcome for it in self.rerun.results]
        return {word: outcomes.count(word) for word in ("failed", "passed", "skipped")}


@dataclass(frozen=True)
class _Note(Result):
    note: str

    def text(self) -> None:
        say(self.note)

    def data(self) -> object:
        return _event("note", text=self.note)


def _event(event: str, **facts: Any) -> dict[str, Any]:
    return {"event": event, **facts}


def _name(result: TestResult) -> str:
    return result.id or suite_name(result.suite)


def _clock() -> str:
    return time.strftime("%H:%M:%S")
