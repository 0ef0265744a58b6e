"""`dataflow project lock`: what Python code needs, in versions that everybody gets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.console import out, say
from dataflow.errors import UsageError, display_path


def lock(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help="Folders; here when omitted.")] = None,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Take the newest versions that fit.")] = False,
) -> None:
    """Lock the dependencies of the Python projects below folders, again where a lock is stale.

    A `uv.lock` is renewed by uv; where there is none, a `pylock.toml` is written. Runs, tests and deployments use it.

    Example:  dataflow project lock ./my-pipeline
    """
    from dataflow.build.python.lock import renew
    from dataflow.workflow.pyproject import projects_below

    tops = paths or [Path()]
    for top in tops:
        projects = projects_below(top)
        if not projects:
            raise UsageError(f"{display_path(top)} holds no Python project", "write a pyproject.toml with [project]")
        for project in projects:
            file = renew(project, say, upgrade=upgrade)
            named = display_path(project.file)
            out().print(f"{named} needs nothing" if file is None else f"{display_path(file)} is up to date")
