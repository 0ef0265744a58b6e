"""A rerun: what runs because of a save, its results, and who reports them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dataflow.testing.suites.model import Suite
from dataflow.testing.watch.affected import Selection


@dataclass(frozen=True)
class Result:
    """The result of a test, or of a suite that does not report test by test.

    Attributes:
        suite: The suite.
        id: The test's name within it; empty for the suite.
        outcome: `passed`, `failed` or `skipped`.
        seconds: How long it took.
        text: The failure's message.
    """

    suite: Suite
    id: str
    outcome: str
    seconds: float
    text: str = ""


@dataclass
class Rerun:
    """What runs because of one save, or of several in a row.

    Attributes:
        since: When the file was saved, or the key pressed, in seconds since 1970.
        first: The same of the earliest one that these results answer, where a rerun cut another one short.
        cause: What it is because of: `start`, `save` or `key`.
        saved: The files; none for the first run.
        selections: What is to run, by suite.
        results: The results so far.
        by_sail: What Sail says of tests before Spark does.
        differences: Where Spark says something else, by test.
    """

    since: float
    first: float = 0.0
    cause: str = "start"
    saved: list[Path] = field(default_factory=list)
    selections: list[Selection] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    by_sail: list[Result] = field(default_factory=list)
    differences: dict[tuple[Path, str], str] = field(default_factory=dict)

    def confirms(self, result: Result) -> bool:
        """Say whether a result of Spark's is what Sail has said of the test."""
        if (result.suite.folder, result.id) in self.differences:
            return False
        return any(
            it.suite is result.suite and (it.id, it.outcome) == (result.id, result.outcome) for it in self.by_sail
        )

    def forget_sail(self, suite: Suite) -> None:
        """Forget what Sail has said of a suite, which runs again."""
        self.by_sail = [it for it in self.by_sail if it.suite is not suite]


class WatchReporter(Protocol):
    """Shows what a watcher does."""

    def watching(self, suites: Sequence[Suite]) -> None:
        """Watching begins."""

    def rerun(self, rerun: Rerun, *, again: bool) -> None:
        """Tests are about to run; `again` when a save interrupted others, which run again."""

    def result(self, result: Result, rerun: Rerun) -> None:
        """A test ended."""

    def by_sail(self, results: Sequence[Result], seconds: float, cause: str, left: Sequence[str]) -> None:
        """Sail has run what it can of a suite, before Spark; `left` says what it can't."""

    def difference(self, name: str, text: str) -> None:
        """Spark differs from what Sail said of a test."""

    def summary(self, rerun: Rerun, seconds: float, still: Sequence[Result]) -> None:
        """All that a save affects has run; `still` are earlier failures outside of it."""

    def note(self, text: str) -> None:
        """Something else happened."""

    def mode(self, *, all_tests: bool) -> None:
        """From now on a save runs all tests, or only those that it affects."""


def merged(selections: Iterable[Selection]) -> list[Selection]:
    """Merge the selections of one suite."""
    found: dict[Path, Selection] = {}
    for it in selections:
        key = it.suite.folder / it.suite.kind
        if (known := found.get(key)) is None:
            found[key] = it
        elif not known.targets or not it.targets:
            found[key] = known if not known.targets else it
        else:
            targets = dict.fromkeys([*known.targets, *it.targets])
            files = {target for target in targets if "::" not in target}
            kept = tuple(target for target in targets if target in files or target.partition("::")[0] not in files)
            found[key] = Selection(it.suite, kept, known.why if known.why == it.why else f"{known.why}; {it.why}")
    return list(found.values())


def covers(selection: Selection, name: str) -> bool:
    """Say whether a run includes a test."""
    return not selection.targets or any(
        name in {"", target, target.partition("::")[0]} or name.startswith((f"{target}::", f"{target}["))
        for target in selection.targets
    )
