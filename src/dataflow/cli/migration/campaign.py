"""`dataflow migration start`, `notify`, `apply`, …: a campaign from its beginning to its end."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import EnvOption, Output, OutputOption, err, out, print_json, say, write
from dataflow.cli.dates import require_day
from dataflow.cli.migration.lineage import CheckoutOption, known_here
from dataflow.cli.migration.plan import (
    DropOption,
    DropTableOption,
    RenameOption,
    ReplaceOption,
    ToOption,
    TypeOption,
    change_request,
)
from dataflow.cli.migration.spark import spark_for, table_schema_loader
from dataflow.errors import DataflowError, UsageError, display_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflow.lineage.model import Producer
    from dataflow.lineage.query import LineageGraph
    from dataflow.migration.campaign.definition import Campaign
    from dataflow.migration.progress.definition import ReaderStatus
    from dataflow.migration.store import CampaignEvent, CampaignStore

CampaignArgument = Annotated[
    str | None, typer.Argument(metavar="[CAMPAIGN]", help="A campaign or its table; the only open one if omitted.")
]
LookedAtArgument = Annotated[
    str | None,
    typer.Argument(metavar="[CAMPAIGN]", help="A campaign or its table; the open one, or the last, if omitted."),
]


class Shown(StrEnum):
    """How a campaign's status is shown."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


def start(
    table: Annotated[str, typer.Argument(help="The table to change.")],
    deadline: Annotated[str, typer.Option("--deadline", metavar="YYYY-MM-DD", help="Until when readers should move.")],
    to: ToOption = None,
    rename: RenameOption = None,
    drop: DropOption = None,
    types: TypeOption = None,
    replace_by: ReplaceOption = None,
    drop_table: DropTableOption = False,
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it; made of table and day if omitted.")
    ] = None,
    checkout: CheckoutOption = None,
    env: EnvOption = None,
) -> None:
    """Open a campaign: a file in the repository for review, and its state where the team's runs are recorded.

    Example:  dataflow migration start prod.playback --rename view_hours=hours --deadline 2027-01-31 --env production
    """
    from dataflow.lineage.query import checkout_root
    from dataflow.migration.campaign.builder import start_campaign as begin
    from dataflow.migration.plan.builder import build_plan as plan_of
    from dataflow.workflow.identity import current_user

    known, now = known_here(env, checkout), _now()
    with table_schema_loader() as look:
        found = plan_of(table, change_request(to, rename, drop, types, replace_by, drop_table), known, now, look)
    with _campaigns(known) as campaigns:
        opened, path = begin(
            found,
            campaigns,
            checkout_root(Path.cwd()),
            deadline=require_day(deadline),
            who=current_user(),
            now=now,
            name=name,
        )
    count = f"{len(opened.readers)} workflow{'' if len(opened.readers) == 1 else 's'}"
    out().print(f"campaign {opened.id}: {count} to move until {opened.row.deadline}")
    for note in found.notes:
        out().print(f"  note: {note}")
    out().print(f"  {display_path(path)}: commit it, so that others can review it")
    out().print(f"  dataflow migration apply {opened.id}{_env(env)}")
    out().print(f"  dataflow migration notify {opened.id}{_env(env)} --dry-run")


def notify(
    name: CampaignArgument = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the messages that are due, and send none.")] = False,
    files: Annotated[Path | None, typer.Option("--files", help="Write them into this folder instead.")] = None,
    checkout: CheckoutOption = None,
    env: EnvOption = None,
) -> None:
    """Tell each owner what of theirs is touched, once; nearer to the deadline, remind those who have not moved.

    Example:  dataflow migration notify --dry-run
    """
    from dataflow.migration.campaign.events import applied_steps
    from dataflow.migration.notify import address_sender, due_notices, file_writer, send_notices

    known, now = known_here(env, checkout), _now()
    with _campaigns(known) as campaigns:
        campaign, events, found = _look(campaigns, known, name)
        _require_open(campaign)
        sent = [(row["owner"], row["level"]) for row in campaigns.notices(campaign.id)]
        ready = {step.name for step in campaign.steps_of("expand")} <= set(applied_steps(events))
        due = due_notices(campaign, found, known, sent, now, ready=ready)
        if dry_run:
            for message in due:
                write(f"To: {message.owner or '(no owner)'}\nSubject: {message.subject}\n\n{message.text}\n\n")
            say(f"{len(due)} messages are due; none was sent")
            return
        told = send_notices(
            due, campaign, campaigns, file_writer(files) if files else address_sender(known.environment)
        )
    for message, where in told.sent:
        out().print(f"told {message.owner or 'nobody in particular'} ({message.level}): {where}")
    for owner in told.doubtful:
        say(f"{owner} may or may not have been told: sending was interrupted; nobody is told twice by itself")
    for message, failure in told.failed:
        err().print(f"not told: {message.owner or 'no owner'}: {failure.message}", style="red")
        if failure.hint:
            err().print(f"  → {failure.hint}")
    if not due:
        out().print("nobody has to be told anything now")
    if told.failed:
        raise typer.Exit(1)


