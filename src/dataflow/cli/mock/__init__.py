"""`dataflow mock`: small tables for tests, made of real ones, checked, and shown."""

from __future__ import annotations

import typer

from dataflow.cli.mock import create, show, validate

app = typer.Typer(no_args_is_help=True, help="Make mocks of real tables, check them, look at them.")

app.command("create")(create.create)
app.command("validate")(validate.validate)
app.command("show")(show.show)
