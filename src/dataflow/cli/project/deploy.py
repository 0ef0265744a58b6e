"""`dataflow project deploy`: build, register, render, bundle, switch."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out, progress, say
from dataflow.cli.first_met import explain
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.project.options import OlderOption, SandboxOption, TargetOption
from dataflow.cli.project.target import Target

if TYPE_CHECKING:
    from dataflow.deploy.deploy import DeployResult
    from dataflow.workflow.project import Environment


def deploy(
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Do just what `plan --save FILE` said, or nothing.")
    ] = None,
    sandbox: SandboxOption = False,
    env: TargetOption = None,
    allow_older: OlderOption = False,
    keep: Annotated[
        int, typer.Option("--keep", metavar="DAYS", min=1, max=36_500, help="How long a sandbox or a branch is kept.")
    ] = 7,
    output: OutputOption = TEXT,
) -> None:
    """Deploy this checkout: all of it at once, or nothing.

    `main` goes to production, `staging` to staging, any other branch to a deployment of its own, beside production.
    Each package becomes a bundle, and the environment switches to all of them at once.

    Examples:
        dataflow project deploy
        dataflow project deploy --plan plan.json
    """
    from dataflow.deploy.deploy import Deployer
    from dataflow.deploy.lineage_sync import sync_lineage
    from dataflow.deploy.plan.builder import make_plan
    from dataflow.deploy.plan.saved import check_saved
    from dataflow.deploy.project_file import pin_project
    from dataflow.deploy.source import open_source
    from dataflow.migration.deployed_uses import uses_in_plan

    source = open_source(Path.cwd(), sandbox=sandbox, env=env)
    with progress("Looking at packages …") as tell:
        planned = make_plan(source, tell, details=False)
    if plan is not None:
        check_saved(planned, source, plan)
    output.show_part(Target(source, planned))
    for use in uses_in_plan(source, planned, say):
        if use.uses is not False:
            say(f"note: campaign {use.campaign.id} is open until {use.campaign.row.deadline}: {use}")
    with progress("Deploying …") as tell:
        done = Deployer(source, planned, say, say, tell, dt.timedelta(days=keep), allow_older=allow_older).deploy()
    output.show(_Deployed(done, source.target.environment))
    explain(output, "bundle", done.deployment.name)
    pin_project(source, say)
    before = planned.before or done.deployment  # where it was recorded until now it has to be forgotten
    states = done.deployment.revision.state, before.revision.state
    sync_lineage(source.registry, *states, report=say, progress=progress)


@dataclass(frozen=True)
class _Deployed(Result):
    done: DeployResult
    environment: Environment

    def text(self) -> None:
        done, switch = self.done, self.done.deployment.revision
        for asset, is_new in done.assets:
            where = f"./{asset.path}: " if asset.path else ""
            out().print(f" -> {where}{'DEPLOYED AS' if is_new else 'ALREADY DEPLOYED AS'} {asset.id}")
        for key, package in done.packages.items():
            out().print(f" -> ./{key.rpartition(':')[2]}: bundle {package.bundle[:12]}")
            for id_, schedule in package.workflows.items():
                at = "" if schedule is None else f", {schedule.text}"
                paused = " (paused)" if switch.isolated and schedule is not None else ""
                out().print(f"      {id_}{at}{paused}")
        if not done.changed:
            out().print(f"nothing changed: {done.deployment.name} stays at #{done.deployment.number}")
            return
        until = f", kept until {switch.expires:%Y-%m-%d}" if switch.expires else ""
        out().print(f"{done.deployment.name} is at #{done.deployment.number} now{until}")
        ids = [id_ for package in done.packages.values() for id_ in package.workflows if id_.endswith(".main")]
        airflow = self.environment.airflow if self.environment.backend == "airflow" else None
        if airflow is not None:
            out().print(f"  Airflow reads its DAG files in {done.deployment.name} of {airflow.dags}", style="dim")
        if ids and (airflow is None or airflow.api is not None):  # else nobody could ask Airflow for it
            out().print(f"  dataflow workflow run --deployed {ids[0]}", style="dim")

    def data(self) -> object:
        done, deployment = self.done, self.done.deployment
        return {
            "environment": deployment.name,
            "number": deployment.number,
            "changed": done.changed,
            "database": deployment.revision.database,
            "expires": deployment.revision.expires,
            "assets": [
                {"id": it.id, "path": it.path, "sha256": it.sha256, "new": is_new} for it, is_new in done.assets
            ],
            "packages": {
                key.rpartition(":")[2]: {"bundle": it.bundle, "workflows": list(it.workflows)}
                for key, it in done.packages.items()
            },
        }
