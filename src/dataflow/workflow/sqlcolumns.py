"""Column lineage of a SQL script out of its text alone: what each statement writes, and from where."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dataflow.workflow.flow import Flow, Name, Written
from dataflow.workflow.sqlnames import Resolver, name_of
from dataflow.workflow.sqlrelations import Column, Leaf, Node, Relation, Schema, Sources, Star, Use


@dataclass(frozen=True)
class Script:
    """What a SQL script does with tables and columns.

    Attributes:
        writes: Each table written, and where its columns come from.
        uses: Where tables and columns are named.
        by_position: Where all columns of a table are taken and go on by their position.
        reads: Tables that queries read that write nothing.
        declares: The columns of tables that it creates, in order.
        complete: False when a statement could not be understood and may touch more.
        unreadable: Whether nothing of it could be understood.
    """

    writes: tuple[Written, ...] = ()
    uses: frozenset[Use] = frozenset()
    by_position: frozenset[Star] = frozenset()
    reads: tuple[str, ...] = ()
    declares: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    complete: bool = True
    unreadable: bool = False

    @property
    def names(self) -> frozenset[Name]:
        """The columns that it names, whatever becomes of them."""
        return frozenset((use.table, use.column) for use in self.uses if use.column)


def columns_of(script: str, schema: Schema | None = None) -> Script:
    """Find what a SQL script, parameters put in, takes from which columns and puts into which.

    Args:
        script: The script's text.
        schema: The columns of tables, as far as they are known; the script's own CREATE TABLEs are added.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it would tell of every statement that it can't judge
    try:
        statements: list[Any] = [found for found in sqlglot.parse(script, read="spark") if found is not None]
    except (SqlglotError, RecursionError):  # the latter by a thousand ORs
        return Script(complete=False, unreadable=True)
    declared = dict(_declared(statements))
    reader = _Reader({**(schema or {}), **declared})
    complete = True
    try:
        for statement in statements:
            reader.read(statement)
            complete = complete and not isinstance(statement, exp.Command)
    except RecursionError:
        return Script(complete=False, unreadable=True)
    return Script(
        tuple(reader.writes.values()),
        frozenset(reader.uses),
        frozenset(reader.by_position),
        tuple(reader.looked_at),
        declared,
        complete,
    )


def _declared(statements: Iterable[Node]) -> Iterator[tuple[str, tuple[str, ...]]]:
    from sqlglot import exp

    for statement in statements:
        if isinstance(statement, exp.Create) and statement.kind == "TABLE" and isinstance(statement.this, exp.Schema):
            names = tuple(column.name for column in statement.this.expressions if isinstance(column, exp.ColumnDef))
            if names and not statement.expression:
                yield name_of(statement.this.this), names


