"""`dataflow project lock`: what Python code needs, in versions that everybody gets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.console import out, say
from dataflow.cli.output import TEXT
from dataflow.cli.project.options import PathsArgument
from dataflow.errors import display_path


def lock(
    paths: PathsArgument = None,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Use the newest versions that fit.")] = False,
) -> None:
    """Lock the dependencies of the Python projects below folders, again where a lock is stale.

    A `uv.lock` is renewed by uv; where there is none, a `pylock.toml` is written. Runs, tests and deployments use it.

    Example:  dataflow project lock ./my-pipeline
    """
    from dataflow.build.python.lock import renew_below

    for project, file in renew_below(paths or [Path()], say, upgrade=upgrade):
        TEXT.show_part(_Locked(project, file))


@dataclass(frozen=True)
class _Locked:
    """A project's pyproject.toml and its lock; None where nothing needs one."""

    project: Path
    file: Path | None

    def text(self) -> None:
        if self.file is None:
            out().print(f"{display_path(self.project)} needs nothing")
        else:
            out().print(f"{display_path(self.file)} is up to date")
