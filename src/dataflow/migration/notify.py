"""Notices to owners: what changes, the affected workflows and lines, a suggested patch, the deadline, how to reply.

Each notice is sent at most once: it is reserved in the state database before it is sent. If the process dies in
between, the notice may or may not have been sent; it is reported as uncertain, and not resent automatically.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, display_path
from dataflow.files import write_file
from dataflow.lineage.show.labels import moment
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.notice_text import ANNOUNCED, OVERDUE, notice_content
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.store import CampaignStore
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.lineage.query import LineageGraph
    from dataflow.workflow.project import Environment

LEVELS = ((0, OVERDUE), (1, "last day"), (3, "3 days"), (7, "a week"), (14, "two weeks"), (30, "a month"))
"""The days before the deadline from which each reminder is due, the most urgent first."""


@dataclass(frozen=True)
class Notice:
    """A message to an owner.

    Attributes:
        owner: The owner; empty for workflows without one.
        level: `announcement`, or how close the deadline is.
        subject: The subject.
        text: The text.
        made: When it was made.
    """

    owner: str
    level: str
    subject: str
    text: str
    made: dt.datetime


@dataclass
class DeliveryResult:
    """The result of sending notices.

    Attributes:
        sent: The notices sent, with the addresses.
        failed: The notices that could not be sent, with the errors.
        doubtful: Notices that may have been sent: the process died while sending.
    """

    sent: list[tuple[Notice, str]]
    failed: list[tuple[Notice, DataflowError]]
    doubtful: list[str]


def due_notices(
    campaign: Campaign,
    found: Sequence[ReaderStatus],
    lineage: LineageGraph,
    sent: Sequence[tuple[str, str]],
    now: dt.datetime,
    *,
    ready: bool = True,
) -> list[Notice]:
    """Return the notices that are due: one for each owner with open readers, unless it was sent before.

    Args:
        campaign: The campaign.
        found: The status of its readers.
        lineage: The lineage, for scripts and their parameters.
        sent: Owner and level of the notices sent before.
        now: The current time.
        ready: Whether the new column or table exists.
    """
    due = []
    for owner, mine in open_readers(campaign, found).items():
        level = due_level(campaign, {level for who, level in sent if who == owner}, now)
        if level is not None:
            due.append(_notice(campaign, owner, mine, level, lineage, now, ready=ready))
    return due


def open_readers(campaign: Campaign, found: Sequence[ReaderStatus]) -> dict[str, list[ReaderStatus]]:
    """Return the readers of each owner that have not moved; under an empty name those without an owner."""
    owners: dict[str, list[ReaderStatus]] = {}
    for standing in found:
        own = standing.reader.role == "writes" and standing.reader.owner == campaign.row.opened_by
        if standing.is_open and not own:  # the owner of the table knows of their own writer
            owners.setdefault(standing.reader.owner or "", []).append(standing)
    return dict(sorted(owners.items()))


def due_level(campaign: Campaign, heard: set[str], now: dt.datetime) -> str | None:
    """Return the level that is due for an owner: the announcement first, then reminders."""
    if not heard:
        return ANNOUNCED
    left = (campaign.row.deadline - now.date()).days
    level = next((name for days, name in LEVELS if left <= days), None)
    if level is None or level in heard:
        return None
    days = next(days for days, name in LEVELS if name == level)
    known_from_the_start = (campaign.row.deadline - campaign.row.opened.date()).days <= days and heard == {ANNOUNCED}
    return None if known_from_the_start and days > 1 else level


def send_notices(
    due: Sequence[Notice],
    campaign: Campaign,
    campaigns: CampaignStore,
    send: Callable[[Notice], str],
) -> DeliveryResult:
    """Send notices, each reserved first, so that a concurrent `notify` sends none of them."""
    result = DeliveryResult([], [], [])
    for message in due:
        if not campaigns.reserve(campaign.id, message.owner, message.level):
            continue
        try:
            where = send(message)
        except DataflowError as error:
            campaigns.release(campaign.id, message.owner, message.level)
            result.failed.append((message, error))
            continue
        campaigns.mark_sent(campaign.id, message.owner, message.level, where)
        result.sent.append((message, where))
    result.doubtful = [
        f"{row['owner']} ({row['level']})" for row in campaigns.notices(campaign.id) if row["state"] == "sending"
    ]
    return result


def address_sender(environment: Environment) -> Callable[[Notice], str]:
    """Return a function that sends a notice to the e-mail address or webhook of its owner."""
    from dataflow.jobs.notification import send_notification
    from dataflow.workflow.models import NotificationSpec

    def deliver_one(message: Notice) -> str:
        if not message.owner:
            raise DataflowError("these workflows have no owner", "set `workflow.owner` in their definitions")
        spec = NotificationSpec(to=[message.owner], subject=message.subject, message=message.text)
        return ", ".join(send_notification(spec, environment=environment, owner=message.owner))

    return deliver_one


def has_address(message: Notice, environment: Environment) -> bool:
    """Return whether an owner can be reached by mail or webhook, beside an issue tracker."""
    known = environment.owners.get(message.owner)
    return "@" in message.owner or bool(known and (known.email or known.webhook))


def with_links(due: Sequence[Notice], links: Mapping[str, str]) -> list[Notice]:
    """Return messages that name the issue of their owner, where there is one."""
    return [replace(it, text=f"{it.text}\nThe issue:\n  {links[it.owner]}") if it.owner in links else it for it in due]


def file_writer(folder: Path) -> Callable[[Notice], str]:
    """Return a function that writes a notice to a file in a folder."""

    def deliver_one(message: Notice) -> str:
        path = folder / f"{message.owner or 'nobody'}-{message.level.replace(' ', '-')}.txt"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_file(path, f"Date: {moment(message.made)}\nSubject: {message.subject}\n\n{message.text}\n")
        except OSError as error:
            raise DataflowError(f"{display_path(path)} can't be written: {error.strerror}") from error
        return display_path(path)

    return deliver_one


def _notice(
    campaign: Campaign,
    owner: str,
    mine: Sequence[ReaderStatus],
    level: str,
    lineage: LineageGraph,
    now: dt.datetime,
    *,
    ready: bool,
) -> Notice:
    content = notice_content(campaign, owner, mine, level, lineage, now, ready=ready)
    left = (campaign.row.deadline - now.date()).days
    urgent = {OVERDUE: "OVERDUE: ", ANNOUNCED: ""}.get(level, f"{plural(left, 'day')} left: ")
    return Notice(owner, level, f"{urgent}{content.subject}", content.plain, now)
