"""Repeated failures: tests that fail with the same message are shown once, with the names of all."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from dataflow.errors import DataflowError
from dataflow.secret import masked

_SHOWN = 10
_PLACE = re.compile(r"\S.*?:\d+:\d+: \[[A-Z0-9_.]+\]")
"""A place in a script and what Spark calls the mistake: what it suggests depends on a test's data."""

_KINDS = ("error", "failed")


class FailureSummary:
    """What pytest shows of a failure in its summary."""

    def __init__(self, message: str) -> None:
        self.message = message


class FirstFailure:
    """A failure that stands for several: as pytest shows the first, with the names of all below."""

    def __init__(self, shown: Any, lines: Sequence[str]) -> None:
        self._shown, self._lines = shown, lines
        self.reprcrash = getattr(shown, "reprcrash", None)

    def toterminal(self, writer: Any) -> None:
        """Write it out."""
        if hasattr(self._shown, "toterminal"):
            self._shown.toterminal(writer)
        else:
            writer.line(str(self._shown))
        for line in self._lines:
            writer.line(line, bold=True)

    def __str__(self) -> str:
        return "\n".join([str(self._shown), *self._lines])


class RepeatedFailure:
    """A failure that was shown with another."""

    def __init__(self, first: str) -> None:
        self.reprcrash = FailureSummary(f"the same as {first}")

    def __str__(self) -> str:
        return self.reprcrash.message


def note_mistake(report: pytest.TestReport, error: BaseException, *, is_data: bool) -> None:
    """Record the message that a test failed with, where it names the mistake; xdist workers pass it on."""
    is_ours = isinstance(error, DataflowError) or (is_data and isinstance(error, AssertionError))
    if is_ours or (isinstance(error, pytest.fail.Exception) and not error.pytrace):
        text = masked("\n".join([str(error), *getattr(error, "__notes__", ())]))
        found = _PLACE.match(text)
        report.mistake = found[0] if found else text  # type: ignore[attr-defined]  # reports take more


class RepeatedFailures:
    """Shows each mistake once: repetitions are hidden from the failures, and restored for the summary."""

    def __init__(self) -> None:
        self._before: dict[str, list[Any]] = {}
        self._same: list[tuple[Any, str]] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Iterator[None]:
        """Hide repetitions before failures are shown."""
        for kind in _KINDS:
            reports = terminalreporter.stats.get(kind, [])
            groups: dict[object, list[Any]] = {}
            for report in reports:
                groups.setdefault(getattr(report, "mistake", None) or id(report), []).append(report)
            if len(groups) < len(reports):
                self._before[kind] = reports
                terminalreporter.stats[kind] = [self._first(group) for group in groups.values()]
        yield

    def _first(self, group: list[Any]) -> Any:
        first, *others = group
        if others:
            names = [it.nodeid for it in group[:_SHOWN]]
            more = [f"and {len(group) - _SHOWN} more"] if len(group) > _SHOWN else []
            where = f"in {len(group)} tests: {', '.join([*names, *more])}"
            first.longrepr = FirstFailure(
                first.longrepr, [where, f"→ run the first alone: pytest {shlex.quote(first.nodeid)}"]
            )
            self._same += [(other, first.nodeid) for other in others]
        return first

    def restore(self, terminalreporter: Any) -> None:
        """Restore what was hidden: the summary and the counts are of all failures."""
        terminalreporter.stats.update(self._before)
        for report, first in self._same:
            report.longrepr = RepeatedFailure(first)
