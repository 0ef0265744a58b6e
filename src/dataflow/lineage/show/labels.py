"""What the edges of lineage are called: the same words in the text, in the picture and in a plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from dataflow.lineage.model import Origin

if TYPE_CHECKING:
    from dataflow.lineage.graph import Node
    from dataflow.lineage.model import Producer

ORIGINS = {
    Origin.RECORDED: "recorded by a run",
    Origin.DEPLOYED: "in a deployed bundle",
    Origin.CHECKOUT: "in files here",
    Origin.OPENLINEAGE: "imported from OpenLineage",
}
"""What says that there is an edge, in the order in which it is trusted."""

Times = Callable[[dt.datetime], str]
"""Spells when something was seen."""


class EdgeKind(StrEnum):
    """What the source of an edge does, in words; a value that arrives needs none."""

    VALUE = ""
    DECIDES = "only decides"
    DECIDES_ROWS = "only decides which rows"
    MAY_READ = "may read it: its columns are unknown"


def edge_kind(target: Node, *, indirect: bool, of_columns: bool) -> EdgeKind:
    """Return the kind of an edge.

    Args:
        target: Its target.
        indirect: Whether the transformation is indirect.
        of_columns: Whether it is one of many that lead from or to a column, rather than a table.
    """
    if of_columns and not target[1]:  # of all edges that go to no column, only those of unknown ones don't decide
        return EdgeKind.DECIDES_ROWS if indirect else EdgeKind.MAY_READ
    return EdgeKind.DECIDES if indirect else EdgeKind.VALUE


def moment(when: dt.datetime) -> str:
    """Spell a moment for what is kept: `2026-01-31 18:05 UTC`."""
    return f"{when.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def ages(now: dt.datetime) -> Times:
    """Return what spells moments by their age, for what is read at once: `3 h ago`."""
    return lambda when: age(when, now)


def age(when: dt.datetime, now: dt.datetime) -> str:
    """Return the age of something in the largest unit that fits: `3 h ago`."""
    seconds = max(0.0, (now - when).total_seconds())
    for size, unit in ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def workflow_label(producer: Producer) -> str:
    """Return what a workflow is called: its id and its owner."""
    return f"{producer.workflow} ({producer.owner or 'no owner'})"


def origin_summary(producers: Iterable[Producer], times: Times) -> str:
    """Return the origins of an edge, each with its latest time: `recorded by a run 3 h ago, in files here 2 d ago`."""
    newest: dict[str, dt.datetime] = {}
    for producer in producers:
        name = ORIGINS[producer.origin]
        if producer.bundle:
            name = f"{name} ({producer.bundle[:8]})"
        newest[name] = max(newest.get(name, producer.seen), producer.seen)
    freshest = sorted(newest.items(), key=lambda item: item[1], reverse=True)
    return ", ".join(f"{name} {times(when)}" for name, when in freshest)


def origins_of(producers: Iterable[Producer]) -> Sequence[Origin]:
    """Return the origins of producers, the most trusted one first."""
    return sorted({producer.origin for producer in producers}, key=list(ORIGINS).index)
