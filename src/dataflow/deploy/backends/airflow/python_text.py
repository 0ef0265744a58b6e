"""Python as text, laid out as ruff lays it out: what was rendered once is the same file for ever."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

WIDTH = 120


def text(value: str) -> str:
    """Write a string, in the quotes that need fewer backslashes."""
    try:
        value.encode()
        written = json.dumps(value, ensure_ascii=False)
    except UnicodeEncodeError:  # half of a character, as names of files may have
        written = json.dumps(value)
    if value.count('"') <= value.count("'"):
        return written
    return "'" + written[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"


def strings(values: Sequence[str], indent: int = 0, before: int = 0) -> str:
    """Write a list of strings, each on a line of its own where one line is too short.

    Args:
        values: The strings.
        indent: How far the statement is indented.
        before: How much stands before the list on its line.
    """
    line = f"[{', '.join(map(text, values))}]"
    if indent + before + len(line) <= WIDTH:
        return line
    return _lines("[", "]", [f"{text(it)}," for it in values], indent)


def mapping(values: Mapping[str, str], indent: int, before: int = 0) -> str:
    """Write a dictionary whose values are Python already; arguments as of `strings`."""
    line = f"{{{', '.join(f'{text(name)}: {value}' for name, value in values.items())}}}"
    if indent + before + len(line) <= WIDTH and "\n" not in line:
        return line
    return _lines("{", "}", [f"{text(name)}: {value}," for name, value in values.items()], indent)


def call(function: str, arguments: Mapping[str, str], indent: int = 0) -> str:
    """Write a call with an argument on each line; values are Python already, and a name of digits is a position."""
    lines = [f"{value}," if name.isdigit() else f"{name}={value}," for name, value in arguments.items()]
    return _lines(f"{function}(", ")", lines, indent)


def duration(seconds: float) -> str:
    """Write a duration in the largest unit that it is whole in."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            return f"timedelta({unit}={seconds / size:g})"
    return f"timedelta(seconds={seconds:g})"


def _lines(opening: str, closing: str, lines: Sequence[str], indent: int) -> str:
    pad = " " * indent
    return "\n".join([opening, *(f"{pad}    {it}" for it in lines), f"{pad}{closing}"])
