"""Names of tables: taken apart, put together and quoted in one place.

Within this tool a table is called as people would say it, `database.table`, without quotes whatever characters it has;
only a part that has a dot or a backtick in it keeps its backticks. Spark is given each part in backticks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PART = re.compile(r"`((?:[^`]|``)+)`|([^.`]+)")
_NAME = re.compile(rf"(?:{_PART.pattern})(?:\.(?:{_PART.pattern}))*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HARD = re.compile(r"[.`]")


def split(name: str) -> tuple[str, ...]:
    """Take a table's name apart, quoted or not.

    A name that can't be one (a part is empty, a backtick without another) is split at its dots as it stands.
    """
    text, parts, at = name.strip(), list[str](), 0
    while found := _PART.match(text, at):
        parts.append(found[1].replace("``", "`") if found[1] is not None else found[2].strip())
        at = found.end()
        if at == len(text):
            return tuple(parts)
        if text[at] != ".":
            break
        at += 1
    return tuple(text.split("."))


def is_name(name: str) -> bool:
    """Say whether a text can be the name of a table: no part of it is empty, and its backticks come in pairs."""
    return bool(_NAME.fullmatch(name.strip()))


def joined(parts: Iterable[str]) -> str:
    """Put a name together as people would say it."""
    return ".".join(quote(part) if _HARD.search(part) else part for part in parts)


def plain(name: str) -> str:
    """Return a name as people would say it, quoted or not."""
    return joined(split(name))


def without_catalog(name: str, catalog: str) -> tuple[str, ...]:
    """Take a table's name apart, quoted or not, and drop the catalog's name in front."""
    parts = split(name)
    return parts[1:] if len(parts) > 2 and parts[0] == catalog else parts


def quote(part: str) -> str:
    """Quote one part of a name, or a column, which may hold anything, a dot or a backtick included."""
    return f"`{part.replace('`', '``')}`"


def quoted_parts(parts: Iterable[str]) -> str:
    """Put a name together as Spark SQL takes it."""
    return ".".join(map(quote, parts))


def typed(name: str) -> str:
    """Return a name as one types it into SQL: quoted where it has to be."""
    return ".".join(part if _WORD.fullmatch(part) else quote(part) for part in split(name))


def quoted(name: str) -> str:
    """Return a name as Spark SQL takes it, quoted or not."""
    return quoted_parts(split(name))
