"""`dataflow project history`: what an environment ran, and since when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import Output, OutputOption, out, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflow.assets.registry import Registry
    from dataflow.deploy.deployments import DeployedPackage, Deployment

DeploymentOption = Annotated[
    str | None,
    typer.Option("--env", metavar="NAME", help="A deployment's name; the one of this branch when omitted."),
]


def history(
    env: DeploymentOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="At most so many.")] = 20,
    output: OutputOption = Output.TEXT,
) -> None:
    """List what was deployed to the environment of this branch, the last first.

    Example:  dataflow project history --env production
    """
    from dataflow.deploy import deployments

    registry, name, _ = here(env)
    found = deployments.history(registry, name)
    rows = [_row(now, before) for before, now in zip([None, *found], found, strict=False)][::-1][:limit]
    if output is Output.JSON:
        print_json(rows)
        return
    if not rows:
        out().print(f"nothing was ever deployed to {name}")
        return
    from dataflow.cli.workflow.summary import print_rows

    out().print(name, style="bold")
    print_rows([_printed(row) for row in rows])


def here(env: str | None) -> tuple[Registry, str, Callable[[str, DeployedPackage], bool]]:
    """Return the registry, the deployment that is meant, and what says whether a package of it is of this project."""
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.ownership import ProjectOwnership
    from dataflow.deploy.source import project_in
    from dataflow.deploy.targets import target_of
    from dataflow.repository.checkout import read_checkout
    from dataflow.repository.tree import tree_of_disk

    checkout = read_checkout(Path.cwd())
    project, scope = project_in(checkout, Path.cwd())
    whose = ProjectOwnership(checkout, tree_of_disk(checkout.root), scope, project.id)
    return open_registry(project), env or target_of(checkout, project).name, whose.owns


def _row(now: Deployment, before: Deployment | None) -> dict[str, Any]:
    old = before.revision.packages if before else {}
    changed = {
        key.rpartition(":")[2]: it.bundle[:12]
        for key, it in now.revision.packages.items()
        if not _same(old.get(key), it)
    }
    switch = now.revision
    action = f"{switch.action} to #{switch.restores}" if switch.restores else switch.action
    commits = {it.commit[:8] for key, it in switch.packages.items() if it.commit and not _same(old.get(key), it)}
    return {
        "number": now.number,
        "at": switch.at,
        "by": switch.by,
        "action": action,
        "commit": ", ".join(sorted(commits)) if switch.action == "deploy" else "",
        "changed": changed,
        "removed": sorted(key.rpartition(":")[2] for key in old if key not in switch.packages),
    }


def _printed(row: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in row.items() if key != "removed"}
    return {**shown, "at": f"{row['at'].astimezone():%Y-%m-%d %H:%M:%S}", "changed": _listed(row)}


def _same(one: DeployedPackage | None, other: DeployedPackage) -> bool:
    return one is not None and one.bundle == other.bundle


def _listed(row: dict[str, Any]) -> str:
    words: Sequence[str] = [f"{path} ({bundle})" for path, bundle in row["changed"].items()]
    words = [*words, *(f"{path} removed" for path in row["removed"])]
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")
