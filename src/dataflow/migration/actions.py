"""What is done with a campaign, from its start to its end: each function is a step that a person takes."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.lineage.model import Origin
from dataflow.migration import notify
from dataflow.migration.campaign.definition import Campaign, campaign_from_row
from dataflow.migration.campaign.events import applied_steps, begun_steps
from dataflow.migration.progress.builder import reader_statuses, record_moves
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.store import CampaignEvent, CampaignRow, CampaignStore
from dataflow.report import Report, silent
from dataflow.state.database import StateDatabase
from dataflow.workflow.identity import current_user

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.lineage.model import Producer
    from dataflow.lineage.query import LineageGraph
    from dataflow.migration.changes import ChangeRequest
    from dataflow.migration.notify import DeliveryResult, Notice
    from dataflow.migration.plan.definition import MigrationPlan
    from dataflow.migration.plan.table_schema import TableSchemaLoader
    from dataflow.migration.tracker.store import IssueRecord
    from dataflow.migration.tracker.sync import CampaignIssues, IssueChange, IssueResult
    from dataflow.migration.verify import Comparison

OpenSpark = Callable[[], AbstractContextManager["SparkSession"]]
"""Starts Spark when a step needs it."""


@dataclass(frozen=True)
class CampaignStatus:
    """A campaign as it stands.

    Attributes:
        campaign: The campaign.
        events: What happened to it.
        readers: How far its readers are.
        issues: What is filed in the tracker.
        followed: What came of closing and reopening issues.
    """

    campaign: Campaign
    events: list[CampaignEvent]
    readers: list[ReaderStatus]
    issues: Sequence[IssueRecord] = ()
    followed: IssueResult | None = None


@dataclass(frozen=True)
class DueNotices:
    """What owners should receive now.

    Attributes:
        messages: By mail and webhook.
        issues: In the tracker.
    """

    messages: list[Notice]
    issues: list[IssueChange]


@dataclass(frozen=True)
class SentNotices:
    """What became of what owners should receive.

    Attributes:
        due: The messages.
        results: What came of each.
        issues: What came of the issues in the tracker; None where there is no tracker.
    """

    due: list[Notice]
    results: DeliveryResult
    issues: IssueResult | None


@contextlib.contextmanager
def open_campaigns(known: LineageGraph) -> Iterator[CampaignStore]:
    """Open the campaigns of an environment at its state address."""
    with StateDatabase(known.environment.state) as database:
        yield CampaignStore(database, known.environment.name)


def list_campaigns(known: LineageGraph) -> list[dict[str, Any]]:
    """Return all campaigns at an environment's state address, newest first, as plain data."""
    with open_campaigns(known) as campaigns:
        return [
            {
                "campaign": row.id,
                "table": row.table,
                "environment": row.environment,
                "state": row.state,
                "closed": f"{row.closed:%Y-%m-%d}" if row.closed else None,
                "deadline": row.deadline.isoformat(),
                "opened": f"{row.opened:%Y-%m-%d}",
                "by": row.opened_by,
                "readers": len(row.definition["readers"]),
            }
            for row in campaigns.all()
        ]


def campaign_status(known: LineageGraph, name: str | None, report: Report) -> CampaignStatus:
    """Return how far a campaign is; the open one, or the last one, when none is named.

    Issues of those who have moved are closed, and reopened where they use the old name again.

    Raises:
        UsageError: There is none, or there are several.
    """
    with open_campaigns(known) as campaigns:
        found = _status(campaigns, known, name, ended=True)
        issues = campaign_issues(campaigns, known, found, report)
        if issues is None:
            return found
        followed = issues.follow()
        return replace(found, issues=issues.store.all(), followed=followed)


def start_campaign(
    known: LineageGraph,
    table: str,
    asked: ChangeRequest,
    *,
    folder: Path,
    deadline: dt.date,
    name: str | None,
    look: Callable[[], AbstractContextManager[TableSchemaLoader]],
) -> tuple[Campaign, Path, MigrationPlan]:
    """Plan a change and open a campaign for it.

    Args:
        known: Who depends on the table.
        table: The table.
        asked: The change.
        folder: The repository's root.
        deadline: Until when readers should have moved.
        name: What to call it; made of the table and the day when None.
        look: Opens what reads the live schema of a table.

    Returns:
        The campaign, its file, and the plan that it carries out.

    Raises:
        UsageError: The change needs no campaign, or can't begin now.
    """
    from dataflow.migration.campaign.builder import start_campaign as start
    from dataflow.migration.plan.builder import build_plan

    now = dt.datetime.now(dt.UTC)
    with look() as live:
        found = build_plan(table, asked, known, live)
    with open_campaigns(known) as campaigns:
        opened, path = start(found, campaigns, folder, deadline=deadline, who=current_user(), now=now, name=name)
    return opened, path, found


