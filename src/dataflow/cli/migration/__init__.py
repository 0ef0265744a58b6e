"""`dataflow migration`: see who depends on a table, and change it without surprising them."""

from __future__ import annotations

import typer

from dataflow.cli.migration import (
    ack,
    apply,
    cancel,
    import_,
    lineage,
    list,  # noqa: A004 - as the command is called
    notify,
    plan,
    start,
    status,
    verify,
)

app = typer.Typer(no_args_is_help=True, help="See who depends on a table, and change it without surprising them.")

app.command("lineage")(lineage.lineage)
app.command("import")(import_.import_)
app.command("plan")(plan.plan)
app.command("start")(start.start)
app.command("notify")(notify.notify)
app.command("ack")(ack.ack)
app.command("status")(status.status)
app.command("apply")(apply.apply)
app.command("verify")(verify.verify)
app.command("cancel")(cancel.cancel)
app.command("list")(list.list_)
