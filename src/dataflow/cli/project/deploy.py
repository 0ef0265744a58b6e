"""`dataflow project deploy`: build, register, render, bundle, switch."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import Output, OutputOption, out, print_json, say
from dataflow.cli.project.plan import InsistOption, OlderOption, SandboxOption, print_target, progress
from dataflow.errors import display_path

if TYPE_CHECKING:
    from dataflow.deploy.deploy import DeployResult
    from dataflow.deploy.source import DeploySource


def deploy(
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Do just what `plan --save FILE` said, or nothing.")
    ] = None,
    sandbox: SandboxOption = False,
    env: InsistOption = None,
    allow_older: OlderOption = False,
    keep: Annotated[
        int, typer.Option("--keep", metavar="DAYS", min=1, max=36_500, help="How long a sandbox or a branch is kept.")
    ] = 7,
    output: OutputOption = Output.TEXT,
) -> None:
    """Deploy this checkout to the environment of its branch: all of it at once, or nothing.

    `main` goes to production, `staging` to staging, any other branch to a deployment of its own, beside production.

    Example:  dataflow project deploy
    """
    from dataflow.cli.project.sync_lineage import sync_deployed_lineage
    from dataflow.deploy.deploy import Deployer
    from dataflow.deploy.plan.builder import make_plan
    from dataflow.deploy.plan.saved import check_saved
    from dataflow.deploy.source import open_source

    source = open_source(Path.cwd(), sandbox=sandbox, env=env)
    with progress("Looking at packages …") as tell:
        planned = make_plan(source, tell, details=False)
    if plan is not None:
        check_saved(planned, source, plan)
    if output is Output.TEXT:
        print_target(source, planned)
    with progress("Deploying …") as tell:
        done = Deployer(source, planned, say, say, tell, dt.timedelta(days=keep), allow_older=allow_older).deploy()
    if output is Output.JSON:
        print_json(_facts(done))
    else:
        _print(done)
    _pin(source)
    before = planned.before or done.deployment  # where it was recorded until now it has to be forgotten
    sync_deployed_lineage(source.registry, done.deployment.revision.state, before.revision.state)


def _pin(source: DeploySource) -> None:
    """Write into dataflow.yaml what the project is known by from now on, where it has nothing yet."""
    from dataflow.deploy.project_file import pin_id

    whose, file = source.ownership, source.project.file
    if source.target.sandbox or whose.pinned or whose.id is None or file is None:
        return
    if pin_id(file, whose.id):
        say(f"added `id: {whose.id}` to {display_path(file)}: commit it, and any clone is known by it")


def _print(done: DeployResult) -> None:
    switch = done.deployment.revision
    for asset, is_new in done.assets:
        where = f"./{asset.path}: " if asset.path else ""
        out().print(f" -> {where}{'DEPLOYED AS' if is_new else 'ALREADY DEPLOYED AS'} {asset.id}")
    for key, package in done.packages.items():
        out().print(f" -> ./{key.rpartition(':')[2]}: bundle {package.bundle[:12]}")
        for id_, schedule in package.workflows.items():
            at = "" if schedule is None else f", {schedule.cron} {schedule.timezone}"
            paused = " (paused)" if switch.isolated and schedule is not None else ""
            out().print(f"      {id_}{at}{paused}")
    if not done.changed:
        out().print(f"nothing changed: {done.deployment.name} stays at #{done.deployment.number}")
        return
    until = f", kept until {switch.expires:%Y-%m-%d}" if switch.expires else ""
    out().print(f"{done.deployment.name} is at #{done.deployment.number} now{until}")
    ids = [id_ for package in done.packages.values() for id_ in package.workflows if id_.endswith(".main")]
    if ids:
        out().print(f"  dataflow workflow run --deployed {ids[0]}", style="dim")


def _facts(done: DeployResult) -> dict[str, Any]:
    deployment = done.deployment
    return {
        "environment": deployment.name,
        "number": deployment.number,
        "changed": done.changed,
        "database": deployment.revision.database,
        "expires": deployment.revision.expires,
        "assets": [{"id": it.id, "path": it.path, "sha256": it.sha256, "new": is_new} for it, is_new in done.assets],
        "packages": {
            key.rpartition(":")[2]: {"bundle": it.bundle, "workflows": list(it.workflows)}
            for key, it in done.packages.items()
        },
    }
