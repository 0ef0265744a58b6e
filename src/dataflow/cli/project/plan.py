"""`dataflow project plan`: what a deployment would change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import Output, OutputOption, err, out, print_json, say
from dataflow.errors import display_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow.deploy.plan.definition import PackageChange, PreparedPlan, WorkflowChange
    from dataflow.deploy.source import DeploySource

SandboxOption = Annotated[bool, typer.Option("--sandbox", help="Take your own sandbox, whatever the branch.")]

InsistOption = Annotated[
    str | None, typer.Option("--env", metavar="NAME", help="Deploy to this environment, or to none.")
]
OlderOption = Annotated[bool, typer.Option("--allow-older", help="Even if what stands there is newer.")]

_MARKS = {"added": "[green]+[/]", "changed": "[yellow]~[/]", "removed": "[red]-[/]"}
_SHOWN = 40  # lines of one workflow's difference


def plan(
    sandbox: SandboxOption = False,
    env: InsistOption = None,
    allow_older: OlderOption = False,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Keep it, for `deploy --plan FILE`.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what a deployment would change in the environment of this branch, and what of it is breaking.

    What `deploy` would refuse is told here as well, with exit code 1.

    Example:  dataflow project plan --save plan.json
    """
    from dataflow.deploy.plan.builder import make_plan
    from dataflow.deploy.plan.saved import save_plan
    from dataflow.deploy.preconditions import require_deployable
    from dataflow.deploy.source import open_source

    source = open_source(Path.cwd(), sandbox=sandbox, env=env)
    with progress("Looking at packages …") as tell:
        planned = make_plan(source, tell)
    if save is not None:
        save_plan(planned, source, save)
    if output is Output.JSON:
        print_json(planned.plan.to_dict())
    else:
        print_target(source, planned)
        print_plan(planned)
    for note in require_deployable(source, planned, allow_older=allow_older):
        say(f"note: {note}")
    if output is Output.TEXT and save is not None:
        out().print(f"\nsaved: dataflow project deploy --plan {display_path(save)}", style="dim")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many of how many are done, on a terminal."""
    with err().status(what) as status:
        yield lambda done, of: status.update(f"{what} {done} of {of}")


def print_target(source: DeploySource, planned: PreparedPlan) -> None:
    """Print where a deployment goes and from where."""
    checkout, target = source.checkout, source.target
    at = f"now at #{planned.before.number}" if planned.before else "nothing is there yet"
    what = f"commit {checkout.commit[:8]}" if checkout.commit and checkout.is_clean else "uncommitted files"
    note = f" ({target.note}: only a sandbox takes that)" if target.note else ""
    where = f", database {target.database}, schedules paused" if target.isolated else ""
    out().print(f"{source.name}, branch {checkout.branch}, {what}")
    out().print(f"to {target.name}{note}: {at}{where}")
    for text in source.left_out():
        say(f"note: {text}")


def print_plan(planned: PreparedPlan) -> None:
    """Print what changes."""
    found = planned.plan
    for change in found.changes:
        _print_package(change)
    if found.breaking:
        out().print("\nbreaking", style="bold red")
        for text in found.breaking:
            out().print(f"  {text}")
    counts = [sum(it.action == action for it in found.changes) for action in _MARKS]
    added, changed, removed = counts
    out().print(
        f"\nSummary: {added} added, {changed} changed, {removed} removed, {found.unchanged} unchanged packages."
    )


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
        out().print(f"      {same} asset{'s' if same > 1 else ''} as before")
    for table in change.tables:
        out().print(f"      table {table}")


def _print_diff(workflow: WorkflowChange) -> None:
    styles = {"+": "green", "-": "red"}
    for line in workflow.diff[:_SHOWN]:
        out().print(f"        {line}", style=styles.get(line[:1]))
    if len(workflow.diff) > _SHOWN:
        out().print(f"        … {len(workflow.diff) - _SHOWN} more lines (--output json has all)")
