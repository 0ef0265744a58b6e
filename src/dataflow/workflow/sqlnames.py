"""What the names in a SQL query mean: which table's column each of them is, through subqueries, views and stars.

sqlglot has a resolver of its own. It gives up on a query as soon as the columns of one of its tables are not known,
which for a script that was never run is the rule; this one then takes a name for any of those tables' columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dataflow.workflow import tablenames
from dataflow.workflow.sqlrelations import Column, Leaf, Node, Relation, Schema, Sources, Star, Use

_PARTITIONING = frozenset({"REPARTITION", "REPARTITION_BY_RANGE", "REBALANCE"})
"""Hints that name columns; others name tables."""


class Resolver:
    """Knows what queries bring out, and notes on the way what they look at.

    Attributes:
        schema: The columns of tables, by lower-case name.
        views: What the script's temporary views bring out.
        uses: Where tables and columns are named.
        deciding: What decides which rows the statement at hand gets.
        tables: The tables that it reads.
        by_position: Stars that go somewhere by position: a column more of their table, and the script fails.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = {name.lower(): list(columns) for name, columns in schema.items()}
        self.views: Sources = {}
        self.uses: set[Use] = set()
        self.by_position: set[Star] = set()
        self.deciding: set[Leaf] = set()
        self.tables: dict[str, None] = {}
        self._of_views: dict[str, tuple[set[Leaf], dict[str, None]]] = {}

    def keep_view(self, name: str, found: Relation) -> None:
        """Make what a query brings out a temporary view."""
        self.views[name.lower()] = found
        self._of_views[name.lower()] = (set(self.deciding), dict(self.tables))

    # ---------------------------------------------------------------------------------------- queries

    def ctes_of(self, statement: Node, ctes: Sources, outer: list[Sources]) -> Sources:
        """Return the common table expressions that a statement may use: those around it, and its own."""
        from sqlglot import exp

        found = dict(ctes)
        with_ = statement.args.get("with_")
        for cte in getattr(with_, "expressions", ()):
            names = [part.name for part in cte.args["alias"].args.get("columns") or ()]
            if with_.args.get("recursive") and isinstance(cte.this, exp.SetOperation):  # it knows what it begins with
                found[cte.alias.lower()] = self.query(cte.this.left, found, outer).called(names)
            found[cte.alias.lower()] = self._called(self.query(cte.this, found, outer), names)
        return found

    def _called(self, relation: Relation, names: Sequence[str]) -> Relation:
        """Give a relation's columns names, each by its position."""
        if names:
            self.by_position |= relation.stars
        return relation.called(names)

    def query(self, query: Node, ctes: Sources, outer: list[Sources]) -> Relation:
        """Return what a query brings out.

        Args:
            query: The query.
            ctes: The common table expressions around it.
            outer: What stands in the FROMs of the queries around it, the innermost first.
        """
        from sqlglot import exp

        ctes = self.ctes_of(query, ctes, outer)
        match query:
            case exp.Select():
                return self._select(query, ctes, outer)
            case exp.SetOperation():
                left = self.query(query.left, ctes, outer)
                right = self.query(query.right, ctes, outer)
                columns = [Column(column.name, set(column.leaves)) for column in left.columns]
                for column, other in zip(columns, right.columns, strict=False):
                    if isinstance(query, exp.Union):
                        column.leaves |= other.leaves
                if not isinstance(query, exp.Union) or query.args.get("distinct"):
                    self.deciding |= {leaf for side in (left, right) for c in side.columns for leaf in c.leaves}
                if _tables(left.stars) != _tables(right.stars):  # one side gets more columns than the other
                    self.by_position |= left.stars | right.stars
                return Relation(columns, left.open | right.open, stars=left.stars | right.stars)
            case exp.Subquery() | exp.Paren():
                return self._pivoted(query, self.query(query.this, ctes, outer), outer, ctes)
            case exp.Table():
                return self.from_table(query, ctes)
            case exp.Values():
                return self._values(query)
            case _:
                return Relation()

    def _select(self, select: Node, ctes: Sources, outer: list[Sources]) -> Relation:
        sources: Sources = {}
        for part in (select.args.get("from_"), *(select.args.get("joins") or ())):
            if part is not None:
                sources |= self.source(part.this, ctes, outer, sources)
        for lateral in select.args.get("laterals") or ():
            sources |= self._lateral(lateral, ctes, outer, sources)
        scopes = [sources, *outer]
        for join in select.args.get("joins") or ():
            self.decide(join.args.get("on"), scopes, ctes)
            for column in join.args.get("using") or ():
                for relation in sources.values():
                    self.deciding |= (relation.get(column.name) or Column("")).leaves
        windows = {window.name.lower(): window for window in select.args.get("windows") or ()}
        found = Relation()
        for projection in select.expressions:
            self._projection(projection, found, scopes, ctes, windows)
        self._clauses(select, found, scopes, ctes)
        return found

    def _clauses(self, select: Node, found: Relation, scopes: list[Sources], ctes: Sources) -> None:
        """Note what a query's clauses decide by; they know its own columns' new names as well."""
        from sqlglot import exp

        aliases: Sources = {"": Relation(found.columns)}
        for name in ("where", "group", "having", "qualify", "order", "sort", "distribute", "cluster"):
            self.decide(select.args.get(name), [*scopes, aliases], ctes)
        for hint in getattr(select.args.get("hint"), "expressions", ()):
            if hint.name.upper() in _PARTITIONING:
                self.decide(hint, [*scopes, aliases], ctes)
        if select.args.get("distinct"):
            self.deciding |= {leaf for column in found.columns for leaf in column.leaves}
        group = select.args.get("group")
        for key in group.expressions if group is not None else ():
            if isinstance(key, exp.Literal) and key.this.isdigit() and int(key.this) <= len(found.columns):
                self.deciding |= found.columns[int(key.this) - 1].leaves

    def _projection(
        self,
        projection: Node,
        found: Relation,
        scopes: list[Sources],
        ctes: Sources,
        windows: Mapping[str, Node],
    ) -> None:
        from sqlglot import exp

        star = projection.this if isinstance(projection, exp.Column) else projection
        if isinstance(star, exp.Star):
            wanted = projection.table.lower() if isinstance(projection, exp.Column) else ""
            left_out = {column.name.lower() for column in star.args.get("except_") or ()}
            for alias, relation in scopes[0].items():
                if not wanted or alias == wanted:
                    line = star.meta.get("line", 0)
                    found.stars |= {(relation.table, line)} if relation.table else relation.stars
                    kept = (column for column in relation.columns if column.name.lower() not in left_out)
                    found.columns += [Column(column.name, set(column.leaves), column.given) for column in kept]
                    found.open |= relation.open
            return
        value = projection.this if isinstance(projection, exp.Alias) else projection
        aliases: Sources = {"": Relation(list(found.columns))}
        leaves = self.value(value, [*scopes, aliases], ctes, windows)
        names = [part.name for part in projection.expressions] if isinstance(projection, exp.Aliases) else []
        for name in names or [projection.alias_or_name]:
            found.columns.append(Column(name, set(leaves)))

    def source(self, source: Node, ctes: Sources, outer: list[Sources], before: Sources) -> Sources:
        """Return what an item of a FROM brings, by its alias; `before` are the items that stand before it."""
        from sqlglot import exp

        if isinstance(source, exp.Table) and isinstance(source.this, exp.Func):  # a function that makes rows
            leaves = self.value(source.this, [before, *outer], ctes)
            return {source.alias.lower(): Relation([Column(name, set(leaves)) for name in source.alias_column_names])}
        if isinstance(source, exp.Lateral):
            return self._lateral(source, ctes, outer, before)
        if isinstance(source, exp.Table):
            relation = self._pivoted(source, self.from_table(source, ctes), outer, ctes)
        else:
            relation = self.query(source, ctes, outer)
        relation = self._called(relation, source.alias_column_names)
        found = {(source.alias_or_name or f"_{len(before)}").lower(): relation}
        for join in source.args.get("joins") or ():  # a join inside brackets
            found |= self.source(join.this, ctes, outer, {**before, **found})
            self.decide(join.args.get("on"), [{**before, **found}, *outer], ctes)
        return found

    def _lateral(self, lateral: Node, ctes: Sources, outer: list[Sources], before: Sources) -> Sources:
        from sqlglot import exp

        scopes = [before, *outer]
        if isinstance(lateral.this, exp.Subquery):
            return {(lateral.alias or f"_{len(before)}").lower(): self.query(lateral.this, ctes, scopes)}
        leaves = self.value(lateral.this, scopes, ctes)
        names = lateral.alias_column_names or ["col"]
        return {(lateral.alias or f"_{len(before)}").lower(): Relation([Column(n, set(leaves)) for n in names])}

    def _pivoted(self, source: Node, relation: Relation, outer: list[Sources], ctes: Sources) -> Relation:
        from sqlglot import exp

        for pivot in source.args.get("pivots") or ():
            scopes = [{"": relation}, *outer]
            used = [*pivot.expressions, *pivot.args.get("fields", ())]
            leaves = {leaf for part in used for leaf in self.value(part, scopes, ctes)}
            named = {column.name.lower() for part in used for column in part.find_all(exp.Column)}
            kept = [column for column in relation.columns if column.name.lower() not in named]
            self.deciding |= {leaf for column in kept for leaf in column.leaves}
            self.deciding |= {
                leaf for field_ in pivot.args.get("fields", ()) for leaf in self.value(field_, scopes, ctes)
            }
            made = [Column(column.name, set(leaves)) for column in pivot.args.get("columns") or ()]
            whole = {(relation.table, source.parts[0].meta.get("line", 0))} if relation.table else relation.stars
            relation = Relation([*kept, *made], set(relation.open), stars=frozenset(whole))
        return relation

    def from_table(self, table: Node, ctes: Sources) -> Relation:
        """Return what a name in a FROM stands for: a common table expression, a view of the script's, a table."""
        name = name_of(table)
        key = name.lower()
        if key in ctes:
            return ctes[key]
        if key in self.views:
            deciding, tables = self._of_views[key]
            self.deciding |= deciding
            self.tables.update(tables)
            return self.views[key]
        return self.base(table, name)

    def base(self, table: Node, name: str) -> Relation:
        """Return a table of the catalog's, and note that it is read."""
        self.tables[name] = None
        self.use_table(table, name)
        columns = self.schema.get(name.lower())
        if columns is None:
            return Relation(open={name}, table=name)
        return Relation([Column(column, {(name, column, False)}, given=True) for column in columns], table=name)

    def _values(self, values: Node) -> Relation:
        width = max((len(row.expressions) for row in values.expressions), default=0)
        names = values.alias_column_names or [f"col{n}" for n in range(1, width + 1)]
        return Relation([Column(name) for name in names])

    # ------------------------------------------------------------------------------------ expressions

    def decide(self, part: Node, scopes: list[Sources], ctes: Sources) -> None:
        """Note what a filter, a join's condition, a grouping or an order looks at."""
        if part is not None:
            self.deciding |= self.value(part, scopes, ctes)

    def value(
        self,
        value: Node,
        scopes: list[Sources],
        ctes: Sources,
        windows: Mapping[str, Node] | None = None,
    ) -> set[Leaf]:
        """Return what an expression is made of."""
        from sqlglot import exp

        match value:
            case exp.Column():
                return self._resolve(value, scopes)
            case exp.Exists() | exp.In() if value.find(exp.Query):
                return self._asked(value, scopes, ctes)
            case exp.Query():
                inner = self.query(value, ctes, scopes)
                return {leaf for column in inner.columns for leaf in column.leaves}
            case exp.Window():
                named = (windows or {}).get(value.alias.lower())
                parts = [value, *([named] if named is not None else [])]
                found = self.value(value.this, scopes, ctes)
                for part in (p for w in parts for p in (w.args.get("order"), *(w.args.get("partition_by") or ())) if p):
                    found |= {(table, column, True) for table, column, _ in self.value(part, scopes, ctes)}
                return found
            case _:
                return {leaf for child in value.iter_expressions() for leaf in self.value(child, scopes, ctes, windows)}

    def _asked(self, value: Node, scopes: list[Sources], ctes: Sources) -> set[Leaf]:
        """Take `x IN (query)` and `EXISTS (query)`: what the query looks at decides."""
        from sqlglot import exp

        query = value.args.get("query") if isinstance(value, exp.In) else value.this
        if query is None:
            return {leaf for child in value.iter_expressions() for leaf in self.value(child, scopes, ctes)}
        inner = self.query(query.this if isinstance(query, exp.Subquery) else query, ctes, scopes)
        if isinstance(value, exp.In):
            self.by_position |= inner.stars
        found = self.value(value.this, scopes, ctes) if isinstance(value, exp.In) else set()
        if isinstance(value, exp.In):
            found |= {leaf for column in inner.columns for leaf in column.leaves}
        return found

    def _resolve(self, column: Node, scopes: list[Sources]) -> set[Leaf]:
        """Return the table's column that a name means; the innermost scope that knows it wins."""
        parts = [part.name for part in column.parts]
        for sources in scopes:
            for length in (3, 2, 1):  # catalog.database.table, database.table or an alias in front
                if len(parts) <= length:
                    continue
                relation = _named(sources, parts[:length])
                if relation is not None:
                    return self._used(column, length, [relation.get(parts[length]) or relation.maybe(parts[length])])
        for sources in scopes:
            known = [found for relation in sources.values() if (found := relation.get(parts[0])) is not None]
            maybe = [relation.maybe(parts[0]) for relation in sources.values() if relation.open]
            if known or maybe:
                return self._used(column, 0, known or maybe)
        return set()

    def _used(self, column: Node, position: int, meant: Sequence[Column]) -> set[Leaf]:
        from sqlglot import exp

        part = column.parts[position]
        line, start = part.meta.get("line"), part.meta.get("start")
        if line is not None and start is not None:
            bare = isinstance(column.parent, exp.Select) and column.arg_key == "expressions"
            self.uses |= {
                Use(table, name, line, start, bare) for each in meant if each.given for table, name, _ in each.leaves
            }
        return {leaf for each in meant for leaf in each.leaves}

    def use_table(self, table: Node, name: str) -> None:
        """Note where a table is named."""
        first = table.parts[0] if getattr(table, "parts", None) else None
        if first is not None and "line" in first.meta:
            self.uses.add(Use(name, "", first.meta["line"], first.meta["start"]))


def _tables(stars: Iterable[Star]) -> list[str]:
    return sorted(table for table, _ in stars)


def name_of(table: Node) -> str:
    """Return a table's dotted name."""
    return tablenames.joined(part.name for part in getattr(table, "parts", ()))


def _named(sources: Sources, parts: Sequence[str]) -> Relation | None:
    if len(parts) == 1:
        return sources.get(parts[0].lower())
    name = ".".join(parts).lower()
    return next((found for found in sources.values() if found.table is not None and found.table.lower() == name), None)