class _Reader(Resolver):
    """Goes through a script's statements, with the views that it made so far."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self.writes: dict[str, Written] = {}
        self.looked_at: dict[str, None] = {}

    def read(self, statement: Node) -> None:
        """Take a statement in; those that neither read nor write rows are passed over."""
        from sqlglot import exp

        self.deciding, self.tables = set(), {}
        match statement:
            case exp.Insert():
                self._insert(statement, {})
            case exp.MultitableInserts():
                self._multiple_insert(statement)
            case exp.Create():
                self._create(statement)
            case exp.Cache() if statement.expression is not None:
                self.keep_view(statement.this.name, self.query(statement.expression, {}, []))
            case exp.Merge():
                self._merge(statement)
            case exp.Update():
                self._update(statement)
            case exp.Delete():
                self._delete(statement)
            case _:
                self._ask(statement)

    def _ask(self, statement: Node) -> None:
        """Take in the queries inside of a statement that writes nothing, such as SET VARIABLE."""
        from sqlglot import exp

        if isinstance(statement, exp.Query):
            self.query(statement, {}, [])
            self.looked_at.update(self.tables)
        else:
            for part in statement.iter_expressions():
                self._ask(part)

    # ------------------------------------------------------------------------------------- statements

    def _insert(self, statement: Node, ctes: Sources) -> None:
        from sqlglot import exp

        ctes = {**ctes, **self.ctes_of(statement, {}, [])}
        target, columns, named = statement.this, None, []
        if isinstance(target, exp.Schema):
            columns = [part.name for part in target.expressions]
            named, target = target.expressions, target.this
        query: Node = statement.args.get("expression") or statement.args.get("source")
        if not isinstance(target, exp.Table) or query is None or isinstance(query, bool):  # DEFAULT VALUES
            return
        found = self.from_table(query, ctes) if isinstance(query, exp.Table) else self.query(query, ctes, [])
        name = name_of(target)
        self.use_table(target, name)
        if statement.args.get("by_name"):
            columns = [column.name for column in found.columns]
            named = [part.args["alias"] for part in query.selects if isinstance(part, exp.Alias)]
        else:
            whole = {(found.table, query.parts[0].meta.get("line", 0))} if found.table else found.stars
            self.by_position |= {star for star in whole if star[0] != name}
        self._use_columns(name, named)
        partition = target.args.get("partition")
        valued = [part.this.name for part in getattr(partition, "expressions", ()) if isinstance(part, exp.EQ)]
        self._write(name, found, columns or self._columns_to_fill(name, valued), valued)

    def _columns_to_fill(self, table: str, valued: Sequence[str]) -> list[str] | None:
        """Return the columns that a query fills by position: all but those of a partition that has a value."""
        given = {column.lower() for column in valued}
        known = self.schema.get(table.lower())
        return None if known is None else [column for column in known if column.lower() not in given]

    def _multiple_insert(self, statement: Node) -> None:
        from sqlglot import exp

        source = statement.args["source"]
        for insert in statement.expressions:
            inner = insert.copy()
            if isinstance(inner.expression, exp.Select) and not inner.expression.args.get("from_"):
                inner.expression.set("from_", exp.From(this=source.copy()))
            self.deciding, self.tables = set(), {}
            self._insert(inner, self.ctes_of(statement, {}, []))

    def _create(self, statement: Node) -> None:
        query = statement.expression
        if query is None:
            self._declare(statement)
            return
        found = self.query(query, self.ctes_of(statement, {}, []), [])
        target, names = _unwrapped(statement.this)
        if statement.kind == "VIEW" and not target.db:
            self.keep_view(target.name, self._called(found, names or []))
            return
        if names:
            self.by_position |= found.stars
        self._write(name_of(target), found, names)

    def _declare(self, statement: Node) -> None:
        from sqlglot import exp

        if statement.kind == "TABLE" and isinstance(statement.this, exp.Schema):
            parts = [part.this for part in statement.this.expressions if isinstance(part, exp.ColumnDef)]
            self._use_columns(name_of(statement.this.this), parts, declares=True)

    def _merge(self, statement: Node) -> None:
        ctes = self.ctes_of(statement, {}, [])
        target, name = statement.this, name_of(statement.this)
        source = self.source(statement.args["using"], ctes, [], {})
        columns = self.schema.get(name.lower(), ())
        mine = Relation([Column(c, {(name, c, False)}, given=True) for c in columns], table=name)
        if not mine.columns:
            mine.open = {name}
        scopes = [{target.alias_or_name.lower(): mine, **source}]
        self.decide(statement.args.get("on"), scopes, ctes)
        for column in statement.args.get("using_cond") or ():
            self.decide(column, scopes, ctes)
        written = Written(name, frozenset())
        (using,) = source.values()
        for when in statement.args["whens"].expressions:
            self.decide(when.args.get("condition"), scopes, ctes)
            written |= self._merged(when.args["then"], name, using, scopes, ctes)
        self.use_table(target, name)
        self.tables.pop(name, None)
        self._finish(written, drop=name)

    def _merged(self, then: Node, name: str, using: Relation, scopes: list[Sources], ctes: Sources) -> Written:
        from sqlglot import exp

        if isinstance(then, exp.Update):
            sets = [part for part in then.expressions if isinstance(part, exp.EQ)]
            pairs, named = [(part.this.name, part.expression) for part in sets], [part.this for part in sets]
            is_star = any(isinstance(part, exp.Star) for part in then.expressions)
        elif isinstance(then, exp.Insert):
            is_star = isinstance(then.this, exp.Star)
            named = [] if is_star or then.this is None else then.this.expressions
            targets = [part.name for part in named] or ([] if is_star else self.schema.get(name.lower(), []))
            values = then.expression.expressions if then.expression is not None else []
            pairs = list(zip(targets, values, strict=False))
        else:
            return Written(name, frozenset())
        self._use_columns(name, [part.this for part in named])
        given = {column for column, _ in pairs}
        found = {flow for column, value in pairs for flow in self._flows(self.value(value, scopes, ctes), column)}
        if is_star:
            for column in self.schema.get(name.lower()) or [known.name for known in using.columns]:
                found |= self._flows((using.get(column) or using.maybe(column)).leaves, column)
                given.add(column)
        return Written(name, frozenset(found), frozenset(given))

    def _update(self, statement: Node) -> None:
        name = name_of(statement.this)
        mine = self.base(statement.this, name)
        scopes = [{statement.this.alias_or_name.lower(): mine}]
        flows = {
            flow
            for part in statement.expressions
            for flow in self._flows(self.value(part.expression, scopes, {}), part.this.name)
        }
        self.decide(statement.args.get("where"), scopes, {})
        self.tables.pop(name, None)
        self._use_columns(name, [part.this.this for part in statement.expressions])
        given = frozenset(part.this.name for part in statement.expressions)
        self._finish(Written(name, frozenset(flows), given), drop=name)

    def _delete(self, statement: Node) -> None:
        name = name_of(statement.this)
        scopes = [{statement.this.alias_or_name.lower(): self.base(statement.this, name)}]
        self.decide(statement.args.get("where"), scopes, {})
        self.tables.pop(name, None)
        if self.tables:
            self._finish(Written(name, frozenset()), drop=name)

    def _write(self, target: str, found: Relation, columns: Sequence[str] | None, valued: Sequence[str] = ()) -> None:
        """Note what a query brings into a table's columns; `valued` ones have a value beside it."""
        flows: set[Flow] = set()
        given = set(valued)
        by_name = {name.lower(): name for name in columns or ()} if found.open else {}
        for position, column in enumerate(found.columns):
            into = columns[position] if columns and position < len(columns) else column.name
            into = by_name.pop(column.name.lower(), into)  # beside a star that nobody knows, places tell nothing
            flows |= self._flows(column.leaves, into)
            given |= {into} - {""}
        for name in by_name.values():  # what the star may bring
            flows |= self._flows(found.maybe(name).leaves, name)
        self._finish(Written(target, frozenset(flows), frozenset(given)))

    def _finish(self, write: Written, drop: str | None = None) -> None:
        """Keep what a statement writes, and what decided it; nothing flows from the table `drop` into itself."""
        flows = {flow for flow in write.flows if flow.source != drop}
        flows |= {Flow(table, column, "", True) for table, column, _ in self.deciding if table != drop}
        flows |= {Flow(table) for table in self.tables}
        whole = replace(write, flows=frozenset(flows))
        before = self.writes.get(write.target)
        self.writes[write.target] = whole if before is None else before | whole

    def _use_columns(self, table: str, names: Iterable[Node], *, declares: bool = False) -> None:
        """Note where the columns of a table that is written are named."""
        for name in names:
            if {"line", "start"} <= name.meta.keys():
                self.uses.add(Use(table, name.name, name.meta["line"], name.meta["start"], declares=declares))

    def _flows(self, leaves: Iterable[Leaf], column: str) -> set[Flow]:
        return {Flow(table, name, column, indirect) for table, name, indirect in leaves}


def _unwrapped(target: Node) -> tuple[Any, list[str] | None]:
    from sqlglot import exp

    if isinstance(target, exp.Schema):
        return target.this, [part.name for part in target.expressions]
    return target, None
