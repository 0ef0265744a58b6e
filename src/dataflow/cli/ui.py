"""`dataflow ui`: a local, read-only site over what is recorded."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out, say
from dataflow.cli.environments import environment_here
from dataflow.cli.help import Commands
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import display_path
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.ui.export import Exported
    from dataflow.ui.source import Source

app = Commands()


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 for any that is free.")] = 8420,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Another address than this machine alone; needs a token.")
    ] = "127.0.0.1",
    is_opened: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="Write it as static pages instead, for a web server.")
    ] = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Look at tables, runs and lineage in a browser.

    Nothing can be changed there. It is for this machine alone; at another address everyone has to know the token that
    DATAFLOW_UI_TOKEN holds.

    Examples:
        dataflow ui --open
        dataflow ui --env production --export ./catalogue
    """
    from dataflow.ui.serve import require_extra, serve

    require_extra()
    source = source_here(env)
    if export is not None:
        from dataflow.ui import export as pages

        output.show(_Pages(pages.export(source, export, say)))
        return
    serve(source, host, port, lambda at: output.show_event(_Site(source.environment.name, at)), is_opened=is_opened)


def source_here(env: str | None) -> Source:
    """Return what is looked at in an environment of the project around this folder.

    Raises:
        UsageError: There is none of this name.
    """
    from dataflow.ui.source import Source
    from dataflow.workflow.identity import current_user
    from dataflow.workflow.project import find_project

    return Source(find_project(Path.cwd()), environment_here(env), current_user())


@dataclass(frozen=True)
class _Pages(Result):
    found: Exported

    def text(self) -> None:
        out().print(f"wrote {plural(self.found.pages, 'page')} to {display_path(self.found.folder)}")

    def data(self) -> object:
        return {"folder": str(self.found.folder), "pages": self.found.pages}


@dataclass(frozen=True)
class _Site(Result):
    environment: str
    address: str

    def text(self) -> None:
        out().print(f"{self.environment} is at {self.address} until Ctrl-C")
        sys.stdout.flush()

    def data(self) -> object:
        return {"environment": self.environment, "address": self.address}
