"""Name resolution in SQL queries: the source columns of each name, through subqueries, views and stars.

sqlglot has a resolver of its own. It fails on a query as soon as the columns of one of its tables are unknown, which
is common for a script that was never run; this one then resolves a name to any of those tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dataflow.lineage.sql.column_names import spark_column_name
from dataflow.lineage.sql.expressions import ExpressionReader
from dataflow.lineage.sql.from_clause import identifier_table, is_file_path, is_identifier_call, table_name_of
from dataflow.lineage.sql.generators import fields_of, generator_columns, is_generator
from dataflow.lineage.sql.relations import Leaf, Node, QueryColumn, QueryScope, Relation, Schema, SelectStar, Views
from dataflow.workflow import table_names

_PARTITIONING = frozenset({"REPARTITION", "REPARTITION_BY_RANGE", "REBALANCE"})
"""Hints with columns; others have tables."""


class QueryResolver(ExpressionReader):
    """Resolves queries to relations, and collects references, indirect sources and tables.

    Attributes:
        schema: The columns of tables, by lower-case name.
        views: The relations of the temporary views of the script.
        tables: The tables that the statement reads.
        complete: Whether the name of each table is known.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.schema = {name.lower(): list(columns) for name, columns in schema.items()}
        self.views: Views = {}
        self.tables: dict[str, None] = {}
        self.complete = True
        self._view_sources: dict[str, tuple[set[Leaf], dict[str, None]]] = {}

    def add_view(self, name: str, found: Relation) -> None:
        """Add a temporary view."""
        self.views[name.lower()] = found
        self._view_sources[name.lower()] = (set(self.indirect), dict(self.tables))

    # ---------------------------------------------------------------------------------------- queries

    def ctes_of(self, statement: Node, ctes: Views, outer: list[QueryScope]) -> Views:
        """Return the common table expressions in the scope of a statement: outer ones and its own."""
        from sqlglot import exp

        found = dict(ctes)
        with_ = statement.args.get("with_")
        for cte in getattr(with_, "expressions", ()):
            names = [part.name for part in cte.args["alias"].args.get("columns") or ()]
            key = cte_key(cte.alias)
            if with_.args.get("recursive") and isinstance(cte.this, exp.SetOperation):  # it refers to its first part
                found[key] = self.query(cte.this.left, found, outer).with_column_names(names)
            found[key] = self.with_column_names(self.query(cte.this, found, outer), names)
        return found

    def query(self, query: Node, ctes: Views, outer: list[QueryScope]) -> Relation:
        """Return the relation that a query results in.

        Args:
            query: The query.
            ctes: The common table expressions in scope.
            outer: The scopes of the enclosing queries, innermost first.
        """
        from sqlglot import exp

        ctes = self.ctes_of(query, ctes, outer)
        if isinstance(query, exp.Select):
            return self._select(query, ctes, outer)
        if isinstance(query, exp.SetOperation):
            return self._ordered(query, self._combined(query, ctes, outer), ctes)
        if isinstance(query, exp.Subquery | exp.Paren):
            if _is_join_in_brackets(query):
                return self.from_item(query, ctes, outer, QueryScope()).flattened(0)
            return self._ordered(query, self.query(query.this, ctes, outer), ctes)
        return self.from_table(query, ctes) if isinstance(query, exp.Table) else _values_columns(query)

    def _combined(self, query: Node, ctes: Views, outer: list[QueryScope]) -> Relation:
        """Resolve UNION, INTERSECT and EXCEPT: by position, with the names of the first side."""
        from sqlglot import exp

        left, right = self.query(query.left, ctes, outer), self.query(query.right, ctes, outer)
        columns = [replace(column, leaves=set(column.leaves), is_unaliased=False) for column in left.columns]
        for column, other in zip(columns, right.columns, strict=False):
            if isinstance(query, exp.Union):
                column.leaves |= other.leaves
        if not isinstance(query, exp.Union) or query.args.get("distinct"):
            self.indirect |= {leaf for side in (left, right) for c in side.columns for leaf in c.leaves}
        if _starred_tables(left.stars) != _starred_tables(right.stars):  # one side gets more columns than the other
            self.select_stars |= left.stars | right.stars
        return Relation(columns, left.open_tables | right.open_tables, stars=left.stars | right.stars)

    def _select(self, select: Node, ctes: Views, outer: list[QueryScope]) -> Relation:
        if _is_transform(select):
            return self._transform(select, ctes, outer)
        scope = self.scope_of(select, ctes, outer)
        scopes = [scope, *outer]
        windows = {window.name.lower(): window for window in select.args.get("windows") or ()}
        found = Relation()
        for projection in select.expressions:
            self._projection(projection, found, scopes, ctes, windows)
        self._clauses(select, found, scopes, ctes)
        return found

    def _transform(self, select: Node, ctes: Views, outer: list[QueryScope]) -> Relation:
        """Resolve `SELECT TRANSFORM(…) USING 'program' AS (…)`: each column has all arguments as sources."""
        (made,) = select.expressions
        scopes = [self.scope_of(select, ctes, outer), *outer]
        leaves = {leaf for part in made.expressions for leaf in self.value(part, scopes, ctes)}
        self.add_indirect(select.args.get("where"), scopes, ctes)
        names = [part.name for part in getattr(made.args.get("schema"), "expressions", ())] or ["key", "value"]
        return Relation([QueryColumn(name, set(leaves)) for name in names])

    def _clauses(self, select: Node, found: Relation, scopes: list[QueryScope], ctes: Views) -> None:
        """Add the indirect sources of the clauses of a query; some also resolve the names of its own columns."""
        aliases = QueryScope(row=found)
        for name in ("where", "group", "having", "qualify"):
            self.add_indirect(select.args.get(name), [*scopes, aliases], ctes)
        for hint in getattr(select.args.get("hint"), "expressions", ()):
            if str(getattr(hint, "name", "")).upper() in _PARTITIONING:
                self.add_indirect(hint, [*scopes, aliases], ctes)
        if select.args.get("distinct"):
            self.indirect |= {leaf for column in found.columns for leaf in column.leaves}
        group = select.args.get("group")
        if group is not None:
            self._places(group.expressions, found)
            if group.args.get("all"):
                keys = (part for part in select.expressions if not _is_aggregate(part))
                for key in keys:
                    self.add_indirect(key, scopes, ctes)
        self._ordered(select, found, ctes, scopes)

    def _ordered(self, query: Node, found: Relation, ctes: Views, scopes: Sequence[QueryScope] = ()) -> Relation:
        """Add the indirect sources of ordering and distribution; names are columns of the result first."""
        own = QueryScope(row=Relation([column for column in found.columns if not column.is_wildcard]))
        for name in ("order", "sort", "distribute", "cluster"):
            part = query.args.get(name)
            if part is not None:
                self.add_indirect(part, [own, *(scopes or [QueryScope(row=found)])], ctes)
                self._places([getattr(each, "this", each) for each in part.expressions], found)
        return found

    def _places(self, keys: Iterable[Node], found: Relation) -> None:
        """Add the indirect sources of a clause with column numbers, or ALL."""
        from sqlglot import exp

        for key in keys:
            if isinstance(key, exp.Literal) and key.this.isdigit() and 0 < int(key.this) <= len(found.columns):
                self.indirect |= found.columns[int(key.this) - 1].leaves
            elif isinstance(key, exp.Column) and key.name.upper() == "ALL" and not found.all("all"):
                self.indirect |= {leaf for column in found.columns for leaf in column.leaves}

    # ------------------------------------------------------------------------------------ projections

    def _projection(
        self, projection: Node, found: Relation, scopes: list[QueryScope], ctes: Views, windows: Mapping[str, Node]
    ) -> None:
        from sqlglot import exp

        if isinstance(projection, exp.Star) or (isinstance(projection, exp.Column) and projection.is_star):
            self._star(projection, found, scopes)
            return
        value = projection.this if isinstance(projection, exp.Alias | exp.Aliases) else projection
        names = [part.name for part in projection.expressions] if isinstance(projection, exp.Aliases) else []
        if isinstance(projection, exp.Alias):
            names = [projection.alias]
        at = _location(projection)
        scopes = [*scopes, QueryScope(row=Relation(list(found.columns)))]  # of the columns that stand before
        if is_generator(value):
            made = generator_columns(value, names, lambda part: self.value(part, scopes, ctes, windows))
            found.columns += [replace(column, location=at if names else None) for column in made]
            return
        leaves = self.value(value, scopes, ctes, windows)
        fields = fields_of(value, lambda part: self.value(part, scopes, ctes, windows))
        for name in names or [spark_column_name(projection)]:
            found.columns.append(QueryColumn(name, set(leaves), location=at, fields=fields))

    def _star(self, projection: Node, found: Relation, scopes: list[QueryScope]) -> None:
        """Resolve `*`, `a.*`, and `s.*` of a struct, whose fields are unknown."""
        from sqlglot import exp

        star = projection.this if isinstance(projection, exp.Column) else projection
        line = star.meta.get("line", 0)
        left_out = {column.name.lower() for column in star.args.get("except_") or ()}
        parts = projection.parts[:-1] if isinstance(projection, exp.Column) else []
        if not parts:
            meant, stars = scopes[0].row, scopes[0].stars(line)
        else:
            relation = scopes[0].lookup([part.name for part in parts])
            if relation is None:
                leaves = self._resolve(parts, projection, scopes)
                known = scopes[0].row.get(parts[-1].name)
                fields = known.fields if known is not None else ()
                found.columns += [QueryColumn(name, set(each)) for name, each in fields] or [
                    QueryColumn("", leaves, is_wildcard=True)
                ]
                return
            meant, stars = relation, frozenset({(relation.table, line)}) if relation.table else relation.stars
        kept = (column for column in meant.columns if column.is_wildcard or column.name.lower() not in left_out)
        at = _location(projection)
        found.columns += [replace(each, leaves=set(each.leaves), location=each.location and at) for each in kept]
        found.open_tables |= meant.open_tables
        found.stars |= stars

    def from_table(self, table: Node, ctes: Views) -> Relation:
        """Return the relation of a name in a FROM: a common table expression, a view of the script, or a table."""
        if is_identifier_call(table):
            called = identifier_table(table)
            if called is None:
                self.complete = False
                return Relation([QueryColumn("", is_wildcard=True)])
            return self._of_name(table, called, ctes)
        if is_file_path(table):
            return Relation([QueryColumn("", is_wildcard=True)])
        return self._of_name(table, table_name_of(table), ctes)

    def _of_name(self, table: Node, name: str, ctes: Views) -> Relation:
        key = name.lower()
        if key in ctes:
            return ctes[key]
        if key in self.views:
            deciding, tables = self._view_sources[key]
            self.indirect |= deciding
            self.tables.update(tables)
            return self.views[key]
        return self.catalog_table(table, name)

    def catalog_table(self, table: Node, name: str) -> Relation:
        """Return a table of the catalog, and add it to the tables read."""
        self.tables[name] = None
        self.add_table_reference(table, name)
        columns = self.schema.get(name.lower())
        if columns is None:
            return Relation(open_tables={name}, table=name)
        made = [QueryColumn(column, {(name, column, False)}, is_unaliased=True, location=(0, 0)) for column in columns]
        return Relation(made, table=name)


