"""How numbers are spelled in what people read."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 row` and `2,000 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """Return a number with its thousands separated, and no more digits than it has."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,}"


def seconds_text(seconds: float) -> str:
    """Return how long something took, such as `1,029.1 s`."""
    return f"{seconds:,.1f} s"
