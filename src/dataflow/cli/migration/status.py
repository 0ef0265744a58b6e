"""`dataflow migration status`: who has moved, and who has not."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from dataflow.cli.console import say, write
from dataflow.cli.migration.known import known_here
from dataflow.cli.migration.options import AnyCampaignArgument
from dataflow.cli.migration.times import times
from dataflow.cli.options import EnvOption
from dataflow.cli.output import HTML, JSON, SVG, TEXT, FileOption, Output, Result, output_option
from dataflow.errors import display_path

if TYPE_CHECKING:
    from dataflow.migration.actions import CampaignStatus


def status(
    name: AnyCampaignArgument = None,
    env: EnvOption = None,
    output: Annotated[
        Output, output_option(TEXT, JSON, HTML, SVG, to=True, help="`html` is a page to hand round, `svg` its picture.")
    ] = TEXT,
    to: FileOption = None,
) -> None:
    """Show who has moved and who has not, day by day, and the steps.

    Examples:
        dataflow migration status
        dataflow migration status --output html --to status.html
    """
    output.require_place(to)
    from dataflow.migration.actions import campaign_status

    now = dt.datetime.now(dt.UTC)
    output.write(_Status(campaign_status(known_here(env, []), name), now), to)
    if to is not None:
        say(f"wrote {display_path(to)}")


@dataclass(frozen=True)
class _Status(Result):
    found: CampaignStatus
    now: dt.datetime

    def text(self) -> None:
        from dataflow.migration.progress.explainer import render

        found = self.found
        lines = render(found.campaign, found.readers, found.events, self.now, times(self.now))
        write("\n".join(lines) + "\n")

    def data(self) -> object:
        from dataflow.migration.progress.explainer import as_data

        found = self.found
        return as_data(found.campaign, found.readers, found.events, self.now.date())

    def html(self) -> str:
        from dataflow.migration.html_report import page

        found = self.found
        return page(found.campaign, found.readers, found.events, self.now)

    def svg(self) -> str:
        from dataflow.migration.html_report import picture

        found = self.found
        return picture(found.campaign, found.readers, found.events, self.now)
