"""`dataflow project destroy`: take down a branch's deployment, or your sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.options import YesOption
from dataflow.cli.output import TEXT, OutputOption
from dataflow.cli.project.options import BranchOption
from dataflow.cli.project.take_down import take_down
from dataflow.errors import UsageError


def destroy(
    branch: BranchOption = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Your own sandbox; with what plain runs made there.")
    ] = False,
    yes: YesOption = False,
    output: OutputOption = TEXT,
) -> None:
    """Take down your deployment of a branch, or your sandbox.

    Its workflows, tables and database are listed first.

    Examples:
        dataflow project destroy --branch feature/top-50
        dataflow project destroy --sandbox --yes
    """
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.destroy import not_deployed_error, plan_destroy, was_ever_deployed
    from dataflow.deploy.targets import branch_target, sandbox_target
    from dataflow.workflow.project import find_project

    if (branch is None) is not sandbox:
        raise UsageError("name either --branch B or --sandbox", "dataflow project destroy --branch feature/x")
    project = find_project(Path.cwd())
    registry = open_registry(project)
    target = sandbox_target(project) if branch is None else branch_target(branch, project)
    planned = plan_destroy(registry, target.name, target.environment)
    if planned.is_empty and not sandbox and not was_ever_deployed(registry, target.name):
        raise not_deployed_error(registry, target.name, str(target.user))
    take_down(registry, [planned], output, yes=yes)
