"""`dataflow project`: everything that a folder holds, taken as one."""

from __future__ import annotations

import typer

from dataflow.cli.project_test import run_tests

app = typer.Typer(no_args_is_help=True, help="Test all that a folder holds, whatever its language.")


@app.callback()
def _project() -> None:
    """Test all that a folder holds, whatever its language."""


app.command("test")(run_tests)