def due_notices(known: LineageGraph, name: str | None) -> DueNotices:
    """Return what owners of affected workflows should receive now; nothing is asked of a tracker.

    Raises:
        UsageError: There is no such campaign, or it is over.
    """
    now = dt.datetime.now(dt.UTC)
    with open_campaigns(known) as campaigns:
        found = open_status(campaigns, known, name)
        issues = campaign_issues(campaigns, known, found, silent)
        planned = issues.planned(issues.drafts(known, now, ready=_is_ready(found)), now) if issues else []
        return DueNotices(_due(campaigns, known, found), planned)


def send_due_notices(known: LineageGraph, name: str | None, folder: Path | None, report: Report) -> SentNotices:
    """Send what is due, or write the messages into a folder; return it, and what came of each.

    Raises:
        UsageError: There is no such campaign, or it is over.
    """
    now, filed = dt.datetime.now(dt.UTC), None
    with open_campaigns(known) as campaigns:
        found = open_status(campaigns, known, name)
        due = _due(campaigns, known, found)
        issues = campaign_issues(campaigns, known, found, report)
        if folder is not None:
            return SentNotices(
                due, notify.send_notices(due, found.campaign, campaigns, notify.file_writer(folder)), None
            )
        if issues is not None:
            filed = issues.bring_up_to_date(issues.drafts(known, now, ready=_is_ready(found)), now)
            due = notify.with_links([it for it in due if notify.has_address(it, known.environment)], filed.links())
        send = notify.address_sender(known.environment)
        return SentNotices(due, notify.send_notices(due, found.campaign, campaigns, send), filed)


def campaign_issues(
    campaigns: CampaignStore, known: LineageGraph, found: CampaignStatus, report: Report
) -> CampaignIssues | None:
    """Return the issues of a campaign; None where the project has no tracker."""
    if (settings := known.environment.tracker) is None:
        return None
    from dataflow.migration.tracker.store import IssueStore
    from dataflow.migration.tracker.sync import CampaignIssues

    store = IssueStore(campaigns.database, found.campaign.id, settings.name)
    return CampaignIssues(found.campaign, found.readers, known.environment, settings, store, report)


def close_issues(campaigns: CampaignStore, known: LineageGraph, name: str, report: Report) -> None:
    """Close the issues of a campaign that is over; what can't be closed now is closed by `status`."""
    found = _status(campaigns, known, name, ended=True)
    issues = campaign_issues(campaigns, known, found, report)
    for owner, error in issues.follow().failed if issues else ():
        report(f"the issue of {owner or 'no owner'} is still open: {error.message}")


def acknowledge(known: LineageGraph, name: str | None, who: str, note: str | None) -> list[str]:
    """Record that an owner's readers, or one workflow, are ready for the change; return the workflows.

    Raises:
        UsageError: Nobody of that name is a reader; names the nearest.
    """
    with open_campaigns(known) as campaigns:
        found = open_status(campaigns, known, name)
        readers = [each.reader for each in found.readers]
        meant = [each.workflow for each in readers if who in {each.workflow, each.owner}]
        if not meant:
            valid = {name for each in readers for name in (each.workflow, each.owner or "") if name}
            raise UsageError(
                f"no owner and no workflow of {found.campaign.id} is called '{who}'{did_you_mean(who, valid)}"
            )
        campaigns.note(found.campaign.id, "acked", who, current_user(), note)
    return meant


def verify_campaign(known: LineageGraph, name: str | None, open_spark: OpenSpark) -> list[Comparison]:
    """Compare old and new where both are; of a campaign that is over, just before the old was removed.

    Raises:
        UsageError: There is no such campaign.
    """
    from dataflow.migration.verify import verify

    with open_campaigns(known) as campaigns:
        campaign = campaign_from_row(campaigns.get(name, ended=True))
        with open_spark() as spark:
            return verify(spark, campaign, campaigns.events(campaign.id))


