"""Patterns that mean the same in both engines: of dates, and regular expressions of Java and of Rust."""

from __future__ import annotations

import re

from dataflow.sail.judgement import SparkDecides

_DATE = re.compile(r"[a-zA-Z/:., _-]+")
_FIELDS = frozenset(["yyyy", "MMMM", "MMM", "MM", "M", "dd", "d", "EEEE", "EEE", "HH", "hh", "mm", "ss", "SSS", "a"])
_READ = ("yyyy-MM-dd", "yyyy/MM/dd", "dd/MM/yyyy", "MM/dd/yyyy", "dd.MM.yyyy", "yyyyMMdd")
_PLAIN = r"[\w ,;:/=@#%&!~'\"<>-]"
_CLASS = r"\[\^?(?:[a-zA-Z0-9]-[a-zA-Z0-9]|[a-zA-Z0-9 _,;:/=@#])+\]"
_MANY = r"(?:[+]|\{[1-9]\})?"
_REGULAR = re.compile(rf"\^?(?:(?:{_PLAIN}|{_CLASS}){_MANY}|[(]|[)]{_MANY}|\|)+", re.ASCII)
_NOTHING = re.compile(r"[(|]\||\|$|^\^?\||\|\)|\(\)")  # alternatives and groups of nothing
_REPLACEMENT = re.compile(r"[^$\\]*")
_PATTERN_OF = {
    "date_format": _DATE, "rlike": _REGULAR, "regexp_like": _REGULAR, "regexp_extract": _REGULAR,
    "regexp_replace": _REGULAR, "split": _REGULAR,
}  # fmt: skip


def require_pattern(name: str, arguments: list[str | None]) -> None:
    """Check a function's pattern.

    Args:
        name: The function.
        arguments: The texts of its arguments behind the first that are literals of text; None for each other one.

    Raises:
        SparkDecides: It was not compared for that pattern.
    """
    if name in ("to_date", "date", "to_timestamp"):
        if arguments and arguments[0] not in _READ:
            raise SparkDecides(f"{name} was compared for the formats {', '.join(_READ)} alone")
        return
    wanted = _PATTERN_OF.get(name)
    if wanted is None:
        return
    pattern = arguments[0] if arguments else None
    fields = {it[0] for it in re.finditer(r"([a-zA-Z])\1*", pattern or "")}
    is_plain = fields <= _FIELDS if wanted is _DATE else not _NOTHING.search(pattern or "")
    if pattern is None or not wanted.fullmatch(pattern) or not is_plain:
        raise SparkDecides(f"{name} was not compared for that pattern")
    replacement = arguments[1] if len(arguments) == 2 else None
    if name == "regexp_replace" and (replacement is None or not _REPLACEMENT.fullmatch(replacement)):
        raise SparkDecides(f"{name} was compared for plain replacements alone")
    if name == "split" and len(arguments) > 1:
        raise SparkDecides(f"{name} was not compared for a limit")
