"""What a notice of a campaign says: what changes, the affected workflows and lines, a patch, how to reply."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.changes import new_name
from dataflow.migration.impact import AffectedWorkflow, select_star_users
from dataflow.migration.patches import ReaderMigration, suggest_patch
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.script_lines import ScriptLine, lines_naming
from dataflow.migration.store import env_option
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.lineage.query import LineageGraph

ANNOUNCED = "announcement"
OVERDUE = "overdue"
_LINES = 12


@dataclass(frozen=True)
class NoticeContent:
    """What an owner should know, in parts, for whatever lays them out.

    Attributes:
        subject: The subject.
        opening: What changes, until when.
        workflows: The affected workflows with their lines.
        patch: A patch for all of their scripts; empty where there is none.
        keeps: The option by which git takes the patch from a mail.
        reply: What to do, and how to say that it is done.
    """

    subject: str
    opening: tuple[str, ...]
    workflows: tuple[str, ...]
    patch: str
    keeps: str
    reply: tuple[str, ...]

    @property
    def plain(self) -> str:
        """All of it as plain text."""
        lines = [*self.opening, "", *self.workflows]
        if self.patch:
            lines += ["", f"{PATCH_TO_REVIEW} `git apply{self.keeps}` at the root of the repository:", "", self.patch]
        return "\n".join([*lines, "", *self.reply])


PATCH_TO_REVIEW = "Suggested patch, to be reviewed before"


def notice_content(
    campaign: Campaign,
    owner: str,
    mine: Sequence[ReaderStatus],
    level: str,
    lineage: LineageGraph,
    now: dt.datetime,
    *,
    ready: bool,
) -> NoticeContent:
    """Return what an owner should know of a campaign.

    Args:
        campaign: The campaign.
        owner: The owner; empty for workflows without one.
        mine: The owner's readers that have not moved.
        level: `announcement`, or how close the deadline is.
        lineage: The lineage, for scripts and their parameters.
        now: The current time.
        ready: Whether the new column or table exists.
    """
    row = campaign.row
    breaking = [str(change) for change in campaign.changes if not change.safe]
    left = (row.deadline - now.date()).days
    count = f"{len(mine)} of your workflows" if len(mine) > 1 else "one of your workflows"
    subject = f"{row.table}: {breaking[0]} by {row.deadline}, {count} {'use' if len(mine) > 1 else 'uses'} it"
    places = {each.workflow: each.lines for each in select_star_users(row.table, lineage)} if not ready else {}
    mine = [replace(each, reader=_with_lines_of_now(campaign, each.reader, lineage)) for each in mine]
    patches = dict.fromkeys(text for each in mine for text in _patches(campaign, each.reader, lineage) if text)
    return NoticeContent(
        subject,
        tuple(_opening(campaign, breaking, level, left, ready=ready)),
        tuple(_workflows(mine, places)),
        "".join(patches).rstrip("\n"),
        " --ignore-whitespace" if any("\r\n" in it for it in patches) else "",  # mails end lines in their own way
        tuple(_reply_instructions(campaign, owner, mine)),
    )


def _opening(campaign: Campaign, breaking: Sequence[str], level: str, left: int, *, ready: bool) -> Iterator[str]:
    row = campaign.row
    if level == OVERDUE:
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
