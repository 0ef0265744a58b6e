"""`dataflow migration`: assembled here; each command lives in a module of its own."""

from __future__ import annotations

import typer

from dataflow.cli.migration import campaign, lineage, plan

app = typer.Typer(no_args_is_help=True, help="See who depends on a table, and change it without surprising them.")

app.command("lineage")(lineage.lineage)
app.command("import")(lineage.import_)
app.command("plan")(plan.plan)
app.command("start")(campaign.start)
app.command("notify")(campaign.notify)
app.command("ack")(campaign.ack)
app.command("status")(campaign.status)
app.command("apply")(campaign.apply)
app.command("verify")(campaign.verify)
app.command("cancel")(campaign.cancel)
app.command("list")(campaign.list_)
