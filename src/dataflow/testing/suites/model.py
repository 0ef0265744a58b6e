"""A test suite, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["pytest", "sbt", "gradle", "maven", "testthat"]
Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Suite:
    """Unit tests that one program runs at once.

    Attributes:
        kind: The program.
        folder: Where it runs.
        package: The nearest folder above with a `*.sch.yaml`; `folder` when there is none.
        only: Folders to which it is restricted; empty for all that it finds.
        ignored: Folders below that are suites of their own.
        update: Whether expected mocks that differ are rewritten.
        engine: What runs SQL in tests of pytest: `spark`, `sail` or `both`.
    """

    kind: Kind
    folder: Path
    package: Path
    only: tuple[Path, ...] = ()
    ignored: tuple[Path, ...] = ()
    update: bool = False
    engine: str = "spark"


@dataclass(frozen=True)
class SuiteResult:
    """The result of a suite.

    Attributes:
        suite: Which.
        status: `skipped` when nothing was tested, for the reason given.
        seconds: How long it took.
        tests: How many there were, those skipped among them.
        skipped: How many of them were skipped.
        reason: Why the suite was skipped, and what to do about it.
        output: What it printed, line by line.
        unchanged: Whether this is how it ended before, and nothing of it has changed since.
    """

    suite: Suite
    status: Status
    seconds: float
    tests: int = 0
    skipped: int = 0
    reason: str | None = None
    output: Sequence[str] = ()
    unchanged: bool = False
