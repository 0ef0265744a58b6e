"""The relations in the FROM of a SQL query: tables, joins, table functions, pivots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from dataflow.lineage.sql.generators import generator_columns
from dataflow.lineage.sql.relations import Leaf, Node, QueryColumn, QueryScope, Relation, SelectStar, Views
from dataflow.workflow import table_names

_FILE_FORMATS = frozenset({"parquet", "orc", "csv", "json", "text", "avro", "xml", "binaryfile", "delta", "iceberg"})
"""Formats before a path in the place of a table."""


class FromClauseReader(ABC):
    """Resolves the items of a FROM; a subclass resolves queries and expressions."""

    indirect: set[Leaf]
    select_stars: set[SelectStar]

    @abstractmethod
    def query(self, query: Node, ctes: Views, outer: list[QueryScope]) -> Relation:
        """Return the relation that a query results in."""

    @abstractmethod
    def value(
        self, value: Node, scopes: list[QueryScope], ctes: Views, windows: Mapping[str, Node] | None = None
    ) -> set[Leaf]:
        """Return the sources of an expression."""

    @abstractmethod
    def add_indirect(self, part: Node, scopes: list[QueryScope], ctes: Views) -> None:
        """Add the columns of a condition as indirect sources."""

    @abstractmethod
    def from_table(self, table: Node, ctes: Views) -> Relation:
        """Return the relation of a name."""

    # ------------------------------------------------------------------------------------------ items

    def scope_of(self, select: Node, ctes: Views, outer: list[QueryScope]) -> QueryScope:
        """Return the scope of a SELECT, with its joins and lateral views."""
        scope = QueryScope()
        from_ = select.args.get("from_")
        if from_ is not None:
            scope = self.from_item(from_.this, ctes, outer, scope)
        scope = self._joins(scope, select, ctes, outer)
        for lateral in select.args.get("laterals") or ():
            scope = scope.combined_with(self._lateral(lateral, ctes, outer, scope))
        return self._pivoted(select, scope, ctes, outer)

    def from_item(self, source: Node, ctes: Views, outer: list[QueryScope], before: QueryScope) -> QueryScope:
        """Return the scope of an item of a FROM; `before` is the scope of the items before it."""
        from sqlglot import exp

        if isinstance(source, exp.Lateral):
            return self._lateral(source, ctes, outer, before)
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Func) and not _is_identifier_call(source):
            columns = generator_columns(source.this, source.alias_column_names, self._values_in([before, *outer], ctes))
            return QueryScope.of(source.alias or _generated_alias(before), Relation(columns))
        if isinstance(source, exp.Subquery) and isinstance(source.this, exp.Table | exp.Subquery):  # a join in brackets
            scope = self._joins(self.from_item(source.this, ctes, outer, before), source, ctes, outer)
            scope = self._pivoted(source, scope, ctes, outer)
            if not source.alias:
                return scope
            return QueryScope.of(
                source.alias, self.with_column_names(scope.flattened(_line(source)), source.alias_column_names)
            )
        if isinstance(source, exp.Table):
            relation = self.from_table(source, ctes)
        else:
            relation = self.query(source.this if isinstance(source, exp.Subquery) else source, ctes, outer)
        relation = self.with_column_names(relation, source.alias_column_names)
        scope = QueryScope.of(source.alias_or_name or _generated_alias(before), relation)
        return self._joins(self._pivoted(source, scope, ctes, outer), source, ctes, outer)

    def with_column_names(self, relation: Relation, names: Sequence[str]) -> Relation:
        """Name the columns of a relation by position."""
        if names:
            self.select_stars |= relation.stars
        return relation.with_column_names(names)

    def _lateral(self, lateral: Node, ctes: Views, outer: list[QueryScope], before: QueryScope) -> QueryScope:
        from sqlglot import exp

        name = lateral.alias or _generated_alias(before)
        if isinstance(lateral.this, exp.Subquery):
            inner = self.query(lateral.this, ctes, [before, *outer])
            return QueryScope.of(name, self.with_column_names(inner, lateral.alias_column_names))
        values = self._values_in([before, *outer], ctes)
        return QueryScope.of(name, Relation(generator_columns(lateral.this, lateral.alias_column_names, values)))

    def _values_in(self, scopes: list[QueryScope], ctes: Views) -> _ScopedValue:
        return _ScopedValue(self, scopes, ctes)

    # ------------------------------------------------------------------------------------------ joins

    def _joins(self, scope: QueryScope, source: Node, ctes: Views, outer: list[QueryScope]) -> QueryScope:
        """Add the joins of an item, from left to right."""
        for join in source.args.get("joins") or ():
            whole = join.args.get("on") is None and not join.args.get("using") and _pivots_of(join.this)
            pivots = join.this.args.pop("pivots", None) if whole else None  # after a join, of all that stands before
            right = self.from_item(join.this, ctes, outer, scope)
            scope = self._joined(scope, right, join, ctes, outer)
            if pivots:
                join.this.set("pivots", pivots)
                scope = self._pivoted(join.this, scope, ctes, outer)
            scope = self._pivoted(join, scope, ctes, outer)
        return scope

    def _joined(
        self, left: QueryScope, right: QueryScope, join: Node, ctes: Views, outer: list[QueryScope]
    ) -> QueryScope:
        both = left.combined_with(right)
        self.add_indirect(join.args.get("on"), [both, *outer], ctes)
        keys = [part.name for part in join.args.get("using") or ()]
        if str(join.args.get("method") or "").upper() == "NATURAL" and not keys:
            theirs = {column.name.lower() for column in right.row.columns}
            keys = [
                column.name for column in left.row.columns if column.name.lower() in theirs and not column.is_wildcard
            ]
        side, kind = str(join.args.get("side") or "").upper(), str(join.args.get("kind") or "").upper()
        merged = [self._merged(key, left.row, right.row, side) for key in keys]
        is_half = kind in {"SEMI", "ANTI"}
        columns = [*left.row.columns, *(() if is_half else right.row.columns)]
        taken = {key.lower() for key in keys}
        rest = [column for column in columns if column.is_wildcard or column.name.lower() not in taken]
        row = Relation([*merged, *rest], set(left.row.open_tables) if is_half else both.row.open_tables)
        items = left.items if is_half else both.items
        return QueryScope({name: _keys_first(item, keys) for name, item in items.items()}, row)

    def _merged(self, key: str, left: Relation, right: Relation, side: str) -> QueryColumn:
        """Return the shared column of two sides; both are indirect sources."""
        mine, other = left.get(key) or left.possible_column(key), right.get(key) or right.possible_column(key)
        self.indirect |= mine.leaves | other.leaves
        if side == "FULL":
            return QueryColumn(key, mine.leaves | other.leaves, location=mine.location)
        chosen = other if side == "RIGHT" else mine
        return QueryColumn(key, set(chosen.leaves), chosen.is_unaliased, location=chosen.location)

    # ----------------------------------------------------------------------------------------- pivots

    def _pivoted(self, source: Node, scope: QueryScope, ctes: Views, outer: list[QueryScope]) -> QueryScope:
        for pivot in _pivots_of(source):
            scopes = [scope, *outer]
            made = self._unpivot(pivot, scopes, ctes) if pivot.args.get("unpivot") else self._pivot(pivot, scopes, ctes)
            found = Relation(made, set(scope.row.open_tables), stars=scope.stars(_line(source)))
            names = {pivot.alias.lower()} if pivot.alias else scope.items.keys()
            scope = QueryScope(dict.fromkeys(names, found), found)
            if pivot.alias_column_names:
                scope = QueryScope.of(pivot.alias, self.with_column_names(found, pivot.alias_column_names))
        return scope

    def _pivot(self, pivot: Node, scopes: list[QueryScope], ctes: Views) -> list[QueryColumn]:
        """Take PIVOT: rows are grouped by the columns that it does not name, and its key decides."""
        keys = [field.this for field in pivot.args.get("fields") or ()]
        for key in keys:
            self.add_indirect(key, scopes, ctes)
        kept = _without(scopes[0].row.columns, [*pivot.expressions, *keys])
        self.indirect |= {leaf for column in kept for leaf in column.leaves}
        values = [self.value(part, scopes, ctes) for part in pivot.expressions]
        names = [column.name for column in pivot.args.get("columns") or ()]
        made = [QueryColumn(name, set(values[at % len(values)])) for at, name in enumerate(names)]
        every = {leaf for leaves in values for leaf in leaves}
        plain = all(
            map(_has_plain_name, (value for field in pivot.args.get("fields") or () for value in field.expressions))
        )
        return [*kept, *made, *(() if made and plain else [QueryColumn("", every, is_wildcard=True)])]

    def _unpivot(self, pivot: Node, scopes: list[QueryScope], ctes: Views) -> list[QueryColumn]:
        """Take UNPIVOT: values go into the value columns, each by its place, and nothing but names into the other."""
        (field,) = pivot.args["fields"]
        groups = [_members(part) for part in field.expressions]
        kept = _without(scopes[0].row.columns, [part for group in groups for part in group])
        names = [each.name for part in pivot.expressions for each in _members(part)]
        values: list[set[Leaf]] = [set() for _ in names]
        for group in groups:
            for leaves, part in zip(values, group, strict=False):
                leaves.update(self.value(part, scopes, ctes))
        if not pivot.args.get("include_nulls"):  # rows without a value are left out
            self.indirect.update(leaf for leaves in values for leaf in leaves)
        made = [QueryColumn(name, leaves) for name, leaves in zip(names, values, strict=True)]
        return [*kept, QueryColumn(field.this.name), *made]


class _ScopedValue:
    """Resolves expressions in given scopes."""

    def __init__(self, reader: FromClauseReader, scopes: list[QueryScope], ctes: Views) -> None:
        self._reader, self._scopes, self._ctes = reader, scopes, ctes

    def __call__(self, value: Node) -> set[Leaf]:
        return self._reader.value(value, self._scopes, self._ctes)


def table_name_of(table: Node) -> str:
    """Return a table's dotted name."""
    return table_names.joined(part.name for part in getattr(table, "parts", ()))


