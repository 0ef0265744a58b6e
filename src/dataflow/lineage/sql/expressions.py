"""The source columns of expressions in SQL queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dataflow.lineage.sql.from_clause import FromClauseReader
from dataflow.lineage.sql.generators import fields_of, name_of_function
from dataflow.lineage.sql.relations import (
    Leaf,
    Node,
    QueryColumn,
    QueryScope,
    Relation,
    SelectStar,
    SqlReference,
    Views,
)

_RANKING = frozenset({"ntile", "percent_rank", "rank", "dense_rank", "row_number", "cume_dist"})
"""Functions whose arguments determine the ranking, not a value."""

_LITERALS = frozenset({"user", "localtimestamp", "current_time", "current_timestamp", "grouping__id"})
"""Functions that are called without parentheses, like columns."""


@dataclass(frozen=True)
class UnresolvedName:
    """A name without a column, where all columns in scope are known.

    Attributes:
        name: The name.
        place: The table that should have it; empty for several.
        known: The names in scope.
        line: Line, counted from 1.
        offset: Offset of the name in the script, with parameters substituted.
    """

    name: str
    place: str
    known: tuple[str, ...]
    line: int
    offset: int


class ExpressionReader(FromClauseReader):
    """Resolves expressions to source columns, and collects references.

    Attributes:
        references: Where tables and columns are referenced.
        indirect: The indirect sources of the rows of the current statement.
        select_stars: Stars that are used by position: the script fails when their table gets another column.
        unresolved: Names without a column.
        variables: The variables of the script, in lower case.
    """

    def __init__(self) -> None:
        self.references: set[SqlReference] = set()
        self.select_stars: set[SelectStar] = set()
        self.indirect: set[Leaf] = set()
        self.unresolved: dict[UnresolvedName, None] = {}
        self.variables: set[str] = set()

    def add_indirect(self, part: Node, scopes: list[QueryScope], ctes: Views) -> None:
        """Add the columns of a filter, a join condition, a grouping or an order as indirect sources."""
        if part is not None:
            self.indirect |= self.value(part, scopes, ctes)

    def value(
        self, value: Node, scopes: list[QueryScope], ctes: Views, windows: Mapping[str, Node] | None = None
    ) -> set[Leaf]:
        """Return the sources of an expression."""
        from sqlglot import exp

        if isinstance(value, exp.Column | exp.Star):
            return self._column(value, scopes)
        if isinstance(value, exp.Exists | exp.In) and value.find(exp.Query):
            return self._subquery_predicate(value, scopes, ctes)
        if isinstance(value, exp.Query):
            inner = self.query(value, ctes, scopes)
            return {leaf for column in inner.columns for leaf in column.leaves}
        if isinstance(value, exp.Window | exp.Filter | exp.Dot):
            return self._part(value, scopes, ctes, windows)
        parts = _operands(value)
        if isinstance(value, exp.GroupConcat) and isinstance(value.this, exp.Order):  # what LISTAGG goes by
            parts = [value.this.this]
        leaves = {leaf for part in parts for leaf in self.value(part, scopes, ctes, windows)}
        if isinstance(value, exp.GroupConcat) and isinstance(value.this, exp.Order):
            for part in value.this.expressions:
                leaves |= _indirect(self.value(part, scopes, ctes, windows))
        if isinstance(value, exp.Grouping | exp.GroupingId):
            self.indirect |= leaves
            return set()
        return leaves

    def _part(
        self, value: Node, scopes: list[QueryScope], ctes: Views, windows: Mapping[str, Node] | None
    ) -> set[Leaf]:
        """Resolve a window, an aggregate with FILTER, or a field of a struct that the query creates."""
        from sqlglot import exp

        if isinstance(value, exp.Window):
            return self._window(value, scopes, ctes, windows or {})

        def made_of(part: Node) -> set[Leaf]:
            return self.value(part, scopes, ctes, windows)

        if isinstance(value, exp.Filter):
            return made_of(value.this) | _indirect(made_of(value.expression))
        struct = value.this
        chosen = isinstance(struct, exp.Max | exp.Min)  # by the fields before it, and those behind it
        fields = fields_of(struct.this if chosen else struct, made_of)
        found = next((set(leaves) for name, leaves in fields if name.lower() == value.expression.name.lower()), None)
        if found is None:
            return made_of(struct) | (
                made_of(value.expression) if not isinstance(value.expression, exp.Identifier) else set()
            )
        return found | _indirect(made_of(struct)) if chosen else found

    def _column(self, value: Node, scopes: list[QueryScope]) -> set[Leaf]:
        """Resolve a name, or a star for all columns of a FROM, such as in `struct(*)`."""
        from sqlglot import exp

        if isinstance(value, exp.Column) and not value.is_star:
            return self._resolve(value.parts, value, scopes)
        if isinstance(value.parent, exp.Count) and isinstance(value, exp.Star):
            return set()
        parts = [part.name for part in value.parts[:-1]] if isinstance(value, exp.Column) else []
        meant = scopes[0].lookup(parts) if parts else scopes[0].row
        return {leaf for column in (meant or Relation()).columns for leaf in column.leaves}

    def _window(self, value: Node, scopes: list[QueryScope], ctes: Views, windows: Mapping[str, Node]) -> set[Leaf]:
        """Resolve a window: partition and order are indirect, as are the arguments of a ranking function."""
        named = windows.get(value.alias.lower()) if value.alias else None
        found = self.value(value.this, scopes, ctes, windows)
        if name_of_function(value.this) in _RANKING:
            found = _indirect(found)
        for window in (value, named):
            if window is not None:
                parts = (window.args.get("order"), *(window.args.get("partition_by") or ()))
                found |= {leaf for part in parts if part for leaf in _indirect(self.value(part, scopes, ctes))}
        return found

    def _subquery_predicate(self, value: Node, scopes: list[QueryScope], ctes: Views) -> set[Leaf]:
        """Resolve `x IN (query)` and `EXISTS (query)`: the conditions of the query are indirect."""
        from sqlglot import exp

        query = value.args.get("query") if isinstance(value, exp.In) else value.this
        if query is None:
            return {leaf for child in value.iter_expressions() for leaf in self.value(child, scopes, ctes)}
        inner = self.query(query.this if isinstance(query, exp.Subquery) else query, ctes, scopes)
        if isinstance(value, exp.Exists):
            return set()
        self.select_stars |= inner.stars
        return self.value(value.this, scopes, ctes) | {leaf for column in inner.columns for leaf in column.leaves}

    def _resolve(self, parts: Sequence[Node], column: Node, scopes: list[QueryScope]) -> set[Leaf]:
        """Return the sources of a name; the innermost scope that has it wins."""
        names = [part.name for part in parts]
        for at, scope in enumerate(scopes):
            lacks = False
            for length in (3, 2, 1):  # catalog.database.table, database.table or an alias in front
                relation = scope.lookup(names[:length]) if length < len(names) else None
                found = None if relation is None else relation.get(names[length])
                if relation is not None and (found is not None or not relation.is_known):
                    return self._add_references(
                        parts, length, column, [found or relation.possible_column(names[length])]
                    )
                lacks = lacks or relation is not None
            known = scope.row.all(names[0])
            if known or not (scope.row.is_known or lacks or _is_alias(names, scopes[at + 1 :])):
                return self._add_references(parts, 0, column, known or _possible_columns(scope, names[0]))
        self._note_unresolved(parts, scopes)
        return set()

    def _note_unresolved(self, parts: Sequence[Node], scopes: list[QueryScope]) -> None:
        """Add a name that is not a column, nor anything else that Spark accepts."""
        names = [part.name for part in parts]
        if names[0].lower() in _LITERALS | self.variables or any(name.startswith("_") for name in names):
            return  # Iceberg's own columns begin so
        lengths = [length for length in (3, 2, 1) if length < len(names)]
        found = ((length, scope.lookup(names[:length])) for scope in scopes for length in lengths)
        at, relation = next(((length, it) for length, it in found if it is not None), (0, None))
        relations = [relation] if relation is not None else [scope.row for scope in scopes]
        known = tuple(dict.fromkeys(column.name for each in relations for column in each.columns if column.name))
        tables = [each.table for scope in scopes for each in scope.items.values()]
        alone = tables[0] if len(tables) == 1 and len(names) == 1 else None
        place = alone if relation is None else relation.table
        line, start = parts[at].meta.get("line"), parts[at].meta.get("start")
        if line is not None and start is not None and names[at].upper() != "ALL":
            self.unresolved[UnresolvedName(names[at], place or "", known, line, start)] = None
            if place:
                self.references.add(SqlReference(place, names[at], line, start))

    def _add_references(
        self, parts: Sequence[Node], position: int, column: Node, meant: Sequence[QueryColumn]
    ) -> set[Leaf]:
        from sqlglot import exp

        part = parts[position]
        line, start = part.meta.get("line"), part.meta.get("start")
        if line is not None and start is not None:
            bare = isinstance(column.parent, exp.Select) and column.arg_key == "expressions"
            self.references |= {
                SqlReference(table, name, line, start, bare)
                for each in meant
                if each.is_unaliased
                for table, name, _ in each.leaves
            }
        of = parts[position + 1].name if position + 1 < len(parts) else None
        return {leaf for each in meant for leaf in (each.leaves if of is None else each.leaves_of_field(of))}

    def add_table_reference(self, table: Node, name: str) -> None:
        """Add a reference to a table."""
        first = table.parts[0] if getattr(table, "parts", None) else None
        if first is not None and "line" in first.meta:
            self.references.add(SqlReference(name, "", first.meta["line"], first.meta["start"]))


def _is_alias(names: Sequence[str], scopes: Sequence[QueryScope]) -> bool:
    """Return whether the qualifier of a name is an alias in an enclosing query, rather than a struct."""
    lengths = [length for length in (3, 2, 1) if length < len(names)]
    return any(scope.lookup(names[:length]) is not None for scope in scopes for length in lengths)


def _possible_columns(scope: QueryScope, name: str) -> list[QueryColumn]:
    relations = [relation.possible_column(name) for relation in scope.items.values() if not relation.is_known]
    return relations or [scope.row.possible_column(name)]


def _indirect(leaves: Iterable[Leaf]) -> set[Leaf]:
    return {(table, column, True) for table, column, _ in leaves}


def _operands(value: Node) -> list[Node]:
    """Return the operands of an expression; chained operators are flattened, as a thousand ORs nest too deep."""
    from sqlglot import exp

    found = []
    while isinstance(value, exp.Binary):
        found.append(value.expression)
        value = value.this
    return [value, *found] if found else list(value.iter_expressions())