def cte_key(name: str) -> str:
    """Return the key of a common table expression: its name as one part, in lower case."""
    return table_names.joined([name]).lower()


def _location(projection: Node) -> tuple[int, int] | None:
    """Return the line and the offset of the name of a column in a SELECT."""
    names = [projection.args.get("alias"), *reversed(getattr(projection, "parts", ())), projection]
    metas = (each.meta for each in names if each is not None and hasattr(each, "meta"))
    found = next((meta for meta in metas if {"line", "start"} <= meta.keys()), None)
    if found is None:
        inside = (each.meta for each in projection.walk() if {"line", "start"} <= each.meta.keys())
        found = next(inside, None)
    return None if found is None else (found["line"], found["start"])


def _values_columns(values: Node) -> Relation:
    """Return the relation of VALUES; of anything that is not a query, one with unknown columns."""
    from sqlglot import exp

    if not isinstance(values, exp.Values):
        return Relation([QueryColumn("", is_wildcard=True)])
    width = max((len(row.expressions) or 1 for row in values.expressions), default=0)
    return Relation([QueryColumn(f"col{number}") for number in range(1, width + 1)])


def _is_join_in_brackets(query: Node) -> bool:
    from sqlglot import exp

    return isinstance(query, exp.Subquery) and bool(
        isinstance(query.this, exp.Table) or query.args.get("joins") or query.args.get("pivots")
    )


def _is_transform(select: Node) -> bool:
    from sqlglot import exp

    return len(select.expressions) == 1 and isinstance(select.expressions[0], exp.QueryTransform)


def _is_aggregate(projection: Node) -> bool:
    """Return whether a column of a SELECT is an aggregate of a group, not one over a window."""
    from sqlglot import exp

    return any(not isinstance(each.parent, exp.Window) for each in projection.find_all(exp.AggFunc))


def _starred_tables(stars: Iterable[SelectStar]) -> list[str]:
    return sorted(table for table, _ in stars)