def cancel_campaign(
    known: LineageGraph, name: str | None, open_spark: OpenSpark, report: Report, *, force: bool, reason: str | None
) -> tuple[Campaign, list[str]]:
    """End a campaign and take back what it added; return it, and what can't be taken back.

    Raises:
        UsageError: There is no such campaign, or it is over.
        DataflowError: Somebody uses the new by now, or it holds what the old does not.
    """
    from dataflow.migration import execute

    with open_campaigns(known) as campaigns:
        found = open_status(campaigns, known, name)
        campaign, done = found.campaign, begun_steps(found.events)
        added = [step for step in campaign.steps if step.name in done and step.undo]
        if not force:
            _require_unread(known, campaign, [step.adds for step in added if step.adds])
        if added:
            with open_spark() as spark:
                execute.undo(spark, campaign, found.events, campaigns, current_user(), report, force=force)
        campaigns.close(campaign.id, "cancelled", current_user(), reason)
        close_issues(campaigns, known, campaign.id, report)
    return campaign, execute.irreversible_effects(campaign, done)


def _status(campaigns: CampaignStore, known: LineageGraph, name: str | None, *, ended: bool = False) -> CampaignStatus:
    """Return a campaign, what happened, and where its readers stand, written down where that changed."""
    found = standing(campaigns, known, campaigns.get(name, ended=ended))
    if found.campaign.row.state == "open":
        record_moves(found.campaign, found.readers, campaigns, found.events)
        return replace(found, events=campaigns.events(found.campaign.id))
    return found


def standing(campaigns: CampaignStore, known: LineageGraph, row: CampaignRow) -> CampaignStatus:
    """Return a campaign, what happened, and where its readers stand now; nothing is written down."""
    campaign = campaign_from_row(row)
    events = campaigns.events(campaign.id)
    return CampaignStatus(campaign, events, reader_statuses(campaign, events, known))


def open_status(campaigns: CampaignStore, known: LineageGraph, name: str | None) -> CampaignStatus:
    """Return a campaign that is open, and where its readers stand.

    Raises:
        UsageError: There is no such campaign, or it is over.
    """
    found = _status(campaigns, known, name)
    if found.campaign.row.state != "open":
        raise UsageError(f"campaign {found.campaign.id} is {found.campaign.row.state}")
    return found


def _due(campaigns: CampaignStore, known: LineageGraph, found: CampaignStatus) -> list[Notice]:
    campaign = found.campaign
    sent = [(row["owner"], row["level"]) for row in campaigns.notices(campaign.id)]
    return notify.due_notices(campaign, found.readers, known, sent, dt.datetime.now(dt.UTC), ready=_is_ready(found))


def _is_ready(found: CampaignStatus) -> bool:
    """Return whether the new column or table exists."""
    return {step.name for step in found.campaign.steps_of("expand")} <= set(applied_steps(found.events))


def _require_unread(known: LineageGraph, campaign: Campaign, columns: Sequence[str]) -> None:
    """Refuse to take back a column that somebody reads or writes by now."""
    from dataflow.lineage.store.reader import NO_COLUMNS, producer_key
    from dataflow.migration.impact import uses_column, writes_column

    def is_trial(producer: Producer) -> bool:
        return producer.origin is Origin.RECORDED and producer.environment not in {None, campaign.row.environment}

    users = {
        producer.workflow
        for producer, taken in known.store.flows({campaign.table}, downstream=True)
        if producer.target != campaign.table
        and not is_trial(producer)
        and any(uses_column(campaign.table, column, list(taken)) for column in columns)
    }
    named = known.store.target_columns(campaign.table)
    for producer, taken in known.store.flows({campaign.table}, downstream=False):
        flows, mine = list(taken), named.get(producer_key(producer), NO_COLUMNS)
        if not is_trial(producer) and any(writes_column(column, flows, mine) for column in columns):
            users.add(producer.workflow)
    if users:
        raise DataflowError(
            f"{', '.join(sorted(users))} use {', '.join(columns)} by now, which would be taken away",
            "move them back first, or --force",
            permanent=True,
        )
