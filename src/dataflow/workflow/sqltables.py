"""The tables that a SQL script reads and writes, found in its text alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.workflow import tablenames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlglot import exp


@dataclass(frozen=True)
class Tables:
    """What a script touches, each table once, in the order met.

    Attributes:
        reads: Tables whose rows it reads.
        writes: Tables whose rows or shape it changes.
        complete: False when a statement could not be understood and may touch more.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    complete: bool = True


def tables_of(script: str) -> Tables:
    """Find the tables of a SQL script whose parameters are put in.

    Views that the script makes for itself are neither read nor written.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it would tell of every statement that it can't judge
    try:
        statements: list[Any] = [found for found in sqlglot.parse(script, read="spark") if found is not None]
    except SqlglotError:
        return Tables(complete=False)
    own = {name for statement in statements for name in _temporary_views(statement)}
    writes = _unique(_name(table) for statement in statements for table in _written(statement))
    reads = _unique(name for statement in statements for name in _read(statement))
    complete = not any(isinstance(statement, exp.Command) for statement in statements)
    return Tables(_without(reads, own), _without(writes, own), complete)


def _written(statement: exp.Expression) -> Iterator[exp.Table]:
    """Yield the tables that a statement changes: mostly one, which stands first, columns and partition aside."""
    from sqlglot import exp

    if isinstance(statement, exp.TruncateTable):
        yield from statement.expressions
    elif isinstance(statement, exp.Insert | exp.Create | exp.Merge | exp.Delete | exp.Update | exp.Drop | exp.Alter):
        target = statement.this
        while isinstance(target, exp.Schema):
            target = target.this
        if isinstance(target, exp.Table) and target.this:
            yield target


def _read(statement: exp.Expression) -> Iterator[str]:
    from sqlglot import exp

    changed = {id(table) for table in _written(statement)}
    named = {cte.alias_or_name for cte in statement.find_all(exp.CTE)}
    for table in statement.find_all(exp.Table):
        if id(table) not in changed and table.name and _name(table) not in named:
            yield _name(table)


def _temporary_views(statement: exp.Expression) -> Iterator[str]:
    from sqlglot import exp

    if isinstance(statement, exp.Create) and statement.kind == "VIEW":
        yield from (_name(table) for table in _written(statement) if not table.db)
    if isinstance(statement, exp.Cache):
        yield _name(statement.this)


def _name(table: exp.Table) -> str:
    return tablenames.joined(part.name for part in table.parts)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _without(names: tuple[str, ...], own: set[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in own)
