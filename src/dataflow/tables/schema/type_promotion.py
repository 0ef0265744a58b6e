"""Which types hold all values of another, so that a column can take them on in place."""

from __future__ import annotations

import re

_WIDER = {("INT", "BIGINT"), ("FLOAT", "DOUBLE")}  # Iceberg specification, "Schema evolution"
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def widens(old: str, new: str) -> bool:
    """Say whether Iceberg widens one type to another.

    Args:
        old: A type as Spark SQL spells it, in any case.
        new: The other one.
    """
    was, now = ("".join(each.upper().split()) for each in (old, new))
    if (was, now) in _WIDER:
        return True
    before, after = _DECIMAL.fullmatch(was), _DECIMAL.fullmatch(now)
    return before is not None and after is not None and before[2] == after[2] and int(before[1]) < int(after[1])
