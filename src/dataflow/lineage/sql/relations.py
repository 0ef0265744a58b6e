"""The model of the SQL resolver: relations, their columns, and the source columns of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Sequence[str]]
"""The columns of tables by name, in order; the columns of missing tables are unknown."""

Node = Any
"""A node of sqlglot's tree."""


@dataclass(frozen=True)
class SqlReference:
    """A place in a script that references a table or a column.

    Attributes:
        table: The table.
        column: Its column; empty for the table itself.
        line: Line, counted from 1.
        offset: Offset of the name in the script, with parameters substituted.
        is_projection: Whether it is a column of a SELECT, which it gives its name.
        is_declaration: Whether it is a column definition in the DDL of the table.
        is_target: Whether it is a column of a SELECT that names the column of the table which it fills: INSERT BY NAME.
    """

    table: str
    column: str
    line: int
    offset: int
    is_projection: bool = False
    is_declaration: bool = False
    is_target: bool = False


Leaf = tuple[str, str, bool]
"""A source: a table, its column, and whether it is indirect."""

SelectStar = tuple[str, int]
"""A table all of whose columns a `*` selects, and the line of the `*`."""


@dataclass
class QueryColumn:
    """A column of the result of a query.

    Attributes:
        name: Its name.
        leaves: Its sources.
        is_unaliased: Whether it has the name of the column of the table.
        is_wildcard: Whether it stands for any number of columns with unknown names, such as the fields of a struct.
        location: The line and the offset of the column in a SELECT, or None.
        fields: The fields of a struct that the query creates, in order, each with its sources.
    """

    name: str
    leaves: set[Leaf] = field(default_factory=set)
    is_unaliased: bool = False
    is_wildcard: bool = False
    location: tuple[int, int] | None = field(default=None, compare=False)
    fields: tuple[tuple[str, frozenset[Leaf]], ...] = ()

    def leaves_of_field(self, name: str) -> set[Leaf]:
        """Return the sources of a field; all sources where the fields are unknown."""
        return next((set(leaves) for called, leaves in self.fields if called.lower() == name.lower()), self.leaves)


@dataclass
class Relation:
    """A relation: an item of a FROM, or the result of a query.

    Attributes:
        columns: The known columns, in order.
        open_tables: Tables with unknown columns: any name may be one of theirs.
        table: The table, where it is one.
        stars: The tables whose new columns it would get.
    """

    columns: list[QueryColumn] = field(default_factory=list)
    open_tables: set[str] = field(default_factory=set)
    table: str | None = None
    stars: frozenset[SelectStar] = frozenset()

    @property
    def is_known(self) -> bool:
        """Whether all of its columns are known."""
        return not self.open_tables and not any(column.is_wildcard for column in self.columns)

    def get(self, name: str) -> QueryColumn | None:
        """Return a known column; None for others."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[QueryColumn]:
        """Return the known columns with a name."""
        return [column for column in self.columns if not column.is_wildcard and column.name.lower() == name.lower()]

    def with_column_names(self, names: Sequence[str]) -> Relation:
        """Return it with new column names; unchanged where there are none."""
        if not names:
            return self
        pairs = columns_by_position(self.columns, len(names))
        columns = [
            QueryColumn(name, column.leaves, location=(0, 0)) for name, column in zip(names, pairs, strict=False)
        ]
        return Relation(columns, self.open_tables, stars=self.stars)

    def possible_column(self, name: str) -> QueryColumn:
        """Return the column that a name would be if it were one of the unknown columns."""
        leaves = {(table, name, False) for table in self.open_tables}
        vague = {leaf for column in self.columns if column.is_wildcard for leaf in column.leaves}
        return QueryColumn(name, leaves | vague, is_unaliased=not vague)


def columns_by_position(columns: Sequence[QueryColumn], width: int) -> list[QueryColumn]:
    """Return the column at each position, where wildcards stand for any number of columns."""
    at = next((position for position, column in enumerate(columns) if column.is_wildcard), None)
    if at is None:
        return list(columns)
    before, behind = list(columns[:at]), list(columns[at + 1 :])
    if any(column.is_wildcard for column in behind):  # it is unknown where one ends and the next begins
        every = QueryColumn("", {leaf for column in columns[at:] for leaf in column.leaves}, is_wildcard=True)
        return [*before, *[every] * max(width - at, 0)]
    return [*before, *[columns[at]] * max(width - len(before) - len(behind), 0), *behind]


@dataclass
class QueryScope:
    """The relations of a FROM, as the rest of the query sees them.

    Attributes:
        items: Tables, views and subqueries by alias, in lower case.
        row: All columns, as `*` selects them.
    """

    items: dict[str, Relation] = field(default_factory=dict)
    row: Relation = field(default_factory=Relation)

    @classmethod
    def of(cls, name: str, relation: Relation) -> QueryScope:
        """Return the scope of one relation."""
        return cls({name.lower(): relation}, relation)

    @property
    def is_known(self) -> bool:
        """Whether all columns of all relations are known."""
        return self.row.is_known and all(relation.is_known for relation in self.items.values())

    def combined_with(self, other: QueryScope) -> QueryScope:
        """Return both scopes as one, the columns of the other last."""
        row = Relation([*self.row.columns, *other.row.columns], self.row.open_tables | other.row.open_tables)
        return QueryScope({**self.items, **other.items}, row)

    def lookup(self, parts: Sequence[str]) -> Relation | None:
        """Return the relation with an alias, or the table with a qualified name."""
        if len(parts) == 1:
            return self.items.get(parts[0].lower())
        name = ".".join(parts).lower()
        tables = (found for found in self.items.values() if found.table is not None)
        return next((found for found in tables if f".{found.table}".lower().endswith(f".{name}")), None)

    def stars(self, line: int) -> frozenset[SelectStar]:
        """Return the tables all of whose columns a `*` on a line selects."""
        found = ({(relation.table, line)} if relation.table else relation.stars for relation in self.items.values())
        return frozenset(star for stars in found for star in stars)

    def flattened(self, line: int) -> Relation:
        """Return it as one relation without aliases."""
        return Relation(list(self.row.columns), set(self.row.open_tables), stars=self.stars(line))


Views = dict[str, Relation]
