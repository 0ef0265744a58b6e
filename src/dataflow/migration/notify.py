"""Notices to owners: what changes, the affected workflows and lines, a suggested patch, the deadline, how to reply.

Each notice is sent at most once: it is reserved in the state database before it is sent. If the process dies in
between, the notice may or may not have been sent; it is reported as uncertain, and not resent automatically.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, display_path
from dataflow.files import write_file
from dataflow.lineage.show.labels import moment
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.changes import new_name
from dataflow.migration.impact import AffectedWorkflow, select_star_users
from dataflow.migration.patches import ReaderMigration, suggest_patch
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.script_lines import ScriptLine, lines_naming
from dataflow.migration.store import CampaignStore, env_option
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.lineage.query import LineageGraph
    from dataflow.workflow.project import Environment

LEVELS = ((0, "overdue"), (1, "last day"), (3, "3 days"), (7, "a week"), (14, "two weeks"), (30, "a month"))
"""The days before the deadline from which each reminder is due, the most urgent first."""

ANNOUNCED = "announcement"
_LINES = 12


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
    owners: dict[str, list[ReaderStatus]] = {}
    for standing in found:
        own = standing.reader.role == "writes" and standing.reader.owner == campaign.row.opened_by
        if standing.is_open and not own:  # the owner of the table knows of their own writer
            owners.setdefault(standing.reader.owner or "", []).append(standing)
    due = []
    for owner, mine in sorted(owners.items()):
        level = _due_level(campaign, {level for who, level in sent if who == owner}, now)
        if level is not None:
            due.append(_notice(campaign, owner, mine, level, lineage, now, ready=ready))
    return due


def _due_level(campaign: Campaign, heard: set[str], now: dt.datetime) -> str | None:
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
    row = campaign.row
    breaking = [str(change) for change in campaign.changes if not change.safe]
    left = (row.deadline - now.date()).days
    count = f"{len(mine)} of your workflows" if len(mine) > 1 else "one of your workflows"
    subject = f"{row.table}: {breaking[0]} by {row.deadline}, {count} {'use' if len(mine) > 1 else 'uses'} it"
    if level == "overdue":
        subject = f"OVERDUE: {subject}"
    elif level != ANNOUNCED:
        subject = f"{plural(left, 'day')} left: {subject}"
    places = {each.workflow: each.lines for each in select_star_users(row.table, lineage)} if not ready else {}
    mine = [replace(each, reader=_with_lines_of_now(campaign, each.reader, lineage)) for each in mine]
    lines = [*_opening(campaign, breaking, level, left, ready=ready), "", *_workflows(mine, places)]
    patches = dict.fromkeys(text for each in mine for text in _patches(campaign, each.reader, lineage) if text)
    if patches:
        keeps = (
            " --ignore-whitespace" if any("\r\n" in it for it in patches) else ""
        )  # mails end lines in their own way
        lines += ["", f"Suggested patch, to be reviewed before `git apply{keeps}` at the root of the repository:", ""]
        lines.append("".join(patches).rstrip("\n"))
    lines += ["", *_reply_instructions(campaign, owner, mine)]
    return Notice(owner, level, subject, "\n".join(lines), now)


def _opening(campaign: Campaign, breaking: Sequence[str], level: str, left: int, *, ready: bool) -> Iterator[str]:
    row = campaign.row
    if level == "overdue":
        yield f"The deadline {row.deadline} has passed, and {row.opened_by} can't finish the change because of this:"
        yield ""
    elif level != ANNOUNCED:
        yield f"A reminder: there {'is' if left == 1 else 'are'} {plural(left, 'day')} left."
        yield ""
    yield f"{row.opened_by} changes {row.table} in {row.environment}:"
    yield from (f"  - {each}" for each in breaking)
    moves = [step.says for step in campaign.steps_of("move")]
    yield f"To do by {row.deadline}: {'; '.join(moves).removeprefix('workflows move: they ')}."
    beside = any(step.adds or step.keeps for step in campaign.steps_of("expand"))
    if beside and ready:
        yield "Old and new both exist until then. After that the old one is dropped, and whatever uses it fails."
    elif beside:
        yield "The new one does not exist yet: `dataflow migration status` shows when it does. From then on both exist"
        yield "until the deadline. After that the old one is dropped, and whatever uses it fails."
    else:
        yield "After that the old one is dropped, and whatever uses it fails."


def _workflows(mine: Sequence[ReaderStatus], places: Mapping[str, Sequence[ScriptLine]]) -> Iterator[str]:
    yield "Affected workflows:"
    for standing in mine:
        reader = standing.reader
        role = " (writes the table)" if reader.role == "writes" else ""
        yield f"  {reader.workflow}{role}: {standing.why}"
        if origin := next((line.deployed for line in reader.lines if line.deployed), ""):
            yield f"      deployed from {origin}:"
        for line in reader.lines[:_LINES]:
            yield f"      {line.in_repository}: {line.text}"
        if len(reader.lines) > _LINES:
            yield f"      … and {len(reader.lines) - _LINES} more lines"
        for line in places.get(reader.workflow, ()):
            yield "      selects all columns by position, and fails when the new column is added; list the columns:"
            yield f"      {line.in_repository}: {line.text}"


def _with_lines_of_now(campaign: Campaign, reader: AffectedWorkflow, lineage: LineageGraph) -> AffectedWorkflow:
    """Return a reader with the lines that its scripts have now; those of the start where no script can be read."""
    if not any(lineage.scripts_of(reader.workflow)):
        return reader
    writes = reader.role == "writes" or campaign.table in reader.writes
    lines = lines_naming(reader.workflow, campaign.table, campaign.old_columns, lineage, writes=writes)
    return replace(reader, lines=lines)


def _patches(campaign: Campaign, reader: AffectedWorkflow, lineage: LineageGraph) -> Iterator[str]:
    """Yield a patch for each SQL script of a reader whose lines are shown."""
    renamed = {change.column: new_name(change) for change in campaign.changes if not change.safe and new_name(change)}
    replaced_by = next((change.to for change in campaign.changes if change.kind == "replace"), None)
    retyped = {change.column for change in campaign.changes if change.kind == "type"}
    move = ReaderMigration(campaign.table, renamed, replaced_by, retyped)
    schema = lineage.schema(campaign.table)
    for scripts in (scripts for source in lineage.scripts_of(reader.workflow) for scripts in source):
        files = {(line.file, line.path) for line in reader.lines if line.deployed == scripts.deployed}
        for file, path in sorted(files):
            if file.endswith(".sql") and (text := scripts.text_of(file)):
                yield suggest_patch(path, text, move, scripts.entry.params, {**scripts.schema, **schema})


def _reply_instructions(campaign: Campaign, owner: str, mine: Sequence[ReaderStatus]) -> Iterator[str]:
    one = owner or mine[0].reader.workflow
    yield "No reply is needed: the next run or deployment that doesn't use the old name is detected."
    yield "Where that can't be detected, or the workflow is retired, acknowledge it:"
    yield f'  dataflow migration ack {one} --campaign {campaign.id}{env_option(campaign.row.environment)} --note "…"'
    yield "Progress of all readers:"
    yield f"  {campaign.row.command('status')}"
