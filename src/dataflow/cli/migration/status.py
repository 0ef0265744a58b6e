"""`dataflow migration status`: who has moved, and who has not."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from dataflow.cli.console import say, write
from dataflow.cli.migration.issues import print_issues
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

    Issues of those who have moved are closed, and reopened once they use the old name again.

    Examples:
        dataflow migration status
        dataflow migration status --output html --to status.html
    """
    output.require_place(to)
    from dataflow.migration.actions import campaign_status

    now = dt.datetime.now(dt.UTC)
    found = campaign_status(known_here(env, []), name, say)
    output.write(_Status(found, now), to)
    print_issues(found.followed)
    if to is not None:
        say(f"wrote {display_path(to)}")


@dataclass(frozen=True)
class _Status(Result):
    found: CampaignStatus
    now: dt.datetime

    def text(self) -> None:
        from dataflow.migration.progress.explainer import render

        found = self.found
        lines = [*render(found.campaign, found.readers, found.events, self.now, times(self.now))]
        filed = [f"  {it.owner or 'no owner'}: {it.url} ({it.state})" for it in found.issues if it.state]
        write("\n".join([*lines, *(["", *filed] if filed else [])]) + "\n")

    def data(self) -> object:
        from dataflow.migration.progress.explainer import as_data

        found = self.found
        failed = {owner: error.message for owner, error in found.followed.failed} if found.followed else {}
        issues = [
            {"owner": it.owner, "key": it.key, "url": it.url, "state": it.state, "problem": failed.get(it.owner)}
            for it in found.issues
        ]
        return as_data(found.campaign, found.readers, found.events, self.now.date()) | {"issues": issues}

    def html(self) -> str:
        from dataflow.migration.html_report import page

        found = self.found
        return page(found.campaign, found.readers, found.events, self.now)

    def svg(self) -> str:
        from dataflow.migration.html_report import picture

        found = self.found
        return picture(found.campaign, found.readers, found.events, self.now)
