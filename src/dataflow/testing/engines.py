"""Which engine runs a test: Spark, Sail, or both, and where both differ.

Sail runs what asks for the fixture `dataflow`, and not for Spark's own session; what it can't run is left to Spark,
which runs it next. With both, Sail runs all tests first, and Spark confirms or overrules it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pytest

from dataflow.testing.sail_fixture import LeftToSpark, sail_of
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.sail.server import Sail
    from dataflow.testing.row_diff import RowSet

Engine = Literal["spark", "sail", "both"]
ENGINES: tuple[Engine, ...] = ("spark", "sail", "both")
SECTION = "Sail and Spark differ"
LEFT = "left to Spark"


@dataclass
class Verdict:
    """How a test ended on one engine.

    Attributes:
        outcome: `passed`, `failed` or `skipped`; `left` where Sail can't run it.
        seconds: How long it took.
        text: The failure's message, or why it is left to Spark.
        rows: What it compared, in order.
    """

    outcome: str
    seconds: float = 0.0
    text: str = ""
    rows: list[RowSet] = field(default_factory=list)


class SailReporter(Protocol):
    """Receives what a watcher shows before Spark has run."""

    def by_sail(self, nodeid: str, verdict: Verdict) -> None:
        """A test ended on Sail."""

    def compared(self, nodeid: str, sail: Verdict, difference: str) -> None:
        """Spark has run a test too; the difference is empty where it confirms Sail's verdict."""

    def sail_is_done(self, verdicts: Mapping[str, Verdict]) -> None:
        """Sail has run all that it can."""


class _Silent:
    def by_sail(self, nodeid: str, verdict: Verdict) -> None:
        """Say nothing."""

    def compared(self, nodeid: str, sail: Verdict, difference: str) -> None:
        """Say nothing."""

    def sail_is_done(self, verdicts: Mapping[str, Verdict]) -> None:
        """Say nothing."""


NAME = "dataflow-engines"
"""What pytest knows the plugin by."""


class Engines:
    """The pytest plugin that runs tests by Sail, by Spark, or by both.

    Args:
        engine: Which.
        sail: A server that somebody else ends; one is started here when omitted.
        reporter: Receives what happens.
    """

    def __init__(self, engine: Engine, sail: Sail | None = None, reporter: SailReporter | None = None) -> None:
        self.engine = engine
        self.current: Literal["spark", "sail"] = "spark"
        self.verdicts: dict[str, Verdict] = {}
        self.differences: dict[str, str] = {}
        self._sail, self._reporter = sail, reporter or _Silent()
        self._open = contextlib.ExitStack()
        self._running: Verdict | None = None

    def sail(self) -> Sail:
        """Return the server, which is started when it is first asked for."""
        if self._sail is None:
            self._sail = self._open.enter_context(sail_of(None))
        return self._sail

    def note(self, rows: RowSet) -> None:
        """Keep what a test compares."""
        if self._running is not None:
            self._running.rows.append(rows)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """With both, run all by Sail before Spark's turn."""
        if self.engine != "both" or session.testsfailed or session.config.option.collectonly:
            return
        self._leave_to_spark(session.items)
        mine = [it for it in session.items if _is_for_sail(it)]
        for place, item in enumerate(mine, 1):
            self._by_sail(item, mine[place] if place < len(mine) else None)
        self._reporter.sail_is_done(self.verdicts)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """With Sail alone, note what asks for Spark's own session."""
        if self.engine == "sail" and not session.config.option.collectonly:
            self._leave_to_spark(session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """With Sail alone, run a test by it; where it is left to Spark, by Spark."""
        if self.engine == "sail" and _is_for_sail(item):
            reports = self._by_sail(item, nextitem)
            if self.verdicts[item.nodeid].outcome != "left":
                item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
                for report in reports:
                    item.ihook.pytest_runtest_logreport(report=report)
                item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
                return True
        return None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[Any]:
        """Notice what is left to Spark."""
        report = yield
        reason = _left(call.excinfo.value) if self.current == "sail" and call.excinfo is not None else None
        if reason is not None and self._running is not None:
            self._running.outcome, self._running.text = "left", reason
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Keep what Spark's run of a test compares, where Sail has run it too."""
        sail = self.verdicts.get(item.nodeid) if self.engine == "both" and self.current == "spark" else None
        if sail is None or sail.outcome == "left":
            return (yield)
        self._running = spark = Verdict("passed")
        try:
            return (yield)
        except BaseException as error:
            spark.outcome = "skipped" if isinstance(error, pytest.skip.Exception) else "failed"
            raise
        finally:
            self._running = None
            self._compare(item, sail, spark)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what Sail has run, what it could not, and where both differ."""
        if self.engine == "spark":
            return
        for line in left_lines(self.verdicts):
            terminalreporter.write_line(line)
        if self.differences:
            terminalreporter.section(SECTION)
            for text in self.differences.values():
                terminalreporter.write_line(text)

    def pytest_unconfigure(self) -> None:
        """Stop the server."""
        self._open.close()

    def _by_sail(self, item: pytest.Item, following: pytest.Item | None) -> Sequence[pytest.TestReport]:
        from _pytest.runner import runtestprotocol

        self.current, self._running = "sail", Verdict("passed")
        verdict = self.verdicts[item.nodeid] = self._running
        try:
            reports = runtestprotocol(item, log=False, nextitem=following)
        finally:
            self.current, self._running = "spark", None
        verdict.seconds = sum(it.duration for it in reports)
        if verdict.outcome != "left":
            failed = next((it for it in reports if it.failed), None)
            verdict.outcome = "failed" if failed else "skipped" if any(it.skipped for it in reports) else "passed"
            verdict.text = failed.longreprtext.rstrip() if failed else ""
        self._reporter.by_sail(item.nodeid, verdict)
        return reports

    def _leave_to_spark(self, items: Sequence[pytest.Item]) -> None:
        """Note the tests that ask for Spark's own session, which is one reason for all of them."""
        own = (it for it in items if "spark" in getattr(it, "fixturenames", ()))
        self.verdicts.update({it.nodeid: Verdict("left", text="the fixture `spark` is its own session") for it in own})

    def _compare(self, item: pytest.Item, sail: Verdict, spark: Verdict) -> None:
        from dataflow.testing.engine_difference import difference_of

        text = difference_of(item, sail, spark)
        if text:
            self.differences[item.nodeid] = f"{item.nodeid}: {text}"
        self._reporter.compared(item.nodeid, sail, text)


def left_lines(verdicts: Mapping[str, Verdict]) -> list[str]:
    """Say what Sail could not run, each reason once."""
    reasons: dict[str, int] = {}
    for it in verdicts.values():
        if it.outcome == "left":
            reasons[it.text] = reasons.get(it.text, 0) + 1
    return [f"{plural(count, 'test')} {LEFT}: {reason}" for reason, count in reasons.items()]


def _is_for_sail(item: pytest.Item) -> bool:
    names = getattr(item, "fixturenames", ())
    return "dataflow" in names and "spark" not in names


def _left(error: BaseException | None) -> str | None:
    """Return why an exception, or one that it was raised from, leaves a test to Spark."""
    while error is not None:
        if isinstance(error, LeftToSpark):
            return str(error)
        error = error.__cause__ or error.__context__
    return None
