"""The writes of the statements of a SQL script, in order, with the views and tables that they create."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from dataflow.lineage.model import Flow, TableWrite
from dataflow.lineage.sql.expressions import UnresolvedName
from dataflow.lineage.sql.from_clause import identifier_table, table_name_of
from dataflow.lineage.sql.insertion import Insertion
from dataflow.lineage.sql.relations import (
    Leaf,
    Node,
    QueryColumn,
    QueryScope,
    Relation,
    Schema,
    SqlReference,
    Views,
    columns_by_position,
)
from dataflow.lineage.sql.resolver import QueryResolver
from dataflow.lineage.sql.statements import Statement
from dataflow.tables.schema.ddl import create_table
from dataflow.workflow import table_names

_NO_TABLE_COMMANDS = frozenset(
    {"SHOW", "DESCRIBE", "DESC", "EXPLAIN", "SET", "RESET", "LIST", "ADD", "USE", "GRANT", "REVOKE", "CLEAR", "DECLARE"}
)
"""Statements that sqlglot does not parse, and that neither read nor write a table."""

_ALTERED = re.compile(r"\s*(?:TABLE|VIEW)\s+(?P<name>(?:`[^`]+`|\w+)(?:\.(?:`[^`]+`|\w+))*)", re.I)
_WORD = re.compile(r"\w+")


class ScriptReader(QueryResolver):
    """Reads the statements of a script in order, with the views created so far.

    Attributes:
        writes: The write of each table.
        read_tables: The tables whose rows are read.
        changed: The tables whose rows or schema are changed.
        insertions: The columns of INSERTs.
        reshaped: The tables whose columns are changed, or created by a query.
        replaced: The tables that are dropped or replaced.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self.writes: dict[str, TableWrite] = {}
        self.read_tables: dict[str, None] = {}
        self.changed: dict[str, None] = {}
        self.insertions: list[Insertion] = []
        self.reshaped: set[str] = set()
        self.replaced: set[str] = set()
        self._statement = Statement(None, 1, 0, "")

    def read(self, statement: Statement) -> bool:
        """Read a statement; return whether it was understood."""
        from sqlglot import exp

        self.indirect, self.tables, self._statement = set(), {}, statement
        tree = statement.tree
        match tree:
            case exp.Insert():
                self._insert(tree, {})
            case exp.MultitableInserts():
                self._multiple_insert(tree)
            case exp.Create():
                self._create(tree)
            case exp.Cache() if tree.expression is not None:
                self.add_view(tree.this.name, self.query(tree.expression, {}, []))
            case exp.Merge():
                self._merge(tree)
            case exp.Update():
                self._update(tree)
            case exp.Delete():
                self._delete(tree)
            case exp.Command():
                return self._command(tree)
            case _:
                self._other(tree)
        return True

    def _other(self, tree: Node) -> None:
        from sqlglot import exp

        if isinstance(tree, exp.Drop | exp.Alter | exp.TruncateTable | exp.LoadData):
            self._define(tree)
            return
        if isinstance(tree, exp.Declare):
            self.variables |= {name.name.lower() for item in tree.expressions for name in item.this}
        self._read_queries(tree)

    def catalog_table(self, table: Node, name: str) -> Relation:
        """Return a table of the catalog, and add it to the tables read."""
        self.read_tables[name] = None
        return super().catalog_table(table, name)

    def _read_queries(self, statement: Node) -> None:
        """Read the queries of a statement that writes nothing, such as SET VARIABLE."""
        from sqlglot import exp

        if isinstance(statement, exp.Query):
            self.query(statement, {}, [])
        else:
            for part in statement.iter_expressions():
                self._read_queries(part)

    def _command(self, command: Node) -> bool:
        word = str(command.this).upper()
        text = str(getattr(command.expression, "this", command.expression) or "")
        if word == "DECLARE":
            self.variables |= {name.lower() for name in _WORD.findall(text)}
        if word == "ALTER" and (found := _ALTERED.match(text)):
            self._change(table_names.plain(found["name"]))
            return True
        return word in _NO_TABLE_COMMANDS

    def _define(self, statement: Node) -> None:
        """Read a statement that drops, truncates or alters a table: its columns are then unknown."""
        from sqlglot import exp

        if isinstance(statement, exp.Drop | exp.Alter) and statement.args.get("kind") not in {"TABLE", "VIEW"}:
            return
        several = isinstance(statement, exp.TruncateTable)
        targets = statement.expressions if several else statement.args.get("tables") or [statement.this]
        if isinstance(statement, exp.Drop):
            self.replaced |= {table_name_of(target) for target in targets}
        for target in targets:
            self._change(table_name_of(target), known=isinstance(statement, exp.TruncateTable | exp.LoadData))
        for action in statement.args.get("actions") or ():
            if isinstance(action, exp.AlterRename):
                self._change(table_name_of(action.this))
            elif isinstance(action, exp.Query):
                self.query(action, {}, [])

    def _change(self, name: str, *, known: bool = False) -> None:
        if name.lower() in self.views:
            return
        self.changed[name] = None
        if not known:
            self.schema.pop(name.lower(), None)
            self.reshaped.add(name)

    # ------------------------------------------------------------------------------------- statements

    def _insert(self, statement: Node, ctes: Views) -> None:
        from sqlglot import exp

        ctes = {**ctes, **self.ctes_of(statement, {}, [])}
        target, columns, named = statement.this, None, []
        name = self._identified(target)
        if isinstance(target, exp.Schema) and name is None:
            columns = [part.name for part in target.expressions]
            named, target = target.expressions, target.this
        query: Node = statement.args.get("expression") or statement.args.get("source")
        found = Relation() if query is None or isinstance(query, bool) else self._query_or_table(query, ctes)
        if not isinstance(target, exp.Table | exp.Schema):  # a folder
            return
        name = name or table_name_of(target)
        self._change(name, known=True)
        if query is None or isinstance(query, bool):  # DEFAULT VALUES
            return
        self.add_table_reference(target, name)
        by_name, partition = bool(statement.args.get("by_name")), target.args.get("partition")
        valued = [part.this.name for part in getattr(partition, "expressions", ()) if isinstance(part, exp.EQ)]
        if by_name:
            columns = [column.name for column in found.columns]
            named = [part.args["alias"] for part in query.selects if isinstance(part, exp.Alias)]
            self._note_columns(
                name, [it.parts[-1] for it in query.selects if isinstance(it, exp.Column)], is_target=True
            )
        else:
            whole = {(found.table, query.parts[0].meta.get("line", 0))} if found.table else found.stars
            self.select_stars |= {star for star in whole if star[0] != name}
        self._use_columns(name, named)
        known = self.schema.get(name.lower())
        self.insertions.append(
            Insertion(
                name,
                self._statement,
                tuple(found.columns),
                tuple(valued),
                by_name,
                () if by_name else tuple(columns or ()),
                found.is_known,
                None if known is None else tuple(known),
            )
        )
        if where := statement.args.get("where"):  # REPLACE WHERE
            self._use_columns(name, [part.parts[-1] for part in where.find_all(exp.Column) if len(part.parts) == 1])
        self._write(name, found, columns or self._columns_to_fill(name, valued), valued)

    def _query_or_table(self, query: Node, ctes: Views) -> Relation:
        from sqlglot import exp

        return self.from_table(query, ctes) if isinstance(query, exp.Table) else self.query(query, ctes, [])

    def _identified(self, target: Node) -> str | None:
        """Return what an `IDENTIFIER('…')` in the place of a target means; sqlglot takes it for a list of columns."""
        from sqlglot import exp

        if not (isinstance(target, exp.Schema) and table_name_of(target.this).upper() == "IDENTIFIER"):
            return None
        found = identifier_table(exp.Table(this=exp.Anonymous(this="IDENTIFIER", expressions=target.expressions)))
        self.complete = self.complete and found is not None
        return found or "IDENTIFIER"

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
            self.indirect, self.tables = set(), {}
            self._insert(inner, self.ctes_of(statement, {}, []))

    def _create(self, statement: Node) -> None:
        from sqlglot import exp

        if statement.kind not in {"TABLE", "VIEW"}:
            return
        query = statement.expression
        target, names = _table_and_columns(statement.this)
        own = statement.find(exp.TemporaryProperty) is not None
        if own:
            found = Relation([QueryColumn("", is_wildcard=True)])  # USING a file
            if query is not None:
                found = self.with_column_names(self.query(query, self.ctes_of(statement, {}, []), []), names or [])
            shared = statement.find(exp.GlobalProperty) is not None
            self.add_view(f"global_temp.{table_name_of(target)}" if shared else table_name_of(target), found)
            return
        name = table_name_of(target)
        self.views.pop(name.lower(), None)
        if query is None:
            self._declare(statement, name)
            return
        found = self.query(query, self.ctes_of(statement, {}, []), [])
        self._change(name)
        if names:
            self.select_stars |= found.stars
        self._write(name, found, names)
        if found.is_known and not statement.args.get("exists"):
            self.schema[name.lower()] = list(names or [column.name for column in found.columns])

    def _declare(self, statement: Node, name: str) -> None:
        known = self.schema.get(name.lower())
        self._change(name)
        if statement.args.get("replace"):
            self.replaced.add(name)
        if (created := create_table(statement)) is not None:
            self._use_columns(name, [part.this for part in created.definitions], declares=True)
            if known is not None:
                self.schema[name.lower()] = known
                self.reshaped.discard(name)

    def _merge(self, statement: Node) -> None:
        ctes = self.ctes_of(statement, {}, [])
        target, name = statement.this, table_name_of(statement.this)
        source = self.from_item(statement.args["using"], ctes, [], QueryScope())
        columns = self.schema.get(name.lower(), ())
        mine = Relation([QueryColumn(c, {(name, c, False)}, is_unaliased=True) for c in columns], table=name)
        if not mine.columns:
            mine.open_tables = {name}
        scopes = [QueryScope.of(target.alias_or_name, mine).combined_with(source)]
        self.add_indirect(statement.args.get("on"), scopes, ctes)
        for column in statement.args.get("using_cond") or ():
            self.add_indirect(column, scopes, ctes)
        written = TableWrite(name, frozenset())
        for when in statement.args["whens"].expressions:
            self.add_indirect(when.args.get("condition"), scopes, ctes)
            written |= self._merged_row(when.args["then"], name, source.row, scopes, ctes)
        self.add_table_reference(target, name)
        self.tables.pop(name, None)
        self._change(name, known=True)
        self._finish(written, drop=name)

    def _merged_row(self, then: Node, name: str, using: Relation, scopes: list[QueryScope], ctes: Views) -> TableWrite:
        from sqlglot import exp

        if isinstance(then, exp.Update):
            sets = [part for part in then.expressions if isinstance(part, exp.EQ)]
            pairs, named = (
                [(_assigned_column(part.this), part.expression) for part in sets],
                [part.this for part in sets],
            )
            is_star = any(isinstance(part, exp.Star) for part in then.expressions)
        elif isinstance(then, exp.Insert):
            is_star = isinstance(then.this, exp.Star)
            named = [] if is_star or then.this is None else then.this.expressions
            targets = [part.name for part in named] or ([] if is_star else self.schema.get(name.lower(), []))
            values = then.expression.expressions if then.expression is not None else []
            pairs = list(zip(targets, values, strict=False))
        else:
            return TableWrite(name, frozenset())
        self._use_columns(name, [part.parts[-1] for part in named if isinstance(part, exp.Column)])
        given = {column for column, _ in pairs}
        found = {flow for column, value in pairs for flow in self._flows(self.value(value, scopes, ctes), column)}
        if is_star:
            for column in self.schema.get(name.lower()) or [known.name for known in using.columns]:
                found |= self._flows((using.get(column) or using.possible_column(column)).leaves, column)
                given.add(column)
        return TableWrite(name, frozenset(found), frozenset(given))

    def _update(self, statement: Node) -> None:
        name = table_name_of(statement.this)
        scopes = [QueryScope.of(statement.this.alias_or_name, QueryResolver.catalog_table(self, statement.this, name))]
        sets = [(_assigned_column(part.this), part.expression) for part in statement.expressions]
        flows = {flow for column, value in sets for flow in self._flows(self.value(value, scopes, {}), column)}
        self.add_indirect(statement.args.get("where"), scopes, {})
        self.tables.pop(name, None)
        self._change(name, known=True)
        self._use_columns(name, [part.this.this for part in statement.expressions if len(part.this.parts) == 1])
        self._finish(TableWrite(name, frozenset(flows), frozenset(column for column, _ in sets)), drop=name)

    def _delete(self, statement: Node) -> None:
        name = table_name_of(statement.this)
        scopes = [QueryScope.of(statement.this.alias_or_name, QueryResolver.catalog_table(self, statement.this, name))]
        self.add_indirect(statement.args.get("where"), scopes, {})
        self.tables.pop(name, None)
        self._change(name, known=True)
        if self.tables:
            self._finish(TableWrite(name, frozenset()), drop=name)

    # ------------------------------------------------------------------------------------------ writes

    def _write(self, target: str, found: Relation, columns: Sequence[str] | None, valued: Sequence[str] = ()) -> None:
        """Note what a query brings into a table's columns; `valued` ones have a value beside it."""
        flows: set[Flow] = set()
        given = set(valued)
        by_name = {name.lower(): name for name in columns or ()} if found.open_tables else {}
        for position, column in enumerate(
            columns_by_position(found.columns, len(columns)) if columns else found.columns
        ):
            into = columns[position] if columns and position < len(columns) else column.name
            into = by_name.pop(column.name.lower(), into)  # beside a star that nobody knows, places tell nothing
            flows |= self._flows(column.leaves, into)
            given |= {into} - {""}
        for name in by_name.values():  # what the star may bring
            flows |= self._flows(found.possible_column(name).leaves, name)
        self._finish(TableWrite(target, frozenset(flows), frozenset(given)))

    def _finish(self, write: TableWrite, drop: str | None = None) -> None:
        """Keep what a statement writes, and what decided it; nothing flows from the table `drop` into itself."""
        flows = {flow for flow in write.flows if flow.source != drop}
        flows |= {Flow(table, column, "", True) for table, column, _ in self.indirect if table != drop}
        flows |= {Flow(table) for table in self.tables}
        whole = replace(write, flows=frozenset(flows))
        before = self.writes.get(write.target)
        self.writes[write.target] = whole if before is None else before | whole

    def _use_columns(self, table: str, names: Iterable[Node], *, declares: bool = False) -> None:
        """Note where the columns of a table that is written are named."""
        known = None if declares else self.schema.get(table.lower())
        for name, line, start in self._note_columns(table, names, is_declaration=declares):
            if known is not None and name.lower() not in map(str.lower, known):
                self.unresolved[UnresolvedName(name, table, tuple(known), line, start)] = None

    def _note_columns(
        self, table: str, names: Iterable[Node], *, is_declaration: bool = False, is_target: bool = False
    ) -> list[tuple[str, int, int]]:
        """Note where columns of a table are named; return each name that has a place, with its line and offset."""
        places = [(it.name, it.meta["line"], it.meta["start"]) for it in names if {"line", "start"} <= it.meta.keys()]
        for place in places:
            self.references.add(SqlReference(table, *place, is_declaration=is_declaration, is_target=is_target))
        return places

    def _flows(self, leaves: Iterable[Leaf], column: str) -> set[Flow]:
        return {Flow(table, name, column, indirect) for table, name, indirect in leaves}


def _assigned_column(target: Node) -> str:
    """Return the column that an assignment changes; of a struct's field it may be the field's."""
    return str(target.name)


def _table_and_columns(target: Node) -> tuple[Any, list[str] | None]:
    from sqlglot import exp

    if isinstance(target, exp.Schema):
        return target.this, [part.name for part in target.expressions]
    return target, None
