"""How far a campaign is: who has moved, by what they last ran or deployed, or by their own word."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflow.deploy.lineage import GONE
from dataflow.lineage.model import Origin, Producer
from dataflow.lineage.show.text import age
from dataflow.lineage.store.reader import NO_COLUMNS, ProducerKey, TargetColumns, producer_key
from dataflow.migration.campaign import Campaign, applied_steps
from dataflow.migration.impact import AffectedWorkflow, uses_column, writes_column
from dataflow.migration.store import CampaignEvent, CampaignStore, subjects_of

if TYPE_CHECKING:
    from dataflow.lineage.graph import ColumnEdge
    from dataflow.lineage.query import LineageGraph

_EVIDENCE_NAMES = {Origin.RECORDED: "run", Origin.DEPLOYED: "deployment", Origin.OPENLINEAGE: "OpenLineage event"}
"""What counts: what ran or was deployed. A checkout is a plan."""


@dataclass(frozen=True)
class ReaderStatus:
    """Where a reader stands.

    Attributes:
        reader: The reader.
        state: `moved`, `acked` or `open`.
        why: What tells so.
        since: When that was.
    """

    reader: AffectedWorkflow
    state: str
    why: str
    since: dt.datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the change would still break it, as far as is known."""
        return self.state == "open"


def reader_statuses(campaign: Campaign, events: Sequence[CampaignEvent], lineage: LineageGraph) -> list[ReaderStatus]:
    """Return where each reader stands; workflows that began to read the old name since are among them."""
    evidence = _latest_evidence(campaign, lineage)
    readers = {reader.workflow: reader for reader in campaign.readers}
    late = set(subjects_of(events, "joined"))
    for workflow, found in evidence.items():
        if workflow not in readers and (found.touches is not False or workflow in late):
            readers[workflow] = AffectedWorkflow(
                workflow, found.owner, found.role, known="since the campaign was opened"
            )
    acks = _acks(list(readers.values()), events)
    return [_reader_status(reader, evidence.get(name), acks.get(name), campaign) for name, reader in readers.items()]


@dataclass
class _LatestEvidence:
    origin: Origin
    seen: dt.datetime
    owner: str | None
    role: str
    touches: bool | None
    is_gone: bool


def _latest_evidence(campaign: Campaign, lineage: LineageGraph) -> dict[str, _LatestEvidence]:
    """Return for each workflow the newest word on whether it uses what goes; None where columns are not known."""
    said: dict[str, dict[Origin, list[tuple[Producer, list[ColumnEdge]]]]] = defaultdict(lambda: defaultdict(list))
    for downstream in (True, False):
        for producer, taken in lineage.store.flows({campaign.table}, downstream=downstream):
            if (producer.target != campaign.table) == downstream and producer.origin in _EVIDENCE_NAMES:
                said[producer.workflow][producer.origin].append((producer, list(taken)))
    for producer in lineage.store.of_workflows([reader.workflow for reader in campaign.readers]):
        # One that doesn't use the table at all any more is known by what else it writes.
        if producer.target != campaign.table and producer.origin in _EVIDENCE_NAMES:
            said[producer.workflow][producer.origin].append((producer, []))
    named = lineage.store.target_columns(campaign.table)
    return {name: _latest(campaign, by, named) for name, by in said.items()}


def _latest(
    campaign: Campaign,
    by: Mapping[Origin, list[tuple[Producer, list[ColumnEdge]]]],
    named: Mapping[ProducerKey, TargetColumns],
) -> _LatestEvidence:
    here = _of_environment(by, campaign.row.environment)
    origin = max(here, key=lambda each: max(producer.seen for producer, _ in here[each]))
    found = here[origin]
    asked = [(each, column) for each in found for column in campaign.old_columns or ("",)]
    answers = [
        uses_column(campaign.table, column, taken) for (_, taken), column in asked
    ]  # a writer may read its own table
    answers += [
        writes_column(column, taken, named.get(producer_key(producer), NO_COLUMNS))
        for (producer, taken), column in asked
        if producer.target == campaign.table
    ]
    touches = True if True in answers else None if None in answers else False
    return _LatestEvidence(
        origin,
        max(producer.seen for producer, _ in found),
        next((producer.owner for producer, _ in found if producer.owner), None),
        "writes" if all(producer.target == campaign.table for producer, _ in found) else "reads",
        touches,
        all(producer.target == GONE for producer, _ in found),
    )


