"""What the readers of all formats yield: a few thousand rows at a time, each with the line that it stands on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dataflow.errors import UsageError, display_path
from dataflow.tables.schema.spark_types import SqlType
from dataflow.wording import plural

ROWS = 20_000
"""Rows of a chunk: all that is held of a file at once."""

_SHOWN = 20  # bad rows that a message lists


@dataclass(frozen=True)
class Chunk:
    """Rows of one file.

    Attributes:
        columns: The values of each column, by its name: texts of CSV, values of JSON, an Arrow array of Parquet.
        lines: The line (of Parquet: the number) of each row, counted from 1.
    """

    columns: Mapping[str, Any]
    lines: Sequence[int]


@dataclass
class BadRows:
    """Rows that can't be loaded: how many, and the first of them by file, line and reason.

    Attributes:
        count: How many.
        shown: The first of them.
    """

    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, file: Path, line: int, reason: str) -> None:
        """Note one."""
        self.count += 1
        if self.count <= _SHOWN:
            self.shown.append(f"{display_path(file)}:{line}: {reason}")

    def listed(self) -> str:
        """Return them, a line each."""
        rest = [f"… and {self.count - _SHOWN:,} more"] if self.count > _SHOWN else []
        return "\n".join(f"  {line}" for line in (*self.shown, *rest))

    def require_none(self) -> None:
        """Refuse to load anything beside them.

        Raises:
            UsageError: There are some; the message names them.
        """
        if self.count:
            raise UsageError(
                f"{plural(self.count, 'row')} can't be loaded, and nothing was loaded:\n{self.listed()}",
                "mend the file, give a column another type (--type NAME=string), or leave them out: --skip-bad-rows",
            )


class Reader(Protocol):
    """Reads one file, as often as it is asked to."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def names(self) -> Sequence[str]:
        """The columns that it says it has, in order; none where each row names its own."""

    @property
    def types(self) -> Mapping[str, SqlType]:
        """The types that it says its columns have."""

    @property
    def is_text(self) -> bool:
        """Whether it writes everything as text, numbers and dates among it."""

    def chunks(self, bad: BadRows) -> Iterator[Chunk]:
        """Yield its rows; those that can't be read are noted."""


def require_names(path: Path, names: Sequence[str]) -> None:
    """Refuse columns that no table can have.

    Raises:
        UsageError: One has no name, or two have the same.
    """
    known: dict[str, str] = {}
    for position, name in enumerate(names, 1):
        if not name or not name.isprintable():
            wrong = "a name with characters that can't be seen" if name else "no name"
            raise UsageError(
                f"{display_path(path)}:1: column {position} has {wrong}",
                "the first line of a CSV file names its columns",
            )
        if name.lower() in known:
            raise UsageError(f"{display_path(path)}:1: two columns are called '{known[name.lower()]}' and '{name}'")
        known[name.lower()] = name
