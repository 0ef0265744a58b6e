"""How numbers are spelled in what people read."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """Return a number with its noun, such as `1 row` and `2,000 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float) -> str:
    """Return a number with its thousands separated, and no more digits than it has."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,}"


def share(count: int, of: int) -> str:
    """Return a part of a whole in per cent, never rounded to nothing or to all; empty where there is no whole."""
    if not of:
        return ""
    if 0 < count < of and not 0.001 <= count / of < 0.9995:
        return "< 0.1 %" if count / of < 0.5 else "> 99.9 %"
    return f"{100 * count / of:.1f} %"


def seconds_text(seconds: float) -> str:
    """Return how long something took, such as `1,029.1 s`."""
    return f"{seconds:,.1f} s"


def size_text(count: int) -> str:
    """Return a number of bytes, such as `246.1 MiB`."""
    for unit, size in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return plural(count, "byte")


def shown_name(name: str) -> str:
    """Write a name in quotes for a message, with nothing in it that can't be seen."""
    return f"'{name}'" if name.isprintable() else ascii(name)
