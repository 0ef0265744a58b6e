"""`dataflow sample`: generate a workflow package, bring it up to date, make demo data."""

from __future__ import annotations

from dataflow.cli.help import Commands
from dataflow.cli.sample import list, source, update, workflow  # noqa: A004 - as the command is called

app = Commands(
    """Generate a workflow package, update it, make demo data.

    Examples:
        dataflow sample list
        dataflow sample workflow spark-sql ./my-pipeline --run
    """
)

app.command("workflow")(workflow.workflow)
app.command("list")(list.list_)
app.command("update")(update.update)
app.command("source")(source.source)
