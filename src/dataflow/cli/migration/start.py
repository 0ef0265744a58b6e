"""`dataflow migration start`: open a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out
from dataflow.cli.first_met import explain
from dataflow.cli.migration.known import known_here, live_tables
from dataflow.cli.migration.options import (
    CheckoutOption,
    DropOption,
    DropTableOption,
    RenameOption,
    ReplaceOption,
    ToOption,
    TypeOption,
    change_request,
)
from dataflow.cli.options import EnvOption, require_day
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import display_path
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.migration.campaign.definition import Campaign
    from dataflow.migration.plan.definition import MigrationPlan


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
        str | None, typer.Option("--name", metavar="NAME", help="What it is called; made of table and day if omitted.")
    ] = None,
    checkout: CheckoutOption = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Open a campaign to change a table.

    It is a file in the repository, for review, and its state where the team's runs are recorded.

    Examples:
        dataflow migration start prod.playback --rename view_hours=hours --deadline 2027-01-31 --env production
    """
    from dataflow.lineage.query import checkout_root
    from dataflow.migration.actions import start_campaign

    opened = start_campaign(
        known_here(env, checkout),
        table,
        change_request(to, rename, drop, types, replace_by, drop_table),
        folder=checkout_root(Path.cwd()),
        deadline=require_day(deadline),
        name=name,
        look=live_tables,
    )
    output.show(_Started(*opened))
    explain(output, "campaign")


@dataclass(frozen=True)
class _Started(Result):
    campaign: Campaign
    file: Path
    plan: MigrationPlan

    def text(self) -> None:
        row = self.campaign.row
        count = plural(len(self.campaign.readers), "workflow")
        out().print(f"campaign {row.id}: {count} to move until {row.deadline}")
        for note in self.plan.notes:
            out().print(f"  note: {note}")
        out().print(f"  {display_path(self.file)}: commit it, so that others can review it")
        out().print(f"  {row.command('apply')} --all-safe")
        out().print(f"  {row.command('notify')} --dry-run")

    def data(self) -> object:
        return {"campaign": self.campaign.id, "deadline": self.campaign.row.deadline, "file": self.file} | {
            "plan": self.plan.to_dict()
        }
