"""The overview of an environment: its tables and workflows, whose, fresh until when, and how they have been."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from dataflow.state.run_records import publications, runs
from dataflow.state.utc import now
from dataflow.ui.problem import Part, part
from dataflow.ui.read.catalog import TableFacts, facts_of, known_tags
from dataflow.ui.read.health import Health, failures_since, health_of
from dataflow.ui.read.news import Change, Due, OpenCampaign, changes_of_the_week, due_next, open_campaigns
from dataflow.ui.read.runs import RunLine, line_of

if TYPE_CHECKING:
    from dataflow.ui.page import Asked
    from dataflow.ui.source import Source

PART = 50
"""How many tables, or workflows, a page lists."""

_NIGHT = dt.timedelta(hours=24)
_FAILURES = 10
_DUE = 10


@dataclass(frozen=True)
class Known:
    """A table that runs publish, or a workflow that runs by itself.

    Attributes:
        name: Its name or id.
        owner: Whose it is.
        workflow: What writes it; itself of a workflow.
        last: When its last run began.
        around: The outermost workflow of that run.
    """

    name: str
    owner: str
    workflow: str
    last: dt.datetime
    around: str


@dataclass(frozen=True)
class Line:
    """A table or a workflow of the overview.

    Attributes:
        known: What it is.
        health: How its workflow has been.
        facts: What the table says of itself; None of a workflow, or where it can't be read.
        due: When it is due next; None where no schedule says.
    """

    known: Known
    health: Health
    facts: TableFacts | None
    due: Due | None

    @property
    def owner(self) -> str:
        """Whose it is: as the table says, or else its last run."""
        return (self.facts.owner if self.facts else "") or self.known.owner


@dataclass(frozen=True)
class Overview:
    """The overview.

    Attributes:
        kind: `tables` or `workflows`.
        lines: A part of them, the user's own first.
        count: How many there are that the filters let through.
        part: Which part it is, from 1.
        parts: How many parts there are.
        owners: All owners, to choose from.
        tags: The tags that are known so far, to choose from.
        owner: The only owner; empty for all.
        tag: The only tag; empty for all.
        name: What a name has to contain.
        marks: Why marks and tags are not known, where they are not.
        failed: What failed in the last 24 hours.
        due: What is due next.
        changes: What was deployed this week.
        campaigns: What is open.
    """

    kind: str
    lines: Sequence[Line]
    count: int
    part: int
    parts: int
    owners: Sequence[str]
    tags: Sequence[str]
    owner: str
    tag: str
    name: str
    marks: Part[Mapping[str, TableFacts]]
    failed: Sequence[RunLine]
    due: Part[Sequence[Due]]
    changes: Part[Sequence[Change]]
    campaigns: Sequence[OpenCampaign]


def overview_of(source: Source, asked: Asked) -> Overview:
    """Return the part of the overview that is asked for."""
    kind = "workflows" if asked.option("kind") == "workflows" else "tables"
    known = _workflows(source) if kind == "workflows" else _tables(source)
    owners = sorted({it.owner for it in known if it.owner})
    chosen, marks = _chosen(source, known, asked, kind)
    parts = max(1, -(-len(chosen) // PART))
    at = min(asked.number("part"), parts)
    shown = chosen[(at - 1) * PART : at * PART]
    if kind == "tables" and marks.problem is None:
        marks = part(lambda: facts_of(source, [it.name for it in shown]))
    due = part(lambda: due_next(source))
    return Overview(
        kind=kind,
        lines=_lines(source, shown, marks.value or {}, due.value or {}, whole=kind == "workflows"),
        count=len(chosen),
        part=at,
        parts=parts,
        owners=owners,
        tags=known_tags(source) if marks.problem is None else (),
        owner=asked.option("owner"),
        tag=asked.option("tag"),
        name=asked.option("name"),
        marks=marks,
        failed=[line_of(row) for row in failures_since(source, now() - _NIGHT, _FAILURES)],
        due=Part(_coming(due.value or {}), due.problem),
        changes=part(lambda: changes_of_the_week(source)),
        campaigns=open_campaigns(source),
    )


def tables_of(source: Source) -> list[str]:
    """Return the tables that runs of an environment have published, sorted."""
    return sorted(it.name for it in _tables(source))


def _chosen(
    source: Source, known: Iterable[Known], asked: Asked, kind: str
) -> tuple[list[Known], Part[Mapping[str, TableFacts]]]:
    """Return what the filters let through, the user's own first; a tag is known once all tables are looked at."""
    owner, tag, name = (asked.option(it) for it in ("owner", "tag", "name"))
    found = [it for it in known if (not owner or it.owner == owner) and name.lower() in it.name.lower()]
    marks: Part[Mapping[str, TableFacts]] = Part({})
    if tag and kind == "tables":
        marks = part(lambda: facts_of(source, [it.name for it in found]))
        tagged = marks.value or {}
        found = [it for it in found if it.name in tagged and tag in tagged[it.name].tags]
    return sorted(found, key=lambda it: (it.owner != source.user, it.name)), marks


def _tables(source: Source) -> list[Known]:
    """Return the tables that runs of an environment have published, each with what wrote it last."""
    around = runs.alias("around")
    query = (
        sa.select(
            publications.c.table_name.label("name"),
            runs.c.workflow_id.label("workflow"),
            runs.c.owner,
            around.c.workflow_id.label("around"),
            sa.func.max(runs.c.started).label("last"),
        )
        .join(runs, runs.c.run_id == publications.c.run_id)
        .outerjoin(around, around.c.run_id == runs.c.parent_run_id)
        .where(runs.c.environment == source.environment.name)
        .group_by(publications.c.table_name, runs.c.workflow_id, runs.c.owner, around.c.workflow_id)
    )
    return _newest(source, query)


def _workflows(source: Source) -> list[Known]:
    """Return the workflows that run by themselves."""
    query = (
        sa.select(
            runs.c.workflow_id.label("name"),
            runs.c.workflow_id.label("workflow"),
            runs.c.owner,
            sa.func.max(runs.c.started).label("last"),
        )
        .where(runs.c.environment == source.environment.name, runs.c.parent_run_id.is_(None))
        .group_by(runs.c.workflow_id, runs.c.owner)
    )
    return _newest(source, query)


def _newest(source: Source, query: sa.Select[tuple[object, ...]]) -> list[Known]:
    found: dict[str, Known] = {}
    for row in source.database.rows(query):
        known = found.get(row["name"])
        if known is None or known.last < row["last"]:
            around = row.get("around") or row["workflow"]
            found[row["name"]] = Known(row["name"], row["owner"] or "", row["workflow"], row["last"], around)
    return list(found.values())


def _lines(
    source: Source,
    shown: Sequence[Known],
    facts: Mapping[str, TableFacts],
    due: Mapping[str, Due],
    *,
    whole: bool,
) -> list[Line]:
    health = health_of(source, [it.workflow for it in shown], whole=whole)
    return [
        Line(it, health[it.workflow], facts.get(it.name), due.get(it.around) or due.get(it.workflow)) for it in shown
    ]


def _coming(due: Mapping[str, Due]) -> list[Due]:
    coming = [it for it in due.values() if it.next is not None and not it.paused]
    return sorted(coming, key=lambda it: (it.next, it.workflow))[:_DUE]
