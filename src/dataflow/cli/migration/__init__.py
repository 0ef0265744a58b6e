"""`dataflow migration`: see who depends on a table, and change it without surprising them."""

from __future__ import annotations

from dataflow.cli.help import Commands
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

app = Commands(
    """See who depends on a table; change it and surprise nobody.

    Examples:
        dataflow migration lineage prod.playback.view_hours
        dataflow migration plan prod.playback --rename view_hours=hours
        dataflow migration status
    """
)

app.command("lineage", rich_help_panel="Look first")(lineage.lineage)
app.command("plan", rich_help_panel="Look first")(plan.plan)
app.command("import", rich_help_panel="Look first")(import_.import_)

app.command("start", rich_help_panel="Change a table")(start.start)
app.command("apply", rich_help_panel="Change a table")(apply.apply)
app.command("notify", rich_help_panel="Change a table")(notify.notify)
app.command("ack", rich_help_panel="Change a table")(ack.ack)
app.command("verify", rich_help_panel="Change a table")(verify.verify)
app.command("cancel", rich_help_panel="Change a table")(cancel.cancel)

app.command("status", rich_help_panel="How far it is")(status.status)
app.command("list", rich_help_panel="How far it is")(list.list_)
