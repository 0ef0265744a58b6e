"""Campaigns as the pages show them: how far each is, who has not moved, and why. Nothing is written down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.lineage.query import open_lineage
from dataflow.migration.actions import standing
from dataflow.migration.campaign.definition import campaign_from_row
from dataflow.migration.campaign.events import ending
from dataflow.migration.html_report import chart
from dataflow.migration.progress.burn_down import burn_down
from dataflow.migration.progress.definition import done_steps
from dataflow.migration.store import CampaignStore

if TYPE_CHECKING:
    from dataflow.lineage.query import LineageGraph
    from dataflow.migration.actions import CampaignStatus
    from dataflow.migration.progress.definition import ReaderStatus
    from dataflow.migration.store import CampaignEvent, CampaignRow
    from dataflow.state.database import StateDatabase
    from dataflow.workflow.project import Environment

_MOST_ENDED = 50
"""How many campaigns that are over are listed."""

_MOST_EVENTS = 100
"""How many events of a campaign are shown, of the latest."""


@dataclass(frozen=True)
class CampaignSummary:
    """A campaign in a list.

    Attributes:
        id: Its name.
        table: The table that changes.
        environment: Where.
        state: `open`, `done` or `cancelled`.
        deadline: The day by which readers should have moved.
        opened: When it was started.
        opened_by: Who started it.
        closed: When it ended.
        changes: What changes, in words.
        total: How many readers it has; of one that is over those that it began with.
        open: How many of them have not moved; None of one that is over.
        open_owners: Whose they are, in the order of the alphabet.
        days_left: How many days there are up to the deadline; negative beyond it.
    """

    id: str
    table: str
    environment: str
    state: str
    deadline: dt.date
    opened: dt.datetime
    opened_by: str
    closed: dt.datetime | None
    changes: tuple[str, ...]
    total: int
    open: int | None
    open_owners: tuple[str, ...]
    days_left: int

    @property
    def moved(self) -> int:
        """How many readers have moved."""
        return self.total - (self.open or 0)

    @property
    def is_overdue(self) -> bool:
        """Whether it is open beyond its deadline."""
        return self.state == "open" and self.days_left < 0


@dataclass(frozen=True)
class ReaderRow:
    """A reader of the table that changes.

    Attributes:
        workflow: The workflow.
        owner: Whose it is; None where nobody knows.
        role: `reads` or `writes`.
        state: `moved`, `acked` or `open`.
        why: The evidence, in words.
        since: When that was observed.
        columns: The columns that it uses.
    """

    workflow: str
    owner: str | None
    role: str
    state: str
    why: str
    since: dt.datetime | None
    columns: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether the change would break it."""
        return self.state == "open"


@dataclass(frozen=True)
class StepRow:
    """A step of a campaign.

    Attributes:
        name: Its name.
        says: What it does, in words.
        is_done: Whether it was carried out.
        irreversible: Whether it can't be taken back.
    """

    name: str
    says: str
    is_done: bool
    irreversible: bool


@dataclass(frozen=True)
class CampaignDetail:
    """A campaign as it stands.

    Attributes:
        summary: What the list says of it.
        readers: Its readers: who has not moved first.
        steps: Its steps, in order.
        burn_down: How many readers were open on each day.
        ending: When, by whom and why it ended; empty while it is open.
        events: What happened, the latest first.
        more_events: How many earlier events there are.
        chart: The burn-down as a part of an SVG picture, 760 by 170.
    """

    summary: CampaignSummary
    readers: tuple[ReaderRow, ...]
    steps: tuple[StepRow, ...]
    burn_down: tuple[tuple[dt.date, int], ...]
    ending: str
    events: tuple[CampaignEvent, ...]
    more_events: int
    chart: str


def campaigns(
    database: StateDatabase, known: LineageGraph, environment: str | None, today: dt.date
) -> list[CampaignSummary]:
    """Return the campaigns at a state address: those that are open by their deadlines, then those that are over.

    Args:
        database: The state database.
        known: What readers are seen by.
        environment: Only those of this environment; all at the address when None.
        today: The day that deadlines are counted from.
    """
    store = CampaignStore(database, environment or known.environment.name)
    rows = [row for row in store.all() if environment in {None, row.environment}]
    live = [_summary(standing(store, known, row), today) for row in rows if row.state == "open"]
    over = sorted((row for row in rows if row.state != "open"), key=lambda row: row.closed or row.opened, reverse=True)
    ended = [_of_row(row, today, total=len(row.definition["readers"])) for row in over[:_MOST_ENDED]]
    return [*sorted(live, key=lambda it: (it.deadline, it.id)), *ended]


def lineage_of(environment: Environment) -> LineageGraph:
    """Return what readers of an environment are seen by: runs, deployments and events, nothing on this disk."""
    return open_lineage(environment, None, [])


def campaign(database: StateDatabase, known: LineageGraph, name: str, now: dt.datetime) -> CampaignDetail | None:
    """Return a campaign by its name; None where there is none."""
    store = CampaignStore(database, known.environment.name)
    row = next((row for row in store.all() if row.id == name), None)
    if row is None:
        return None
    found = standing(store, known, row)
    today = now.date()
    done = done_steps(found.campaign, found.readers, found.events)
    readers = sorted(map(_reader, found.readers), key=lambda it: (not it.is_open, it.owner or "", it.workflow))
    steps = (StepRow(it.name, it.says, it.name in done, it.irreversible) for it in found.campaign.steps)
    return CampaignDetail(
        _summary(found, today),
        tuple(readers),
        tuple(steps),
        tuple(_burn_down(found, today)),
        ending(found.campaign, found.events),
        tuple(found.events[::-1][:_MOST_EVENTS]),
        max(0, len(found.events) - _MOST_EVENTS),
        chart(found.campaign, found.readers, found.events, now),
    )


def open_on(database: StateDatabase, table: str, environment: str) -> tuple[str, ...]:
    """Return the names of the open campaigns on a table of an environment."""
    rows = CampaignStore(database, environment).all()
    return tuple(row.id for row in rows if (row.state, row.environment, row.table) == ("open", environment, table))


def _burn_down(found: CampaignStatus, today: dt.date) -> Sequence[tuple[dt.date, int]]:
    """Return how many were open each day; today as it is seen now, noted down or not."""
    days = burn_down(found.campaign, found.readers, found.events, today)
    if found.campaign.row.state == "open":
        days[-1] = (days[-1][0], sum(it.is_open for it in found.readers))
    return days


def _summary(found: CampaignStatus, today: dt.date) -> CampaignSummary:
    row = found.campaign.row
    if row.state != "open":
        return _of_row(row, today, total=len(found.campaign.readers))
    still = [it for it in found.readers if it.is_open]
    owners = tuple(sorted({it.reader.owner or "no owner" for it in still}))
    return _of_row(row, today, total=len(found.readers), left=len(still), owners=owners)


def _of_row(
    row: CampaignRow, today: dt.date, *, total: int, left: int | None = None, owners: tuple[str, ...] = ()
) -> CampaignSummary:
    return CampaignSummary(
        row.id,
        row.table,
        row.environment,
        row.state,
        row.deadline,
        row.opened,
        row.opened_by,
        row.closed,
        tuple(map(str, campaign_from_row(row).changes)),
        total,
        left,
        owners,
        (row.deadline - today).days,
    )


def _reader(found: ReaderStatus) -> ReaderRow:
    of = found.reader
    return ReaderRow(of.workflow, of.owner, of.role, found.state, found.why, found.since, tuple(of.columns))