def _of_environment(
    by: Mapping[Origin, list[tuple[Producer, list[ColumnEdge]]]], environment: str
) -> Mapping[Origin, list[tuple[Producer, list[ColumnEdge]]]]:
    """Return what is known of a workflow where the campaign is; of one that is not known there, all.

    OpenLineage events name their places as others do, and a branch's deployment has workflows of its own names.
    """
    here = {
        origin: [each for each in found if origin is Origin.OPENLINEAGE or each[0].environment == environment]
        for origin, found in by.items()
    }
    return {origin: found for origin, found in here.items() if found} or by


def _acks(readers: Sequence[AffectedWorkflow], events: Sequence[CampaignEvent]) -> dict[str, CampaignEvent]:
    """Return the last acknowledgement of each reader: its own, or its owner's for all of theirs."""
    found: dict[str, CampaignEvent] = {}
    for event in events:
        if event.kind == "acked":
            for reader in readers:
                if event.subject in {reader.workflow, reader.owner}:
                    found[reader.workflow] = event
    return found


def _reader_status(
    reader: AffectedWorkflow, newest: _LatestEvidence | None, ack: CampaignEvent | None, campaign: Campaign
) -> ReaderStatus:
    opened = campaign.row.opened
    if newest is not None and newest.seen > opened and newest.touches is False:
        why = f"its latest {_EVIDENCE_NAMES[newest.origin]} uses the old name no more"
        return ReaderStatus(reader, "moved", "it is deployed no more" if newest.is_gone else why, newest.seen)
    late = newest is not None and newest.seen > opened and newest.touches
    if ack is not None and not (late and newest is not None and newest.seen > ack.moment):
        return ReaderStatus(reader, "acked", f"{ack.who}: {ack.note or 'no note'}", ack.moment)
    if newest is None:
        return ReaderStatus(reader, "open", "it never ran where this can be seen")
    if ack is not None:
        return ReaderStatus(
            reader, "open", f"acknowledged, but a later {_EVIDENCE_NAMES[newest.origin]} reads it", newest.seen
        )
    writer = reader.role == "writes"
    does, may = ("writes or audits it", "may write it") if writer else ("reads it", "may read it")
    what = does if newest.touches else f"{may}: its columns are not known"
    return ReaderStatus(reader, "open", f"its latest {_EVIDENCE_NAMES[newest.origin]} {what}", newest.seen)


def record_moves(
    campaign: Campaign, found: Sequence[ReaderStatus], campaigns: CampaignStore, events: Sequence[CampaignEvent]
) -> None:
    """Write down who moved, or went back, since it was looked at last: the burn-down is made of that."""
    last: dict[str, str] = {}
    for event in events:
        if event.kind in {"moved", "acked", "returned"}:
            for reader in (each.reader for each in found):
                if event.subject in {reader.workflow, reader.owner}:
                    last[reader.workflow] = event.kind
    known = {reader.workflow for reader in campaign.readers} | subjects_of(events, "joined")
    for standing in found:
        before, name = last.get(standing.reader.workflow), standing.reader.workflow
        if name not in known:
            campaigns.note(campaign.id, "joined", name, "dataflow", standing.why)
        if standing.state == "moved" and before != "moved":
            campaigns.note(campaign.id, "moved", name, "dataflow", standing.why)
        elif standing.is_open and before in {"moved", "acked"}:
            campaigns.note(campaign.id, "returned", name, "dataflow", standing.why)


