"""Arguments and options that commands on a definition share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.completion import definitions

FileArgument = Annotated[
    Path,
    typer.Argument(
        help="A *.sch.yaml file, or a package's folder for its main.sch.yaml.",
        show_default=False,
        autocompletion=definitions,
    ),
]
DateOption = Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The day; yesterday if omitted.")]
ParamOption = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; may be repeated.")
]
DeployedOption = Annotated[
    str | None,
    typer.Option("--deployed", metavar="ID", help="What is deployed; a workflow's id, or a bundle, instead of a file."),
]
