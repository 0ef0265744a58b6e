"""Column lineage of a SQL script out of its text alone: what each statement writes, and from where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dataflow.lineage.model import ColumnName, TableWrite
from dataflow.lineage.sql.expressions import UnresolvedName
from dataflow.lineage.sql.relations import Schema, SelectStar, SqlReference
from dataflow.lineage.sql.statements import Statement, statements_of
from dataflow.lineage.sql.writes import Insertion, ScriptReader
from dataflow.tables.schema.ddl import create_table

_INCOMPLETE_TREE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What trees lead to that sqlglot makes of what is no SQL, such as `DELETE (FROM t)`: parts of them are missing."""


@dataclass(frozen=True)
class SqlLineage:
    """What a SQL script does with tables and columns.

    Attributes:
        writes: Each table written, and where its columns come from.
        references: Where tables and columns are named.
        select_stars: Where all columns of a table are taken and go on by their position.
        reads: All tables whose rows it reads, in the order met.
        changes: All tables whose rows or shape it changes, in the order met.
        declares: The columns of tables that it creates, in order.
        unresolved: Names that no column has, where all columns are known.
        insertions: What its INSERTs put where.
        reshaped: The tables whose columns it changes, or makes by a query.
        replaces: The tables that it makes anew, whatever they were.
        unparsed: Statements that could not be understood and may touch more.
        complete: Whether there are none of those, and each table is known by its name.
        unreadable: Whether nothing of it could be understood.
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
        """The columns that it names, whatever becomes of them."""
        return frozenset((use.table, use.column) for use in self.references if use.column)


def sql_lineage(script: str, schema: Schema | None = None) -> SqlLineage:
    """Find what a SQL script, parameters put in, takes from which columns and puts into which.

    Args:
        script: The script's text.
        schema: The columns of tables, as far as they are known; the script's own CREATE TABLEs are added.
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
