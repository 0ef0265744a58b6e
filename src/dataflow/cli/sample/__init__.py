"""`dataflow sample`: generate a workflow package, bring it up to date, make demo data."""

from __future__ import annotations

import typer

from dataflow.cli.sample import list, source, update, workflow  # noqa: A004 - as the command is called

app = typer.Typer(no_args_is_help=True, help="Generate a workflow package from a recipe, update it, make demo data.")

app.command("list")(list.list_)
app.command("workflow")(workflow.workflow)
app.command("update")(update.update)
app.command("source")(source.source)
