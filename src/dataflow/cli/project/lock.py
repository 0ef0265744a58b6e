"""`dataflow project lock`: what Python code needs, in versions that everybody gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.console import out, say
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.project.options import PathsArgument
from dataflow.errors import display_path


def lock(
    paths: PathsArgument = None,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Use the newest versions that fit.")] = False,
    output: OutputOption = TEXT,
) -> None:
    """Lock what Python projects need, again where a lock is stale.

    A `uv.lock` is renewed by uv; where there is none, a `pylock.toml` is written. Runs, tests and deployments use it.

    Examples:
        dataflow project lock ./my-pipeline
        dataflow project lock --upgrade
    """
    from dataflow.build.python.lock import renew_below

    locked = []
    for project, file in renew_below(paths or [Path()], say, upgrade=upgrade):
        locked.append(_Locked(project, file))
        output.show_part(locked[-1])
    output.show(_AllLocked(locked))


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


@dataclass(frozen=True)
class _AllLocked(Result):
    locked: Sequence[_Locked]

    def text(self) -> None:
        """Print nothing more: each lock was shown when it was made."""

    def data(self) -> object:
        return [
            {"project": display_path(it.project), "lock": None if it.file is None else display_path(it.file)}
            for it in self.locked
        ]
