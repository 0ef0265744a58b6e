"""`dataflow ui`: a local, read-only site over what is recorded."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.console import out
from dataflow.cli.environments import environment_here
from dataflow.cli.help import Commands
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result

app = Commands()


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 for any that is free.")] = 8420,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Another address than this machine alone; needs a token.")
    ] = "127.0.0.1",
    is_opened: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Look at tables, runs and lineage in a browser.

    Nothing can be changed there. It is for this machine alone; at another address everyone has to know the token that
    DATAFLOW_UI_TOKEN holds.

    Examples:
        dataflow ui --open
        dataflow ui --env production
    """
    from dataflow.ui.serve import require_extra, serve

    require_extra()
    from dataflow.ui.source import Source
    from dataflow.workflow.identity import current_user
    from dataflow.workflow.project import find_project

    source = Source(find_project(Path.cwd()), environment_here(env), current_user())
    serve(
        source,
        host,
        port,
        lambda address: output.show_event(_Site(source.environment.name, address)),
        is_opened=is_opened,
    )


@dataclass(frozen=True)
class _Site(Result):
    environment: str
    address: str

    def text(self) -> None:
        out().print(f"{self.environment} is at {self.address} until Ctrl-C")
        sys.stdout.flush()

    def data(self) -> object:
        return {"environment": self.environment, "address": self.address}