def identifier_table(table: Node) -> str | None:
    """Return the table of `IDENTIFIER('…')`; None where it is computed."""
    argument = table.this.expressions[0] if table.this.expressions else None
    return table_names.plain(argument.this) if argument is not None and argument.is_string else None


def is_identifier_call(table: Node) -> bool:
    """Return whether a table is given by `IDENTIFIER(…)`."""
    return _is_identifier_call(table)


def is_file_path(table: Node) -> bool:
    """Return whether a table is given by a format and a path."""
    names = [part.name for part in getattr(table, "parts", ())]
    return len(names) == 2 and names[0].lower() in _FILE_FORMATS and "/" in names[1]


def _is_identifier_call(table: Node) -> bool:
    from sqlglot import exp

    return isinstance(table.this, exp.Anonymous) and table.this.name.upper() == "IDENTIFIER"


def _line(source: Node) -> int:
    parts = getattr(source, "parts", None)
    return int(parts[0].meta.get("line", 0)) if parts else 0


def _generated_alias(before: QueryScope) -> str:
    return f"_{len(before.items)}"


def _pivots_of(source: Node) -> list[Node]:
    return list(source.args.get("pivots") or ())


def _keys_first(item: Relation, keys: Iterable[str]) -> Relation:
    """Return a joined item as `item.*` selects it: with the keys of the join first."""
    first = [column for key in keys for column in item.all(key)]
    if not first:
        return item
    rest = [column for column in item.columns if column not in first]
    return Relation([*first, *rest], item.open_tables, item.table, item.stars)


def _without(columns: Iterable[QueryColumn], used: Iterable[Node]) -> list[QueryColumn]:
    from sqlglot import exp

    named = {column.name.lower() for part in used for column in part.find_all(exp.Column)}
    return [column for column in columns if column.name.lower() not in named]


def _has_plain_name(value: Node) -> bool:
    """Return whether the name of the column that PIVOT makes of a value is known."""
    from sqlglot import exp

    return isinstance(value, exp.PivotAlias | exp.Alias | exp.Literal)


def _members(part: Node) -> list[Node]:
    from sqlglot import exp

    if isinstance(part, exp.PivotAlias | exp.Alias):
        part = part.this
    if isinstance(part, exp.Paren):
        part = part.this
    return list(part.expressions) if isinstance(part, exp.Tuple) else [part]