def ack(
    who: Annotated[str, typer.Argument(metavar="OWNER|WORKFLOW", help="Whose readers, or which one, count as moved.")],
    note: Annotated[str, typer.Option("--note", help="Why that is so.")] = "",
    campaign: Annotated[
        str | None, typer.Option("--campaign", help="The campaign; the only open one if omitted.")
    ] = None,
    env: EnvOption = None,
) -> None:
    """Say that an owner's readers, or one workflow, are ready for the change, where that can't be seen.

    Example:  dataflow migration ack bob --note "the report is retired"
    """
    from dataflow.errors import did_you_mean
    from dataflow.workflow.identity import current_user

    known = known_here(env, [])
    with _campaigns(known) as campaigns:
        found, _, standing = _look(campaigns, known, campaign)
        _require_open(found)
        known_readers = [each.reader for each in standing]
        readers = [each.workflow for each in known_readers if who in {each.workflow, each.owner}]
        if not readers:
            valid = {name for each in known_readers for name in (each.workflow, each.owner or "") if name}
            raise UsageError(f"'{who}' is no owner and no workflow of {found.id}{did_you_mean(who, valid)}")
        campaigns.note(found.id, "acked", who, current_user(), note or None)
    out().print(f"acknowledged: {', '.join(readers)}")


def status(
    name: LookedAtArgument = None,
    env: EnvOption = None,
    output: Annotated[
        Shown, typer.Option("--output", help="`html` is a page to hand round.", case_sensitive=False)
    ] = Shown.TEXT,
) -> None:
    """Show who has moved and who has not, how that went day by day, and the steps.

    Example:  dataflow migration status
    """
    from dataflow.migration.progress import explainer

    known, now = known_here(env, []), _now()
    with _campaigns(known) as campaigns:
        campaign, events, found = _look(campaigns, known, name, ended=True)
    match output:
        case Shown.JSON:
            print_json(explainer.as_data(campaign, found, events, now.date()))
        case Shown.HTML:
            from dataflow.migration.html_report import page

            write(page(campaign, found, events, now))
        case Shown.TEXT:
            write("\n".join(explainer.render(campaign, found, events, now)) + "\n")


def apply(
    name: CampaignArgument = None,
    force: Annotated[bool, typer.Option("--force", help="Take the old away though somebody has not moved.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept in the campaign.")] = None,
    checkout: CheckoutOption = None,
    env: EnvOption = None,
) -> None:
    """Carry out the next step on the table. The contract, which nothing brings back, waits for all readers.

    Example:  dataflow migration apply
    """
    from dataflow.migration import execute
    from dataflow.migration.impact import select_star_users
    from dataflow.workflow.identity import current_user

    known = known_here(env, checkout)
    with _campaigns(known) as campaigns:
        campaign, events, found = _look(campaigns, known, name)
        _require_open(campaign)
        execute.require_not_cancelling(campaign, events)
        step = execute.next_step(campaign, events)
        if step is None:  # whoever did the last one died before they said so
            campaigns.close(campaign.id, "done", current_user())
            out().print(f"campaign {campaign.id} is done")
            return
        places = select_star_users(campaign.table, known, _now()) if step.adds and "." not in step.adds else []
        execute.require_readers_moved(step, found, places, force=force, reason=reason)
        with spark_for(known) as spark:
            if step.irreversible:
                out().print(f"gone for good: {execute.describe_removal(spark, campaign, step)}")
            went = execute.execute_step(spark, campaign, step, campaigns, current_user(), reason if force else None)
        out().print(f"{went}: {step.says}")
        following = execute.next_step(campaign, campaigns.events(campaign.id))
    if following is None:
        out().print(f"campaign {campaign.id} is done")
    elif following.irreversible and not step.irreversible:
        out().print("next: workflows move; then `dataflow migration verify` and `apply` take the old away")
    else:
        out().print(f"next: {following.says}")


