"""`dataflow project init`: a `dataflow.yaml` that says what can be said in it, and a file for CI."""

from __future__ import annotations

from collections.abc import Sequence
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
    ci: Annotated[
        str | None, typer.Option("--ci", metavar="<github|gitlab|jenkins>", help="Also write the file of this service.")
    ] = None,
    output: OutputOption = TEXT,
) -> None:
    """Write a commented dataflow.yaml, which makes a folder a project.

    It names environments, their branches and databases, and where deployments are kept. With --ci, pull requests are
    tested, planned, and run beside production; what is merged is deployed; what is closed is taken down. A project that
    has its dataflow.yaml gets that file alone.

    Examples:
        dataflow project init
        dataflow project init --name stranger-data
        dataflow project init --ci github
    """
    from dataflow.deploy.project_file import set_up

    if not folder.is_dir():
        raise UsageError(f"{display_path(folder)} is not a folder")
    output.show(_Written(set_up(folder, name, ci), with_ci=ci is not None))


@dataclass(frozen=True)
class _Written(Result):
    files: Sequence[Path]
    with_ci: bool

    def text(self) -> None:
        for file in self.files:
            out().print(f"wrote {display_path(file)}")
        if self.with_ci:
            out().print("  runners keep nothing: give dataflow.yaml a `registry:` and a `catalog:` that they reach")
        for command, what in _NEXT.items():
            out().print(f"  {command:<45}{what}", style="dim")

    def data(self) -> object:
        return {"file": self.files[0], "files": self.files}
