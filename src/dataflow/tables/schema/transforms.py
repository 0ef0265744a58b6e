"""What tables are partitioned by, in one spelling: Iceberg, Spark and a DDL each have their own."""

from __future__ import annotations

import re

_CALL = re.compile(r"(\w+)\s*\((.*)\)", re.DOTALL)
_NAMES = {
    "year": "years",
    "month": "months",
    "day": "days",
    "date": "days",
    "hour": "hours",
    "date_hour": "hours",
}
"""What Iceberg takes for one another (`Spark3Util.toPartitionSpec`)."""


def plain_transform(text: str) -> str:
    """Spell a transform as it is compared: `days(ts)`, `bucket(16, id)`, or a column's name, in lower case.

    Args:
        text: A transform as SQL has it, such as "day(`ts`)" or `truncate(name, 4)`.
    """
    call = _CALL.fullmatch(text.strip())
    if call is None:
        return _plain(text.strip())
    name = call[1].lower()
    arguments = [_plain(found[0]) for found in re.finditer(r"(?:`(?:[^`]|``)*`|[^,\s`])+", call[2])]
    if name == "identity":
        return ", ".join(arguments)
    sizes = [each for each in arguments if each.isdecimal()]
    columns = [each for each in arguments if not each.isdecimal()]
    return f"{_NAMES.get(name, name)}({', '.join((*sizes, *columns))})"


def transform_of(name: str, column: str) -> str:
    """Spell one of Iceberg's transforms, such as `bucket[16]` or `day`, of a column."""
    kind, _, size = name.partition("[")
    if kind == "identity":
        return column.lower()
    arguments = (size.removesuffix("]"), column.lower()) if size else (column.lower(),)
    return f"{_NAMES.get(kind, kind)}({', '.join(arguments)})"


def source_of(transform: str) -> str:
    """Return the column that a transform takes, out of its one spelling."""
    call = _CALL.fullmatch(transform)
    return transform if call is None else call[2].rpartition(", ")[2]


def _plain(name: str) -> str:
    return re.sub(r"`((?:[^`]|``)*)`", lambda found: found[1].replace("``", "`"), name).lower()
