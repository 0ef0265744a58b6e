"""`dataflow project test --watch`: what one sees while one edits."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.cli.console import STATUS_STYLES, err, out, say
from dataflow.cli.drawing import Line
from dataflow.cli.output import Output, Result
from dataflow.cli.project.options import TestEngine
from dataflow.cli.project.suite_name import suite_name
from dataflow.errors import display_path
from dataflow.wording import seconds_text

if TYPE_CHECKING:
    from dataflow.testing.suites.model import Suite
    from dataflow.testing.watch.rerun import Rerun
    from dataflow.testing.watch.rerun import Result as TestResult


_KEYS = "r: run all again · {a} · q: quit"
_MODES = {False: "a: run all on each save", True: "a: run only what a save affects"}


def watch(paths: Sequence[Path], output: Output, engine: TestEngine) -> None:
    """Run the tests below folders now, and what a saved file affects on every save, until `q` or Ctrl-C.

    Args:
        paths: The folders.
        output: How it is shown.
        engine: What runs SQL; with both, Sail says first how tests went, and Spark confirms it or not.

    Raises:
        UsageError: A folder does not exist or holds no tests.
        DataflowError: There is no Java, or Spark can't be started.
    """
    from dataflow.home import subfolder
    from dataflow.testing.suites.discovery import find_suites
    from dataflow.testing.watch.keys import Keys
    from dataflow.testing.watch.loop import Watch
    from dataflow.testing.watch.sail import sail_for

    suites = find_suites(paths)
    tops = {path.resolve() for path in paths} | {suite.package for suite in suites}
    tops = {it for it in tops if not tops & set(it.parents)}
    log = subfolder("logs") / f"watch-{os.getpid()}.log"
    with contextlib.ExitStack() as open_:
        has_keys = all([output.takes_keys, sys.stdout.isatty(), Keys.can_be_read()])
        reporter = _Reporter(output, _Bottom(has_keys=has_keys))
        open_.callback(reporter.close)
        sail = open_.enter_context(sail_for(suites, engine, say))
        chosen = str(engine) if sail else "spark"
        watcher = Watch(suites, tops, log, reporter, engine=chosen, sail=sail)
        if has_keys:
            open_.enter_context(Keys(watcher.press))
        watcher.run()


class _Reporter:
    """Shows each event of the watcher: text for people, a line of JSON for editors and scripts."""

    def __init__(self, output: Output, bottom: _Bottom) -> None:
        self._output = output
        self._bottom = bottom
        self._told: set[str] = set()  # why tests were left to Spark

    def watching(self, suites: Sequence[Suite]) -> None:
        self._output.show_event(_Watching(suites, self._bottom))

    def rerun(self, rerun: Rerun, *, again: bool) -> None:
        self._output.show_event(_Rerun(rerun, again, self._bottom))

    def result(self, result: TestResult, rerun: Rerun) -> None:
        self._output.show_event(_TestResult(result, is_known=rerun.confirms(result)))

    def by_sail(self, results: Sequence[TestResult], seconds: float, cause: str, left: Sequence[str]) -> None:
        new = [line for line in left if line.partition(": ")[2] not in self._told]
        self._told |= {line.partition(": ")[2] for line in new}
        if results or new:
            self._output.show_event(_BySail(results, seconds, cause, new))

    def difference(self, name: str, text: str) -> None:
        self._output.show_event(_Difference(name, text))

    def summary(self, rerun: Rerun, seconds: float, still: Sequence[TestResult]) -> None:
        self._output.show_event(_Verdict(rerun, seconds, still, self._bottom))

    def note(self, text: str) -> None:
        self._output.show_event(_Note(text))

    def mode(self, *, all_tests: bool) -> None:
        self._output.show_event(_Mode(all_tests, self._bottom))

    def close(self) -> None:
        self._bottom.end()


class _Bottom:
    """The last line of a terminal: what runs, and what keys do."""

    def __init__(self, *, has_keys: bool) -> None:
        self.has_keys = has_keys
        self.all_tests = False
        self._line: Line | None = None
        self._is_busy = False

    @property
    def keys(self) -> str:
        """What keys do."""
        return _KEYS.format(a=_MODES[self.all_tests])

    def show(self, *, is_busy: bool | None = None) -> None:
        """Say whether something runs; as before if None."""
        self.end()
        self._is_busy = self._is_busy if is_busy is None else is_busy
        if err().is_terminal and (self.has_keys or self._is_busy):
            said = ["Running …"] * self._is_busy + [self.keys] * self.has_keys
            self._line = Line(err(), "  ".join(said), spins=self._is_busy)
            self._line.start()

    def end(self) -> None:
        """Take it away."""
        if self._line is not None:
            self._line.stop()
            self._line = None


@dataclass(frozen=True)
class _Watching(Result):
    suites: Sequence[Suite]
    bottom: _Bottom

    def text(self) -> None:
        ends = self.bottom.keys if self.bottom.has_keys else "Ctrl-C ends it"
        out().print(f"Watching {', '.join(map(suite_name, self.suites))}; {ends}")

    def data(self) -> object:
        return _event("watching", suites=[{"folder": str(it.folder), "kind": it.kind} for it in self.suites])


@dataclass(frozen=True)
class _Rerun(Result):
    rerun: Rerun
    again: bool
    bottom: _Bottom

    def text(self) -> None:
        found = self.rerun.selections
        what = ", ".join(display_path(path) for path in self.rerun.saved)
        why = "; ".join(f"{it.why} in {suite_name(it.suite)}" if len(found) > 1 else it.why for it in found)
        line = f"{what} saved{', while tests ran' if self.again else ''}: {why}" if what else why
        line = f"r pressed: {why}" if self.rerun.cause == "key" else line
        out().print()
        out().print(f"{_clock()}  {line}", style="bold")
        self.bottom.show(is_busy=True)

    def data(self) -> object:
        what = [{"folder": str(it.suite.folder), "tests": it.targets, "why": it.why} for it in self.rerun.selections]
        return _event("rerun", saved=list(map(str, self.rerun.saved)), again=self.again, selections=what)


@dataclass(frozen=True)
class _BySail(Result):
    results: Sequence[TestResult]
    seconds: float
    cause: str
    left: Sequence[str]

    def text(self) -> None:
        for it in self.results:
            if it.outcome != "left":
                _TestResult(it, is_known=False).text()
        counts = self._counts()
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        style = "bold red" if counts["failed"] else "green"
        if said:
            out().print(f"{_clock()}  by Sail: {said}, {self.seconds:.2f} s from the {self.cause}", style=style)
        for line in self.left:
            say(line)

    def data(self) -> object:
        tests = [
            {"id": it.id, "outcome": it.outcome, "seconds": round(it.seconds, 3), "text": it.text}
            for it in self.results
        ]
        return _event("sail", **self._counts(), seconds=round(self.seconds, 3), tests=tests)

    def _counts(self) -> dict[str, int]:
        outcomes = [it.outcome for it in self.results]
        return {word: outcomes.count(word) for word in ("failed", "passed", "skipped", "left")}


@dataclass(frozen=True)
class _Difference(Result):
    name: str
    difference: str

    def text(self) -> None:
        out().print(f"Spark overrules Sail in {self.name}: {self.difference}", style="red")

    def data(self) -> object:
        return _event("difference", id=self.name, text=self.difference)


@dataclass(frozen=True)
class _TestResult(Result):
    result: TestResult
    is_known: bool

    def text(self) -> None:
        from rich.text import Text

        if self.is_known:
            return
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
    bottom: _Bottom

    def text(self) -> None:
        counts = self._counts()
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "no tests in it"
        style = "bold red" if counts["failed"] else "green"
        out().print(f"{_clock()}  {self._by()}{said}, {self._took()}", style=style)
        if self.still:
            out().print(f"          still failing: {', '.join(map(_name, self.still))}", style="red")
        self.bottom.show(is_busy=False)

    def _by(self) -> str:
        """Say what Spark makes of Sail's verdict, where there was one."""
        if not self.rerun.by_sail:
            return ""
        differences = len(self.rerun.differences)
        return f"Spark overrules {differences} of Sail: " if differences else "confirmed by Spark: "

    def _took(self) -> str:
        """Say how long it took, from the first one too where a save or a key cut others short."""
        cause, longer = self.rerun.cause, self._seconds_from_first()
        if longer - self.seconds < 0.05:
            return f"{seconds_text(self.seconds)} from the {cause}"
        return f"{seconds_text(self.seconds)} from the last {cause}, {seconds_text(longer)} from the first"

    def _seconds_from_first(self) -> float:
        return self.seconds + self.rerun.since - self.rerun.first

    def data(self) -> object:
        still = list(map(_name, self.still))
        times = {"seconds": round(self.seconds, 3), "seconds_from_first": round(self._seconds_from_first(), 3)}
        return _event("verdict", **self._counts(), **times, **self._by_both(), still_failing=still)

    def _by_both(self) -> dict[str, int]:
        """Count what Spark makes of Sail's verdicts, where there were some."""
        confirmed = sum(map(self.rerun.confirms, self.rerun.results))
        counts = {"confirmed": confirmed, "overruled": len(self.rerun.differences)}
        return counts if self.rerun.by_sail else {}

    def _counts(self) -> dict[str, int]:
        outcomes = [it.outcome for it in self.rerun.results]
        return {word: outcomes.count(word) for word in ("failed", "passed", "skipped")}


@dataclass(frozen=True)
class _Mode(Result):
    all_tests: bool
    bottom: _Bottom

    def text(self) -> None:
        self.bottom.all_tests = self.all_tests
        say(f"a save runs {'all tests' if self.all_tests else 'only what it affects'} from now on")
        self.bottom.show()

    def data(self) -> object:
        return _event("mode", all_tests=self.all_tests)


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
