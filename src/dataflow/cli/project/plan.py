"""`dataflow project plan`: what a deployment would change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out, progress, say
from dataflow.cli.output import JSON, MARKDOWN, TEXT, Output, Result, output_option
from dataflow.cli.project.options import OlderOption, SandboxOption, TargetOption
from dataflow.cli.project.target import Target
from dataflow.errors import display_path
from dataflow.foreign import for_markdown, for_markdown_block
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.deploy.plan.definition import PackageChange, PreparedPlan, WorkflowChange
    from dataflow.deploy.source import DeploySource
    from dataflow.migration.deployed_uses import CampaignUse

_MARKS = {"added": "[green]+[/]", "changed": "[yellow]~[/]", "removed": "[red]-[/]"}
_SHOWN = 40  # lines of one workflow's difference


def plan(
    sandbox: SandboxOption = False,
    env: TargetOption = None,
    allow_older: OlderOption = False,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Keep it; for `deploy --plan FILE`.")
    ] = None,
    dags: Annotated[
        Path | None,
        typer.Option("--dags", metavar="FOLDER", help="Write the DAG files that Airflow would get, to look at them."),
    ] = None,
    output: Annotated[
        Output, output_option(TEXT, JSON, MARKDOWN, help="`markdown` is for a pull request, `json` for scripts.")
    ] = TEXT,
) -> None:
    """Show what a deployment would change, and what of it is breaking.

    It would go to the environment of this branch. What `deploy` would refuse is reported here as well.

    Examples:
        dataflow project plan
        dataflow project plan --save plan.json

    Exit codes:
        1: it would be refused
    """
    from dataflow.deploy.plan.builder import make_plan
    from dataflow.deploy.plan.saved import save_plan
    from dataflow.deploy.preconditions import require_deployable
    from dataflow.deploy.source import open_source
    from dataflow.migration.deployed_uses import uses_in_plan

    source = open_source(Path.cwd(), sandbox=sandbox, env=env)
    with progress("Looking at packages …") as tell:
        planned = make_plan(source, tell)
    if save is not None:
        save_plan(planned, source, save)
    output.show(_Plan(source, planned, uses_in_plan(source, planned, say)))
    for note in require_deployable(source, planned, allow_older=allow_older):
        say(f"note: {note}")
    if dags is not None:
        from dataflow.deploy.backends.airflow.dag_folder import write_planned

        output.show_part(_Dags(write_planned(dags, planned, dt.datetime.now(dt.UTC))))
    if save is not None:
        output.show_part(_Saved(save))


@dataclass(frozen=True)
class _Plan(Result):
    source: DeploySource
    planned: PreparedPlan
    uses: Sequence[CampaignUse]

    def text(self) -> None:
        Target(self.source, self.planned).text()
        found = self.planned.plan
        for change in found.changes:
            _print_package(change)
        if found.breaking:
            out().print("\nbreaking", style="bold red")
            for text in found.breaking:
                out().print(f"  {text}")
        _print_campaigns(self.uses)
        out().print(f"\nSummary: {self._summary}")

    def data(self) -> object:
        return {**self.planned.plan.to_dict(), "campaigns": [it.to_dict() for it in self.uses]}

    def markdown(self) -> str:
        found = self.planned.plan
        parts = [f"**Deploying to {for_markdown(found.environment)}**: {self._summary}"]
        parts += map(_markdown, found.changes)
        if found.breaking:
            parts.append("\n".join(["**Breaking**", "", *(f"- {for_markdown(text)}" for text in found.breaking)]))
        return "\n\n".join(parts)

    @property
    def _summary(self) -> str:
        found = self.planned.plan
        added, changed, removed = (sum(it.action == action for it in found.changes) for action in _MARKS)
        return f"{added} added, {changed} changed, {removed} removed, {found.unchanged} unchanged packages"


@dataclass(frozen=True)
class _Dags:
    files: Sequence[Path]

    def text(self) -> None:
        for file in self.files:
            out().print(f"DAG: {display_path(file)}")


@dataclass(frozen=True)
class _Saved:
    file: Path

    def text(self) -> None:
        out().print(f"\nsaved: dataflow project deploy --plan {display_path(self.file)}", style="dim")


def _print_campaigns(uses: Sequence[CampaignUse]) -> None:
    from dataflow.migration.deployed_uses import breaking_changes

    by_campaign = {use.campaign.id: use.campaign for use in uses}
    for id_, campaign in by_campaign.items():
        changes = "; ".join(breaking_changes(campaign))
        out().print(f"\ncampaign {id_}: {campaign.table}: {changes} by {campaign.row.deadline}", style="bold")
        for use in (it for it in uses if it.campaign.id == id_):
            out().print(f"  {use}", style="" if use.uses is False else "yellow")


def _print_package(change: PackageChange) -> None:
    from rich.markup import escape

    out().print(f"\n{_MARKS[change.action]} [bold]{escape(change.path)}[/] {change.action}", markup=True)
    for workflow in change.workflows:
        out().print(f"    {_MARKS[workflow.action]} workflow {escape(workflow.id)}", markup=True)
        _print_diff(workflow)
    for asset in change.assets:
        if asset.action != "same":
            out().print(f"      asset {asset.name}: {asset.action}")
    same = sum(it.action == "same" for it in change.assets)
    if same:
        out().print(f"      {plural(same, 'asset')} as before")
    for table in change.tables:
        out().print(f"      table {table}")


def _print_diff(workflow: WorkflowChange) -> None:
    styles = {"+": "green", "-": "red"}
    for line in workflow.diff[:_SHOWN]:
        out().print(f"        {line}", style=styles.get(line[:1]))
    if len(workflow.diff) > _SHOWN:
        out().print(f"        … {len(workflow.diff) - _SHOWN} more lines (--output json has all)")


def _markdown(change: PackageChange) -> str:
    lines = [f"{for_markdown(change.path)} is {change.action}", ""]
    lines += [f"- workflow {for_markdown(it.id)}: {it.action}" for it in change.workflows]
    lines += [f"- asset {for_markdown(it.name)}: {it.action}" for it in change.assets if it.action != "same"]
    lines += [f"- table {for_markdown(it)}" for it in change.tables]
    for workflow in change.workflows:
        if workflow.diff:
            lines += ["", _markdown_diff(workflow.diff)]
    return "\n".join(lines)


def _markdown_diff(diff: Sequence[str]) -> str:
    more = [f"… {len(diff) - _SHOWN} more lines"] if len(diff) > _SHOWN else []
    return for_markdown_block([*diff[:_SHOWN], *more], "diff")
