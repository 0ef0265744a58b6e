"""How numbers are spelled in what people read."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 row` and `2,000 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
