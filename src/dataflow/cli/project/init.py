"""`dataflow project init`: a `dataflow.yaml` that says what can be said in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.console import out
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import UsageError, display_path

_NEXT = {
    "dataflow sample workflow spark-sql ./NAME": "a workflow package",
    "dataflow project plan": "what a deployment would change",
}


def init(
    folder: Annotated[Path, typer.Argument(help="The repository's top; here if omitted.", show_default=False)] = Path(),
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What it is called; the folder's name if omitted.")
    ] = None,
    output: OutputOption = TEXT,
) -> None:
    """Write a commented dataflow.yaml, which makes a folder a project.

    It names environments, their branches and databases, and where deployments are kept.

    Examples:
        dataflow project init
        dataflow project init --name stranger-data
    """
    from dataflow.deploy.project_file import write_project

    if not folder.is_dir():
        raise UsageError(f"{display_path(folder)} is not a folder")
    output.show(_Written(write_project(folder, name)))


@dataclass(frozen=True)
class _Written(Result):
    file: Path

    def text(self) -> None:
        out().print(f"wrote {display_path(self.file)}")
        for command, what in _NEXT.items():
            out().print(f"  {command:<45}{what}", style="dim")

    def data(self) -> object:
        return {"file": self.file}
