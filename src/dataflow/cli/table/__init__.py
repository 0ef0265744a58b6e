"""`dataflow table`: own files as tables."""

from __future__ import annotations

import typer

from dataflow.cli.table import load

app = typer.Typer(no_args_is_help=True, help="Put your own files into tables.")

app.callback()(lambda: None)  # a group, although it has one command
app.command("load")(load.load)
