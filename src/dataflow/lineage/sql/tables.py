"""The tables that a SQL script reads and writes, from its text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tables:
    """The tables of a script, each once, in order.

    Attributes:
        reads: Tables whose rows it reads.
        writes: Tables whose rows or schema it changes.
        complete: Whether all statements were understood.
        too_deep: The line of a statement that is nested too deep to be parsed, or None.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    complete: bool = True
    too_deep: int | None = None


def tables_of(script: str) -> Tables:
    """Return the tables of a SQL script, with parameters substituted.

    Temporary views of the script and common table expressions are not included.
    """
    from dataflow.lineage.sql.column_lineage import sql_lineage

    found = sql_lineage(script)
    too_deep = next((statement.line for statement in found.unparsed if statement.too_deep), None)
    return Tables(found.reads, found.changes, found.complete, too_deep)
