"""`dataflow workflow due`: runs what the schedules of deployed workflows have made due."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out, print_error, say
from dataflow.cli.options import env_option
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.deploy.due import DueOutcome


def due(
    env: Annotated[str | None, env_option("all that are not paused")] = None,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", metavar="ID", help="Only this one; of one that Airflow runs, what tables make due."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show; run nothing.")] = False,
    install_hint: Annotated[
        bool, typer.Option("--install-hint", help="Print the line for cron, and the units for systemd, that call it.")
    ] = False,
    idle_code: Annotated[
        int, typer.Option("--idle-code", metavar="CODE", min=0, max=255, help="Exit so where nothing was due.")
    ] = 0,
    output: OutputOption = TEXT,
) -> None:
    """Run the deployed workflows that are due; call it each minute.

    Cron or a systemd timer calls it. Each moment of a schedule runs once, and so does each publication of the tables
    that a trigger names, however many call. Of moments that were missed the last one runs, for the day before it. A
    workflow that still runs is left to end first. Sandboxes and branches are paused.

    Examples:
        dataflow workflow due --env production --dry-run
        dataflow workflow due --install-hint

    Exit codes:
        1: a run failed
    """
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.backends import local
    from dataflow.deploy.due import run_due, variables_of_due
    from dataflow.home import subfolder
    from dataflow.workflow.project import find_project

    registry = open_registry(find_project(Path.cwd()))
    if install_hint:
        output.show(_InstallHint(local.install_hint(env, variables_of_due(registry), subfolder("logs") / "due.log")))
        return
    ended = []
    for run in run_due(registry, env, dt.datetime.now(dt.UTC), say, dry_run=dry_run, workflow=workflow):
        ended.append(run)
        if run.error:
            print_error(DataflowError(f"{run.workflow or run.environment}: {run.error.message}", run.error.hint))
        output.show_part(_DueRun(run))
    output.show(_DueRuns(ended, registry, env, workflow))
    if any(run.status == "failed" for run in ended):
        raise typer.Exit(1)
    if not ended:
        raise typer.Exit(idle_code)


@dataclass(frozen=True)
class _InstallHint(Result):
    hint: str

    def text(self) -> None:
        out().print(self.hint)

    def data(self) -> object:
        return {"install": self.hint}


@dataclass(frozen=True)
class _DueRun(Result):
    run: DueOutcome

    def text(self) -> None:
        if self.run.moment is not None:
            out().print("{moment}  {environment}  {workflow}  {status}".format(**self.data()))

    def data(self) -> dict[str, str | None]:
        run = self.run
        return {
            "environment": run.environment,
            "workflow": run.workflow,
            "moment": None if run.moment is None else run.moment.isoformat(),
            "date": None if run.date is None else run.date.isoformat(),
            "status": run.status,
        }


@dataclass(frozen=True)
class _DueRuns(Result):
    """All that was due; each was shown when it ended."""

    runs: Sequence[DueOutcome]
    registry: Registry
    env: str | None
    workflow: str | None

    def text(self) -> None:
        if not self.runs:
            nothing = _nothing_due(self.registry, self.env)
            out().print(nothing if self.workflow is None else f"nothing of {self.workflow} is due")

    def data(self) -> object:
        return [_DueRun(run).data() for run in self.runs]


def _nothing_due(registry: Registry, env: str | None) -> str:
    """Say that nothing is due, and what is next; or what is there to do first."""
    from dataflow.deploy.backends.statuses import coming
    from dataflow.deploy.due import is_anything_deployed, scheduled

    if not is_anything_deployed(registry):
        return "nothing is deployed, so nothing is ever due: `dataflow project deploy` deploys the current branch"
    found = scheduled(registry, env, coming)
    if not found:
        return "nothing is due: no deployed workflow has a schedule, which a `trigger:` in its *.sch.yaml gives it"
    elsewhere = {it.environment: it.backend.capitalize() for it in found if it.backend != "local"}
    found = [it for it in found if it.environment not in elsewhere]
    if not found:
        name, backend = next(iter(elsewhere.items()))
        return f"nothing is due: {backend} runs the schedules of {name}"
    first = found[0]
    waiting = next((it for it in found if it.status.by_tables and not it.paused), None)
    if first.status.next is None and waiting is not None:
        return f"nothing is due; {waiting.status.workflow} in {waiting.environment} runs {waiting.status.schedule}"
    if first.status.next is None:
        return "nothing is due: schedules of sandboxes and branches are paused"
    at = f"{first.status.next:%Y-%m-%d %H:%M %Z}"
    return f"nothing is due; next is {first.status.workflow} in {first.environment}, {at}"
