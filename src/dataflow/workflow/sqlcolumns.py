"""Column lineage of a SQL script out of its text alone: what each statement writes, and from where."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataflow.workflow.flow import Flow, Written
from dataflow.workflow.sqlnames import Column, Leaf, Node, Relation, Resolver, Schema, Sources, Use, name_of


@dataclass(frozen=True)
class Script:
    """What a SQL script does with tables and columns.

    Attributes:
        writes: Each table written, and where its columns come from.
        uses: Where tables and columns are named.
        reads: Tables that queries read that write nothing.
        declares: The columns of tables that it creates, in order.
        complete: False when a statement could not be understood and may touch more.
        unreadable: Whether nothing of it could be understood.
    """

    writes: tuple[Written, ...] = ()
    uses: frozenset[Use] = frozenset()
    reads: tuple[str, ...] = ()
    declares: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    complete: bool = True
    unreadable: bool = False


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
    except SqlglotError:
        return Script(complete=False, unreadable=True)
    declared = dict(_declared(statements))
    reader = _Reader({**(schema or {}), **declared})
    complete = True
    for statement in statements:
        reader.read(statement)
        complete = complete and not isinstance(statement, exp.Command)
    writes = tuple(Written(target, frozenset(flows)) for target, flows in reader.flows.items())
    return Script(writes, frozenset(reader.uses), tuple(reader.looked_at), declared, complete)


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
        self.flows: dict[str, set[Flow]] = {}
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
            case exp.Query():
                self.query(statement, {}, [])
                self.looked_at.update(self.tables)
            case _:
                pass

    # ------------------------------------------------------------------------------------- statements

    def _insert(self, statement: Node, ctes: Sources) -> None:
        from sqlglot import exp

        ctes = {**ctes, **self.ctes_of(statement, {}, [])}
        target, columns = statement.this, None
        if isinstance(target, exp.Schema):
            columns = [part.name for part in target.expressions]
            target = target.this
        query = statement.args.get("expression") or statement.args.get("source")
        if not isinstance(target, exp.Table) or query is None:
            return
        found = self.from_table(query, ctes) if isinstance(query, exp.Table) else self.query(query, ctes, [])
        name = name_of(target)
        self.use_table(target, name)
        if statement.args.get("by_name"):
            columns = [column.name for column in found.columns]
        self._write(name, found, columns or self._columns_to_fill(name, target.args.get("partition")))

    def _columns_to_fill(self, table: str, partition: Node) -> list[str] | None:
        """Return the columns that a query fills by position: all but those of a partition that has a value."""
        from sqlglot import exp

        known = self.schema.get(table.lower())
        if known is None:
            return None
        parts = partition.expressions if partition is not None else []
        given = {part.this.name.lower() for part in parts if isinstance(part, exp.EQ)}
        return [column for column in known if column.lower() not in given]

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
            return
        found = self.query(query, self.ctes_of(statement, {}, []), [])
        target, names = _unwrapped(statement.this)
        if statement.kind == "VIEW" and not target.db:
            if names:
                found = Relation([Column(n, c.leaves) for n, c in zip(names, found.columns, strict=False)])
            self.keep_view(target.name, found)
            return
        self._write(name_of(target), found, names)

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
        flows: set[Flow] = set()
        (using,) = source.values()
        for when in statement.args["whens"].expressions:
            self.decide(when.args.get("condition"), scopes, ctes)
            flows |= self._merged(when.args["then"], name, using, scopes, ctes)
        self.use_table(target, name)
        self.tables.pop(name, None)
        self._finish(name, {flow for flow in flows if flow.source != name}, drop=name)

    def _merged(self, then: Node, name: str, using: Relation, scopes: list[Sources], ctes: Sources) -> set[Flow]:
        from sqlglot import exp

        if isinstance(then, exp.Update):
            pairs = [(p.this.name, p.expression) for p in then.expressions if isinstance(p, exp.EQ)]
            is_star = any(isinstance(part, exp.Star) for part in then.expressions)
        elif isinstance(then, exp.Insert):
            is_star = isinstance(then.this, exp.Star)
            targets = [] if is_star or then.this is None else [part.name for part in then.this.expressions]
            targets = targets or ([] if is_star else list(self.schema.get(name.lower(), ())))
            values = then.expression.expressions if then.expression is not None else []
            pairs = list(zip(targets, values, strict=False))
        else:
            return set()
        found = {flow for column, value in pairs for flow in self._flows(self.value(value, scopes, ctes), column)}
        if is_star:
            for column in self.schema.get(name.lower()) or [known.name for known in using.columns]:
                found |= self._flows((using.get(column) or using.maybe(column)).leaves, column)
        return found

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
        self._finish(name, {flow for flow in flows if flow.source != name}, drop=name)

    def _delete(self, statement: Node) -> None:
        name = name_of(statement.this)
        scopes = [{statement.this.alias_or_name.lower(): self.base(statement.this, name)}]
        self.decide(statement.args.get("where"), scopes, {})
        self.tables.pop(name, None)
        if self.tables:
            self._finish(name, set(), drop=name)

    def _write(self, target: str, found: Relation, columns: Sequence[str] | None) -> None:
        flows: set[Flow] = set()
        if found.open and not found.columns and columns:  # SELECT * of tables that nobody knows: by the names
            found = Relation([found.maybe(name) for name in columns])
        for position, column in enumerate(found.columns):
            into = columns[position] if columns and position < len(columns) else column.name
            flows |= self._flows(column.leaves, into)
        self._finish(target, flows)

    def _finish(self, target: str, flows: set[Flow], drop: str | None = None) -> None:
        flows |= {Flow(table, column, "", True) for table, column, _ in self.deciding if table != drop}
        flows |= {Flow(table) for table in self.tables}
        self.flows.setdefault(target, set()).update(flows)

    def _flows(self, leaves: Iterable[Leaf], column: str) -> set[Flow]:
        return {Flow(table, name, column, indirect) for table, name, indirect in leaves}


def _unwrapped(target: Node) -> tuple[Any, list[str] | None]:
    from sqlglot import exp

    if isinstance(target, exp.Schema):
        return target.this, [part.name for part in target.expressions]
    return target, None