def verify(name: LookedAtArgument = None, env: EnvOption = None, output: OutputOption = Output.TEXT) -> None:
    """Check that old and new agree where both are: now, or just before the old was taken away.

    Example:  dataflow migration verify
    """
    from dataclasses import asdict

    from dataflow.migration import verify
    from dataflow.migration.campaign.definition import campaign_from_row

    known = known_here(env, [])
    with _campaigns(known) as campaigns:
        campaign = campaign_from_row(campaigns.get(name, ended=True))
        with spark_for(known) as spark:
            found = verify.verify(spark, campaign, campaigns.events(campaign.id))
    if output is Output.JSON:
        print_json([asdict(each) for each in found])
    else:
        for each in found:
            mark = "✗" if each.different else "✓"
            out().print(f"{mark} {each.says}: {each.different:,} of {each.rows:,} rows differ")
    if any(each.different for each in found):
        raise typer.Exit(1)


def cancel(
    name: CampaignArgument = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept in the campaign.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take back what others use by now, and what only the new holds.")
    ] = False,
    env: EnvOption = None,
) -> None:
    """End a campaign: take back what it added, and say what can't be taken back.

    Example:  dataflow migration cancel --reason "we keep the old name"
    """
    from dataflow.migration import execute
    from dataflow.migration.campaign.events import begun_steps
    from dataflow.workflow.identity import current_user

    known = known_here(env, [])
    with _campaigns(known) as campaigns:
        campaign, events, _ = _look(campaigns, known, name)
        _require_open(campaign)
        done = begun_steps(events)
        added = [step for step in campaign.steps if step.name in done and step.undo]
        _require_unread(known, campaign, [step.adds for step in added if step.adds], force=force)
        if added:
            with spark_for(known) as spark:
                execute.undo(spark, campaign, events, campaigns, current_user(), say, force=force)
        campaigns.close(campaign.id, "cancelled", current_user(), reason)
    for line in execute.irreversible_effects(campaign, done):
        out().print(line)
    out().print(f"campaign {campaign.id} is cancelled")


def list_(env: EnvOption = None, output: OutputOption = Output.TEXT) -> None:
    """List all campaigns at the environment's state address, newest first.

    Example:  dataflow migration list --env production
    """
    known = known_here(env, [])
    with _campaigns(known) as campaigns:
        rows = campaigns.all()
        listed = [
            {
                "campaign": row.id,
                "table": row.table,
                "environment": row.environment,
                "state": row.state,
                "deadline": row.deadline.isoformat(),
                "opened": f"{row.opened:%Y-%m-%d}",
                "by": row.opened_by,
                "readers": len(row.definition["readers"]),
            }
            for row in rows
        ]
    if output is Output.JSON:
        print_json(listed)
    elif listed:
        from dataflow.cli.workflow.summary import print_rows

        print_rows(listed)
    else:
        out().print("no campaigns yet: `dataflow migration plan TABLE …` shows what one would come to")


@contextlib.contextmanager
def _campaigns(known: LineageGraph) -> Iterator[CampaignStore]:
    from dataflow.migration.store import CampaignStore
    from dataflow.state.run_records import Records

    with contextlib.closing(Records(known.environment.state)) as records:
        yield CampaignStore(records, known.environment.name)


def _look(
    campaigns: CampaignStore, known: LineageGraph, name: str | None, *, ended: bool = False
) -> tuple[Campaign, list[CampaignEvent], list[ReaderStatus]]:
    """Return a campaign, what happened, and where its readers stand, written down where that changed."""
    from dataflow.migration.campaign.definition import campaign_from_row
    from dataflow.migration.progress.builder import reader_statuses, record_moves

    campaign = campaign_from_row(campaigns.get(name, ended=ended))
    events = campaigns.events(campaign.id)
    found = reader_statuses(campaign, events, known)
    if campaign.row.state == "open":
        record_moves(campaign, found, campaigns, events)
        events = campaigns.events(campaign.id)
    return campaign, events, found


def _require_open(campaign: Campaign) -> None:
    if campaign.row.state != "open":
        raise UsageError(f"campaign {campaign.id} is {campaign.row.state}")


def _require_unread(known: LineageGraph, campaign: Campaign, columns: Sequence[str], *, force: bool) -> None:
    """Refuse to take back a column that somebody reads or writes by now."""
    from dataflow.lineage.model import Origin
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
    if users and not force:
        raise DataflowError(
            f"{', '.join(sorted(users))} use {', '.join(columns)} by now, which would be taken away",
            "move them back first, or --force",
            permanent=True,
        )


def _env(env: str | None) -> str:
    return f" --env {env}" if env else ""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
