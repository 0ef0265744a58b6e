"""Which parameters of a program name a table that it reads or writes: told by what they are called, in one place."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*){1,3}"
"""What the name of a table in a database looks like."""

_WORD = re.compile(r"[A-Z]+")


class TableRole(enum.Enum):
    """What a program does with the table that a parameter names."""

    SOURCE = frozenset({"SOURCE", "SOURCES", "INPUT", "INPUTS", "FROM"})
    TARGET = frozenset({"TARGET", "TARGETS", "OUTPUT", "OUTPUTS", "INTO"})
    UNSAID = frozenset({"TABLE", "TABLES"})


def table_role(parameter: str) -> TableRole | None:
    """Return what a parameter's name says of its table; None where it speaks of none."""
    words = set(_WORD.findall(parameter))
    said = [role for role in (TableRole.TARGET, TableRole.SOURCE, TableRole.UNSAID) if words & role.value]
    return said[0] if said else None


def is_table(value: str) -> bool:
    """Say whether a parameter's value can be the name of a table in a database."""
    return re.fullmatch(TABLE, value) is not None


def source_tables(params: Mapping[str, str]) -> tuple[str, ...]:
    """Return the tables that parameters called a source name, each once."""
    found = (value for name, value in params.items() if is_table(value) and table_role(name) is TableRole.SOURCE)
    return tuple(dict.fromkeys(found))
