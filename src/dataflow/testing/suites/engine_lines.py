"""What a test run on Sail says of the engines, out of what pytest printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow.testing.suites.model import SuiteResult

_SECTION = "Sail and Spark differ"
_LEFT = " left to Spark: "


def engine_lines(outcome: SuiteResult) -> list[str]:
    """Return how many tests were left to Spark, each reason once, and where both engines differ."""
    if outcome.suite.engine == "spark":
        return []
    lines = list(outcome.output)
    left = [line for line in lines if _LEFT in line and line[:1].isdigit()]
    heads = [i for i, line in enumerate(lines) if line.strip("= ") == _SECTION]
    if not heads:
        return left
    after = lines[heads[-1] :]
    end = next((i for i, line in enumerate(after) if i and (line.startswith("=") or _is_summary(line))), len(after))
    return [*left, *(line.strip("= ") if not i else line for i, line in enumerate(after[:end]))]


def _is_summary(line: str) -> bool:
    """Say whether a line is the last one of `pytest -q`: `6 passed in 2.24s`."""
    return line.endswith("s") and " in " in line and line[:1].isdigit() and ("passed" in line or "failed" in line)
