"""`dataflow project init`: a `dataflow.yaml` that says what can be said in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.console import Output, OutputOption, out, print_json
from dataflow.errors import UsageError, display_path

_NEXT = {
    "dataflow sample workflow spark-sql ./NAME": "a workflow package",
    "dataflow project plan": "what a deployment would change",
}


def init(
    folder: Annotated[Path, typer.Argument(help="The repository's top.")] = Path(),
    name: Annotated[str | None, typer.Option("--name", help="What the project is called; the folder's name.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write a commented dataflow.yaml: environments, their branches and databases, and where deployments are kept.

    Example:  dataflow project init
    """
    from dataflow.deploy.project_file import write_project

    if not folder.is_dir():
        raise UsageError(f"{display_path(folder)} is no folder")
    file = write_project(folder, name)
    if output is Output.JSON:
        print_json({"file": file})
        return
    out().print(f"wrote {display_path(file)}")
    for command, what in _NEXT.items():
        out().print(f"  {command:<45}{what}", style="dim")
