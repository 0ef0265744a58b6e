"""What a write took from where: the one word that recorded, static and imported lineage share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Flow:
    """What a write took from where.

    Attributes:
        source: The table read, without its catalog.
        source_column: Its column; empty for the table as a whole, which stands once for each table read.
        target_column: The column that it went into; empty where it only decided which rows there are.
        indirect: Whether it decided (a filter, a join, the order of a window) rather than became the value.
    """

    source: str
    source_column: str = ""
    target_column: str = ""
    indirect: bool = False


@dataclass(frozen=True)
class Written:
    """One table written, and what went into it.

    Attributes:
        target: The table written, without its catalog.
        flows: Where its columns come from.
    """

    target: str
    flows: frozenset[Flow]
