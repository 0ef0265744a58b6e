"""`dataflow project destroy` and `sweep`: taking down what stands beside production."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.confirm import YesOption, confirm
from dataflow.cli.console import Output, OutputOption, err, out, print_json, say
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflow.assets.registry import Registry
    from dataflow.deploy.destroy import DestroyPlan


def destroy(
    branch: Annotated[str | None, typer.Option("--branch", metavar="B", help="Your deployment of a branch.")] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Your own sandbox, with what plain runs made.")] = False,
    yes: YesOption = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Take down your deployment of a branch, or your sandbox: workflows, tables, database; listed first.

    Example:  dataflow project destroy --branch feature/top-50
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
    _take_down(registry, [planned], yes=yes, output=output)


def sweep(yes: YesOption = False, output: OutputOption = Output.TEXT) -> None:
    """Take down the sandboxes' and branches' deployments that have outlived their time; production never.

    Example:  dataflow project sweep --yes
    """
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.destroy import plan_sweep
    from dataflow.workflow.project import find_project

    registry = open_registry(find_project(Path.cwd()))
    _take_down(registry, plan_sweep(registry, dt.datetime.now(dt.UTC)), yes=yes, output=output)


def _take_down(registry: Registry, planned: Sequence[DestroyPlan], *, yes: bool, output: Output) -> None:
    from dataflow.cli.project.sync_lineage import sync_deployed_lineage
    from dataflow.deploy.destroy import destroy as take_down

    found = [it for it in planned if not it.is_empty]
    if found:
        for it in found:
            _list(it)
        confirm("Take this down? Tables that are dropped are gone.", yes=yes)
        for it in found:
            take_down(registry, it, say)
    if output is Output.JSON:
        print_json([_facts(it) for it in found])
    elif not found:
        out().print("there is nothing to take down")
    else:
        out().print(f"taken down: {', '.join(it.environment for it in found)}")
    sync_deployed_lineage(registry, *(it.settings.state for it in found))


def _list(planned: DestroyPlan) -> None:
    until = f" (expired {planned.expired:%Y-%m-%d %H:%M} UTC)" if planned.expired else ""
    err().print(f"{planned.environment}{until}")
    for id_ in planned.workflows:
        err().print(f"  workflow {id_}")
    for table in planned.tables:
        err().print(f"  table {table}")
    for table in planned.left:
        err().print(f"  left: {table}, which no package of it made", style="dim")


def _facts(planned: DestroyPlan) -> dict[str, Any]:
    return {
        "environment": planned.environment,
        "database": planned.database,
        "workflows": list(planned.workflows),
        "tables": list(planned.tables),
        "left": list(planned.left),
    }
