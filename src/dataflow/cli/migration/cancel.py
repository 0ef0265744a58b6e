"""`dataflow migration cancel`: end a campaign and take back what it added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out, say
from dataflow.cli.migration.known import known_here, spark_of
from dataflow.cli.migration.options import CampaignArgument, ReasonOption
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.migration.campaign.definition import Campaign


def cancel(
    name: CampaignArgument = None,
    reason: ReasonOption = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Do it all the same; the new column may be in use, or hold values that the old lacks."
        ),
    ] = False,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """End a campaign, and take back what it added.

    What can't be taken back is listed.

    Examples:
        dataflow migration cancel --reason "we keep the old name"
    """
    from dataflow.migration.actions import cancel_campaign

    known = known_here(env, [])
    output.show(_Cancelled(*cancel_campaign(known, name, spark_of(known), say, force=force, reason=reason)))


@dataclass(frozen=True)
class _Cancelled(Result):
    campaign: Campaign
    not_undone: Sequence[str]

    def text(self) -> None:
        for line in self.not_undone:
            out().print(line)
        out().print(f"campaign {self.campaign.id} is cancelled")

    def data(self) -> object:
        return {"campaign": self.campaign.id, "table": self.campaign.table, "not_undone": list(self.not_undone)}