def burn_down(
    campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], today: dt.date
) -> list[tuple[dt.date, int]]:
    """Return for each day since the opening how many readers had not moved at its end; late ones since they joined."""
    readers = [each.reader for each in found]
    left = {reader.workflow for reader in campaign.readers}
    by_day: dict[dt.date, list[CampaignEvent]] = defaultdict(list)
    for event in events:
        by_day[event.moment.date()].append(event)
    day, counts = campaign.row.opened.date(), []
    last = min(today, campaign.row.closed.date()) if campaign.row.closed else today
    while day <= last:
        for event in by_day.get(day, ()):
            mine = {reader.workflow for reader in readers if event.subject in {reader.workflow, reader.owner}}
            if event.kind in {"moved", "acked"}:
                left -= mine
            elif event.kind in {"returned", "joined"}:
                left |= mine
        counts.append((day, len(left)))
        day += dt.timedelta(days=1)
    return counts


def as_data(
    campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], today: dt.date
) -> dict[str, Any]:
    """Return how far a campaign is, for programs."""
    row = campaign.row
    done, days = applied_steps(events), burn_down(campaign, found, events, today)
    return {
        "campaign": row.id,
        "table": row.table,
        "environment": row.environment,
        "state": row.state,
        "deadline": row.deadline.isoformat(),
        "days_left": (row.deadline - today).days,
        "opened": row.opened.isoformat(),
        "opened_by": row.opened_by,
        "changes": [str(change) for change in campaign.changes],
        "readers": [
            {
                "workflow": each.reader.workflow,
                "owner": each.reader.owner,
                "state": each.state,
                "why": each.why,
                "since": each.since.isoformat() if each.since else None,
            }
            for each in found
        ],
        "open": sum(each.is_open for each in found),
        "steps": [{"name": s.name, "says": s.says, "done": s.name in done} for s in campaign.steps],
        "burn_down": [{"day": day.isoformat(), "open": left} for day, left in days],
    }


def render(
    campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], now: dt.datetime
) -> Iterator[str]:
    """Yield the lines of a campaign's status for people."""
    row = campaign.row
    days = (row.deadline - now.date()).days
    when = f"{days} days left" if days > 0 else "today" if days == 0 else f"{-days} days over"
    yield f"{row.id}: {row.table} in {row.environment}, {row.state}"
    yield f"  {'; '.join(str(change) for change in campaign.changes)}"
    yield f"  deadline {row.deadline} ({when}), opened {age(row.opened, now)} by {row.opened_by}"
    yield ""
    wide = max((len(each.reader.workflow) for each in found), default=8)
    owners = max((len(each.reader.owner or "no owner") for each in found), default=5)
    for each in sorted(found, key=lambda each: (not each.is_open, each.reader.owner or "", each.reader.workflow)):
        mark = {"moved": "✓", "acked": "✓", "open": "·"}[each.state]
        since = f", {age(each.since, now)}" if each.since else ""
        name, owner = each.reader.workflow.ljust(wide), (each.reader.owner or "no owner").ljust(owners)
        yield f"  {mark} {name}  {owner}  {each.state:<5}  {each.why}{since}"
    done = sum(not each.is_open for each in found)
    yield ""
    yield f"  {_bar(done, len(found))} {done} of {len(found)} moved"
    days_left = burn_down(campaign, found, events, now.date())
    yield f"  {_spark([left for _, left in days_left])} open per day since {days_left[0][0]}" if days_left else ""
    yield ""
    yield from _steps(campaign, applied_steps(events))


def _steps(campaign: Campaign, done: Sequence[str]) -> Iterator[str]:
    for step in campaign.steps:
        mark = "✓" if step.name in done else "·"
        yield f"  {mark} {step.name:<11} {step.says}{' (irreversible)' if step.irreversible else ''}"


def _bar(done: int, total: int, width: int = 30) -> str:
    full = width if not total else round(width * done / total)
    return "█" * full + "░" * (width - full)


def _spark(values: Sequence[int], most: int = 60) -> str:
    """Draw numbers as a row of bars; of a long row the last ones."""
    shown = list(values)[-most:]
    highest = max(shown, default=0)
    return "".join("▁▂▃▄▅▆▇█"[round(7 * value / highest) if highest else 0] for value in shown)
