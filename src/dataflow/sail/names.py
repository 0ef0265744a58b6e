"""What the names of columns in a query may stand for: columns of tables, expressions with that name, or nobody knows.

Scopes are not told apart: a name stands for all that any part of the query calls so. That is more than it means, never
less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot.expressions import Column, Expr, Query

NO_TABLE = -1
Schema = Mapping[str, str]
"""The columns of a table with their kinds, as `kinds.py` has them."""


class Nested(str):
    """The kind of a column with parts: equal to all others that have some.

    Attributes:
        elements: The kinds of an array's elements, or of a map's keys and values.
        key: The kind of a map's keys; None of an array, or a struct.
        fields: The kinds of a struct's fields, by their names in lower case.
    """

    elements: frozenset[str]
    key: str | None
    fields: Mapping[str, str]

    def __new__(
        cls, elements: frozenset[str] = frozenset(), key: str | None = None, fields: Mapping[str, str] | None = None
    ) -> Nested:
        """Make one of its parts."""
        made = super().__new__(cls, "nested")
        made.elements = elements
        made.key = key
        made.fields = fields or {}
        return made


@dataclass(frozen=True)
class Sources:
    """What a column may stand for.

    Attributes:
        columns: Tables by their numbers, each with the kind of its column so called; a struct's field has `NO_TABLE`.
        expressions: Expressions with that name.
        is_known: Whether it can't be anything else.
    """

    columns: Sequence[tuple[int, str]]
    expressions: Sequence[Expr]
    is_known: bool


class Names:
    """The names of a query that reads tables of some columns."""

    def __init__(self, tree: Expr, schemas: Sequence[Schema]) -> None:
        from sqlglot import exp

        self._schemas = [{name.lower(): kind for name, kind in schema.items()} for schema in schemas]
        self._nested = {name for schema in self._schemas for name, kind in schema.items() if kind == "nested"}
        self._aliases: dict[str, list[Expr]] = defaultdict(list)
        for each in tree.find_all(exp.Alias):
            self._aliases[each.alias.lower()].append(each.this)
        self._listed = set()
        self._tables = {it.alias_or_name.lower() for it in tree.find_all(exp.Table, exp.TableAlias, exp.CTE)}
        for table in tree.find_all(exp.TableAlias):
            columns = [it.name.lower() for it in table.args.get("columns") or ()]
            if isinstance(table.parent, exp.Lateral):
                self._read_lateral(table.parent.this, columns)
            else:
                self._listed |= set(columns)
        self._has_stars_in_unions = False
        for union in tree.find_all(exp.SetOperation):
            self._read_union(union)

    def _read_union(self, union: Expr) -> None:
        """Note that the columns of a union have the names of its first part, and the values of all."""
        parts = [part.selects for part in parts_of(union)]
        if any(item.is_star for part in parts for item in part) or len({len(part) for part in parts}) > 1:
            self._has_stars_in_unions = True
            return
        for first, *others in zip(*parts, strict=True):
            self._aliases[first.alias_or_name.lower()] += [it.unalias() for it in others]

    def _read_lateral(self, function: Expr, columns: Sequence[str]) -> None:
        """Note that the columns of a lateral view are what a function takes out of an array or a map."""
        from sqlglot import exp

        values = columns
        if isinstance(function, exp.Posexplode) and columns:
            self._aliases[columns[0]].append(exp.Literal.number(0))
            values = columns[1:]
        for name in values:
            self._aliases[name].append(function)

    @property
    def all_kinds(self) -> frozenset[str]:
        """The kinds of all columns of all tables, and whatever expressions may have where there are any."""
        kinds = frozenset(kind for schema in self._schemas for kind in schema.values())
        return kinds | {"other"} if self._aliases or self._listed else kinds

    def may_be_field(self, column: Column) -> bool:
        """Say whether a column may be a field of a struct that is not known."""
        name = column.table.lower()
        is_made = name in self._aliases and name not in self._tables
        return bool(name) and (is_made or (name in self._nested and not self._fields(column)))

    def is_field(self, column: Column) -> bool:
        """Say whether a column is a field of a struct, which is known."""
        return bool(self._fields(column))

    def _fields(self, column: Column) -> list[tuple[int, str]]:
        """Return the kinds of the field that a column certainly is, by each struct of that name."""
        name = column.table.lower()
        structs = [schema[name] for schema in self._schemas if name in schema]
        if not structs or name in (*self._tables, *self._aliases, *self._listed) or column.args.get("db"):
            return []
        fields = [it.fields.get(column.name.lower()) for it in structs if isinstance(it, Nested)]
        found = [kind for kind in fields if kind is not None]
        return [(NO_TABLE, kind) for kind in found] if len(found) == len(structs) else []

    def sources(self, column: Column) -> Sources:
        """Return what a column may stand for."""
        if fields := self._fields(column):
            return Sources(fields, [], is_known=True)
        name = column.name.lower()
        tables = [(i, schema[name]) for i, schema in enumerate(self._schemas) if name in schema]
        expressions = self._aliases.get(name, [])
        is_field = bool(column.table) and column.table.lower() in (*self._nested, *self._aliases, *self._listed)
        is_known = (
            bool(tables or expressions) and name not in self._listed and not is_field and not self._has_stars_in_unions
        )
        return Sources(tables, expressions, is_known)


def parts_of(query: Expr) -> Iterator[Query]:
    """Yield the queries whose rows a union puts together."""
    from sqlglot import exp

    if isinstance(query, exp.SetOperation):
        yield from parts_of(query.this)
        yield from parts_of(query.expression)
    elif isinstance(query, exp.Subquery):
        yield from parts_of(query.this)
    elif isinstance(query, exp.Query):
        yield query
