"""What a SQL query's parts bring out: columns, what each is made of, and where the script says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Sequence[str]]
"""The columns of tables by name, in order; tables that are missing have columns that nobody knows."""

Node = Any
"""A node of sqlglot's tree."""


@dataclass(frozen=True)
class Use:
    """A place in a script that names a table, or a column of it.

    Attributes:
        table: The table.
        column: Its column; empty for the table itself.
        line: Line, counted from 1.
        offset: Offset of the name's first character in the script, parameters put in.
        bare: Whether it stands in a SELECT by itself, so that the result is called as it is.
        declares: Whether it stands in the table's own DDL, with its type behind it.
    """

    table: str
    column: str
    line: int
    offset: int
    bare: bool = False
    declares: bool = False


Leaf = tuple[str, str, bool]
"""A table, its column, and whether it only decides."""

Star = tuple[str, int]
"""A table all of whose columns are taken, whatever they are, and the line that says so."""


@dataclass
class Column:
    """A column that a query brings out.

    Attributes:
        name: Its name.
        leaves: What it is made of.
        given: Whether its name is the table's own, and would change with the table's.
    """

    name: str
    leaves: set[Leaf] = field(default_factory=set)
    given: bool = False


@dataclass
class Relation:
    """What stands in a FROM, or comes out of a query.

    Attributes:
        columns: Those that are known, in order.
        open: Tables whose columns nobody knows: any name may be one of theirs.
        table: The table that it is, where it is one.
        stars: The tables that it has a column more of as soon as they do.
    """

    columns: list[Column] = field(default_factory=list)
    open: set[str] = field(default_factory=set)
    table: str | None = None
    stars: frozenset[Star] = frozenset()

    def get(self, name: str) -> Column | None:
        """Return a known column; None for others."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)

    def called(self, names: Sequence[str]) -> Relation:
        """Return it with other names for its columns; as it is where there are none."""
        if not names:
            return self
        pairs = zip(names, self.columns, strict=False)
        return Relation([Column(name, column.leaves) for name, column in pairs], self.open, stars=self.stars)

    def maybe(self, name: str) -> Column:
        """Return what a name would be if it were one of the columns that nobody knows."""
        return Column(name, {(table, name, False) for table in self.open}, given=True)


Sources = dict[str, Relation]
