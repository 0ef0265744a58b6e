"""The tables that a SQL script reads and writes, found in its text alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tables:
    """What a script touches, each table once, in the order met.

    Attributes:
        reads: Tables whose rows it reads.
        writes: Tables whose rows or shape it changes.
        complete: False when a statement could not be understood and may touch more.
        too_deep: The line of a statement that is nested too deep to be read, or None.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    complete: bool = True
    too_deep: int | None = None


def tables_of(script: str) -> Tables:
    """Find the tables of a SQL script whose parameters are put in.

    Views that the script makes for itself, and the steps of its queries, are neither read nor written.
    """
    from dataflow.lineage.sql.column_lineage import sql_lineage

    found = sql_lineage(script)
    too_deep = next((statement.line for statement in found.unparsed if statement.too_deep), None)
    return Tables(found.reads, found.changes, found.complete, too_deep)
