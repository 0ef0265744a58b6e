"""Column lineage of a SQL script from its text: what each statement writes, and from where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dataflow.lineage.model import ColumnName, TableWrite
from dataflow.lineage.sql.expressions import UnresolvedName
from dataflow.lineage.sql.insertion import Insertion
from dataflow.lineage.sql.relations import Schema, SelectStar, SqlReference
from dataflow.lineage.sql.statements import Statement, statements_of
from dataflow.lineage.sql.writes import ScriptReader
from dataflow.tables.schema.ddl import create_table

_INCOMPLETE_TREE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""Errors of reading incomplete trees, which sqlglot makes of invalid SQL such as `DELETE (FROM t)`."""


@dataclass(frozen=True)
class SqlLineage:
    """The lineage of a SQL script.

    Attributes:
        writes: The write of each table.
        references: Where tables and columns are referenced.
        select_stars: Where all columns of a table are selected and used by position.
        reads: The tables whose rows it reads, in order.
        changes: The tables whose rows or schema it changes, in order.
        declares: The columns of tables that it creates, in order.
        unresolved: Names without a column, where all columns are known.
        insertions: The columns of its INSERTs.
        reshaped: The tables whose columns it changes, or creates by a query.
        replaces: The tables that it drops or replaces.
        unparsed: Statements that were not understood, and may read or write more.
        complete: Whether all statements were understood, and the name of each table is known.
        unreadable: Whether no statement was understood.
    """

    writes: tuple[TableWrite, ...] = ()
    references: frozenset[SqlReference] = frozenset()
    select_stars: frozenset[SelectStar] = frozenset()
    reads: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    declares: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unresolved: tuple[UnresolvedName, ...] = ()
    insertions: tuple[Insertion, ...] = ()
    reshaped: frozenset[str] = frozenset()
    replaces: frozenset[str] = frozenset()
    unparsed: tuple[Statement, ...] = ()
    complete: bool = True
    unreadable: bool = False

    @property
    def referenced_columns(self) -> frozenset[ColumnName]:
        """The columns that it references."""
        return frozenset((use.table, use.column) for use in self.references if use.column)


def sql_lineage(script: str, schema: Schema | None = None) -> SqlLineage:
    """Return the lineage of a SQL script.

    Args:
        script: The text, with parameters substituted.
        schema: The known columns of tables; those that the script creates are added.
    """
    statements = statements_of(script)
    declared = dict(_declared_tables(statements))
    reader = ScriptReader({**(schema or {}), **declared})
    unread = []
    for statement in statements:
        before = dict(reader.unresolved)
        try:
            understood = statement.tree is not None and reader.read(statement)
        except RecursionError:
            understood, statement = False, replace(statement, too_deep=True)  # noqa: PLW2901  # the same, marked
        except _INCOMPLETE_TREE:
            understood, reader.unresolved = False, before
        if not understood:
            unread.append(statement)
    return SqlLineage(
        tuple(reader.writes.values()),
        frozenset(reader.references),
        frozenset(reader.select_stars),
        tuple(reader.read_tables),
        tuple(reader.changed),
        declared,
        tuple(reader.unresolved),
        tuple(reader.insertions),
        frozenset(reader.reshaped),
        frozenset(reader.replaced),
        tuple(unread),
        reader.complete and not unread,
        bool(statements) and len(unread) == len(statements) and not reader.changed,
    )


def _declared_tables(statements: Sequence[Statement]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for statement in statements:
        created = create_table(statement.tree)
        if created is not None and created.column_names and not created.is_query:
            yield created.table, created.column_names
