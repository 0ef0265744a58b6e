"""`dataflow table`: what tables hold and how they are, own files as tables, and their maintenance."""

from __future__ import annotations

from dataflow.cli.help import Commands
from dataflow.cli.table import coverage, history, load, maintain, show
from dataflow.cli.table import list as list_

app = Commands(
    """Look at tables, load own files into them, keep them in order.

    Examples:
        dataflow table list
        dataflow table coverage alice_sandbox.alice_playback_results
        dataflow table load orders.csv orders --dry-run
        dataflow table maintain --plan
    """
)

app.command("list")(list_.list_)
app.command("show")(show.show)
app.command("history")(history.history)
app.command("coverage")(coverage.coverage)
app.command("load")(load.load)
app.command("maintain")(maintain.maintain)
