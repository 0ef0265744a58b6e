"""`dataflow workflow report`: a run as one page, to print or to send."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.console import out
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import display_path


def report(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, or `last`.")] = "last",
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="A file; the page goes there, to run-ID.html here if omitted."),
    ] = None,
    is_opened: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Write all that is recorded of a run as one HTML page.

    It fetches nothing and runs no script: to print, to keep, or to send.

    Examples:
        dataflow workflow report last --open
        dataflow workflow report last --to night.html
    """
    from dataflow.cli.ui import source_here
    from dataflow.files import write_file
    from dataflow.ui.report import run_report

    found, page = run_report(source_here(env), run_id)
    file = to or Path(f"run-{found}.html")
    write_file(file, page)
    output.show(_Report(found, file))
    if is_opened:
        webbrowser.open(file.resolve().as_uri())


@dataclass(frozen=True)
class _Report(Result):
    run: str
    file: Path

    def text(self) -> None:
        out().print(f"wrote {display_path(self.file)}")

    def data(self) -> object:
        return {"run": self.run, "file": str(self.file)}
