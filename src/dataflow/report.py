"""Telling whoever waits what takes a while."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str], None]
"""Takes a line about what takes a while, or is not as one would expect."""


def silent(line: str) -> None:
    """Take a line that nobody waits for."""
    del line
