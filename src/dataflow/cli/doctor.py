"""`dataflow doctor`: is everything there that a pipeline needs?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dataflow.cli.console import Output, OutputOption, err, out, print_json, say

if TYPE_CHECKING:
    from dataflow.runner.doctor import Diagnosis

app = typer.Typer(add_completion=False)


@app.command()
def doctor(output: OutputOption = Output.TEXT) -> None:
    """Check that everything a pipeline needs is there, and how to mend what is not; exit 1 when something is not.

    For example:

      dataflow doctor

      dataflow doctor --output json
    """
    from dataflow.runner.doctor import diagnose
    from dataflow.workflow.project import environment, find_project

    chosen = environment(find_project(Path.cwd()), None)
    checks = []
    with err().status("Looking …"):
        for check in diagnose(chosen, say):
            checks.append(check)
            if output is Output.TEXT:
                _print(check)
    if output is Output.JSON:
        print_json([asdict(check) | {"fix": None if check.ok else check.fix} for check in checks])
    if not all(check.ok or check.optional for check in checks):
        raise typer.Exit(1)


def _print(check: Diagnosis) -> None:
    from rich.text import Text

    if check.ok:
        word = Text("ok    ", style="green")
    else:
        word = Text("note  ", style="yellow") if check.optional else Text("FAILED", style="bold red")
    out().print(Text.assemble(word, f"  {check.name:<14}  {check.detail}"))
    if not check.ok and check.fix:
        out().print(f"        → {check.fix}")
