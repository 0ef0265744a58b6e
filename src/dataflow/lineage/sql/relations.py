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
class SqlReference:
    """A place in a script that names a table, or a column of it.

    Attributes:
        table: The table.
        column: Its column; empty for the table itself.
        line: Line, counted from 1.
        offset: Offset of the name's first character in the script, parameters put in.
        is_projection: Whether it stands in a SELECT by itself, so that the result is called as it is.
        is_declaration: Whether it stands in the table's own DDL, with its type behind it.
    """

    table: str
    column: str
    line: int
    offset: int
    is_projection: bool = False
    is_declaration: bool = False


Leaf = tuple[str, str, bool]
"""A table, its column, and whether it only decides."""

SelectStar = tuple[str, int]
"""A table all of whose columns are taken, whatever they are, and the line that says so."""


@dataclass
class QueryColumn:
    """A column that a query brings out.

    Attributes:
        name: Its name.
        leaves: What it is made of.
        is_unaliased: Whether its name is the table's own, and would change with the table's.
        is_wildcard: Whether it stands for any number of columns that nobody can name, such as the fields of a struct.
        location: The line and the offset where a SELECT says so, or None.
        fields: The fields of a struct that the query makes, in order, each with what it is made of.
    """

    name: str
    leaves: set[Leaf] = field(default_factory=set)
    is_unaliased: bool = False
    is_wildcard: bool = False
    location: tuple[int, int] | None = field(default=None, compare=False)
    fields: tuple[tuple[str, frozenset[Leaf]], ...] = ()

    def leaves_of_field(self, name: str) -> set[Leaf]:
        """Return what a field of it is made of: all of it where nobody knows its fields."""
        return next((set(leaves) for called, leaves in self.fields if called.lower() == name.lower()), self.leaves)


@dataclass
class Relation:
    """What stands in a FROM, or comes out of a query.

    Attributes:
        columns: Those that are known, in order.
        open_tables: Tables whose columns nobody knows: any name may be one of theirs.
        table: The table that it is, where it is one.
        stars: The tables that it has a column more of as soon as they do.
    """

    columns: list[QueryColumn] = field(default_factory=list)
    open_tables: set[str] = field(default_factory=set)
    table: str | None = None
    stars: frozenset[SelectStar] = frozenset()

    @property
    def is_known(self) -> bool:
        """Whether it has the columns that it lists, and no others."""
        return not self.open_tables and not any(column.is_wildcard for column in self.columns)

    def get(self, name: str) -> QueryColumn | None:
        """Return a known column; None for others."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[QueryColumn]:
        """Return the known columns of a name."""
        return [column for column in self.columns if not column.is_wildcard and column.name.lower() == name.lower()]

    def with_column_names(self, names: Sequence[str]) -> Relation:
        """Return it with other names for its columns; as it is where there are none."""
        if not names:
            return self
        pairs = columns_by_position(self.columns, len(names))
        columns = [
            QueryColumn(name, column.leaves, location=(0, 0)) for name, column in zip(names, pairs, strict=False)
        ]
        return Relation(columns, self.open_tables, stars=self.stars)

    def possible_column(self, name: str) -> QueryColumn:
        """Return what a name would be if it were one of the columns that nobody knows."""
        leaves = {(table, name, False) for table in self.open_tables}
        vague = {leaf for column in self.columns if column.is_wildcard for leaf in column.leaves}
        return QueryColumn(name, leaves | vague, is_unaliased=not vague)


def columns_by_position(columns: Sequence[QueryColumn], width: int) -> list[QueryColumn]:
    """Return which column stands at each of so many places, where some of them stand for any number."""
    at = next((position for position, column in enumerate(columns) if column.is_wildcard), None)
    if at is None:
        return list(columns)
    before, behind = list(columns[:at]), list(columns[at + 1 :])
    if any(column.is_wildcard for column in behind):  # nobody knows where one ends and the next begins
        every = QueryColumn("", {leaf for column in columns[at:] for leaf in column.leaves}, is_wildcard=True)
        return [*before, *[every] * max(width - at, 0)]
    return [*before, *[columns[at]] * max(width - len(before) - len(behind), 0), *behind]


@dataclass
class QueryScope:
    """What stands in a FROM, as the rest of its query sees it.

    Attributes:
        items: Tables, views and subqueries by what they are called, in lower case.
        row: All columns together, as `*` brings them.
    """

    items: dict[str, Relation] = field(default_factory=dict)
    row: Relation = field(default_factory=Relation)

    @classmethod
    def of(cls, name: str, relation: Relation) -> QueryScope:
        """Return the scope of one thing alone."""
        return cls({name.lower(): relation}, relation)

    @property
    def is_known(self) -> bool:
        """Whether all columns of all that stands there are known."""
        return self.row.is_known and all(relation.is_known for relation in self.items.values())

    def combined_with(self, other: QueryScope) -> QueryScope:
        """Return both, the columns of one behind those of the other."""
        row = Relation([*self.row.columns, *other.row.columns], self.row.open_tables | other.row.open_tables)
        return QueryScope({**self.items, **other.items}, row)

    def lookup(self, parts: Sequence[str]) -> Relation | None:
        """Return what is called so: by its alias, or a table by its whole name."""
        if len(parts) == 1:
            return self.items.get(parts[0].lower())
        name = ".".join(parts).lower()
        tables = (found for found in self.items.values() if found.table is not None)
        return next((found for found in tables if f".{found.table}".lower().endswith(f".{name}")), None)

    def stars(self, line: int) -> frozenset[SelectStar]:
        """Return the tables all of whose columns a star on a line takes."""
        found = ({(relation.table, line)} if relation.table else relation.stars for relation in self.items.values())
        return frozenset(star for stars in found for star in stars)

    def flattened(self, line: int) -> Relation:
        """Return it as one thing, whose parts have no names any more."""
        return Relation(list(self.row.columns), set(self.row.open_tables), stars=self.stars(line))


Views = dict[str, Relation]
