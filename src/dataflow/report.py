"""Progress reports of what takes a while."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str], None]
"""Called with a line about what takes a while, or is not as one would expect."""


def silent(line: str) -> None:
    """Ignore a line of progress."""
    del line
