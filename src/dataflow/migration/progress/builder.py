"""Determines the status of each reader, and records changes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.impact import AffectedWorkflow
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.progress.evidence import EVIDENCE_NAMES, LatestEvidence, latest_evidence
from dataflow.migration.store import CampaignEvent, CampaignStore, subjects_of

if TYPE_CHECKING:
    from dataflow.lineage.query import LineageGraph


def reader_statuses(campaign: Campaign, events: Sequence[CampaignEvent], lineage: LineageGraph) -> list[ReaderStatus]:
    """Return the status of each reader, workflows included that began to use the old name after the start."""
    evidence = latest_evidence(campaign, lineage)
    readers = {reader.workflow: reader for reader in campaign.readers}
    late = set(subjects_of(events, "joined"))
    for workflow, found in evidence.items():
        if workflow not in readers and (found.touches is not False or workflow in late):
            readers[workflow] = AffectedWorkflow(
                workflow, found.owner, found.role, known="since the campaign was opened"
            )
    acks = _acks(list(readers.values()), events)
    return [_reader_status(reader, evidence.get(name), acks.get(name), campaign) for name, reader in readers.items()]


def _acks(readers: Sequence[AffectedWorkflow], events: Sequence[CampaignEvent]) -> dict[str, CampaignEvent]:
    """Return the last acknowledgement of each reader, by its workflow or its owner."""
    found: dict[str, CampaignEvent] = {}
    for event in events:
        if event.kind == "acked":
            for reader in readers:
                if event.subject in {reader.workflow, reader.owner}:
                    found[reader.workflow] = event
    return found


def _reader_status(
    reader: AffectedWorkflow, newest: LatestEvidence | None, ack: CampaignEvent | None, campaign: Campaign
) -> ReaderStatus:
    opened = campaign.row.opened
    if newest is not None and newest.seen > opened and newest.touches is False:
        why = f"its latest {EVIDENCE_NAMES[newest.origin]} no longer uses the old name"
        return ReaderStatus(reader, "moved", "no longer deployed" if newest.is_gone else why, newest.seen)
    late = newest is not None and newest.seen > opened and newest.touches
    if ack is not None and not (late and newest is not None and newest.seen > ack.moment):
        return ReaderStatus(reader, "acked", f"{ack.who}: {ack.note or 'no note'}", ack.moment)
    if newest is None:
        return ReaderStatus(reader, "open", "no recorded run or deployment")
    if ack is not None:
        return ReaderStatus(
            reader, "open", f"acknowledged, but a later {EVIDENCE_NAMES[newest.origin]} reads it", newest.seen
        )
    writer = reader.role == "writes"
    does, may = ("writes or audits it", "may write it") if writer else ("reads it", "may read it")
    what = does if newest.touches else f"{may}: its columns are unknown"
    return ReaderStatus(reader, "open", f"its latest {EVIDENCE_NAMES[newest.origin]} {what}", newest.seen)


def record_moves(
    campaign: Campaign, found: Sequence[ReaderStatus], campaigns: CampaignStore, events: Sequence[CampaignEvent]
) -> None:
    """Record which readers moved or returned since the last time, for the burn-down."""
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
