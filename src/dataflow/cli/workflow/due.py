"""`dataflow workflow due`: runs what the schedules of deployed workflows have made due."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import Output, OutputOption, out, print_error, print_json, say
from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflow.assets.registry import Registry
    from dataflow.deploy.backends.local import DueRun


def due(
    env: Annotated[
        str | None, typer.Option("--env", help="Only this environment; all that are not paused when omitted.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is due, and run nothing.")] = False,
    install_hint: Annotated[
        bool, typer.Option("--install-hint", help="Print the line for cron, and the units for systemd, that call it.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run the deployed workflows that are due; made to be called each minute, by cron or a systemd timer.

    Each moment of a schedule runs once, however many call. Of moments that were missed the last one runs, for the
    day before it. A workflow that still runs is left to end first. Sandboxes and branches are paused.

    In a crontab:  * * * * * dataflow workflow due --env production
    """
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.backends import local
    from dataflow.workflow.project import find_project

    if install_hint:
        out().print(local.install_hint(env))
        return
    registry = open_registry(find_project(Path.cwd()))
    now = dt.datetime.now(dt.UTC)
    rows: list[dict[str, Any]] = []
    for found in _found(registry, env, now, rows):
        rows.append(_row(found, "due") if dry_run else _run(registry, found))
        if output is Output.TEXT:
            out().print("{moment}  {environment}  {workflow}  {status}".format(**rows[-1]))
    if output is Output.JSON:
        print_json(rows)
    elif not rows:
        out().print("nothing is due")
    if any(row["status"] == "failed" for row in rows):
        raise typer.Exit(1)


def _found(registry: Registry, env: str | None, now: dt.datetime, rows: list[dict[str, Any]]) -> Iterator[DueRun]:
    """Yield what is due; what can't be looked at is told and noted, and keeps nothing else from running."""
    from dataflow.deploy import deployments
    from dataflow.deploy.backends import local
    from dataflow.deploy.deployments import require_current

    places = [require_current(registry, env)] if env else list(deployments.all_current(registry))
    for place in places:

        def failed(workflow: str, error: DataflowError, name: str = place.name) -> None:
            print_error(DataflowError(f"{workflow or name}: {error.message}", error.hint))
            rows.append({"environment": name, "workflow": workflow, "moment": None, "date": None, "status": "failed"})

        if place.revision.backend == "local":
            try:
                yield from local.due(place, now, failed)
            except DataflowError as error:  # its run records can't be reached
                failed("", error)


def _run(registry: Registry, found: DueRun) -> dict[str, Any]:
    from dataflow.deploy.backends import local

    say(f"{found.workflow} is due since {found.moment:%Y-%m-%d %H:%M %Z}")
    try:
        code = local.run_due(found, registry)
    except DataflowError as error:
        print_error(DataflowError(f"{found.workflow}: {error.message}", error.hint))
        code = error.exit_code
    return _row(found, "taken by another" if code is None else "succeeded" if code == 0 else "failed")


def _row(found: DueRun, status: str) -> dict[str, Any]:
    return {
        "environment": found.deployment.name,
        "workflow": found.workflow,
        "moment": found.moment.isoformat(),
        "date": found.date.isoformat(),
        "status": status,
    }
