"""`dataflow mock`: small tables for tests, made of real ones, checked, and shown."""

from __future__ import annotations

from dataflow.cli.help import Commands
from dataflow.cli.mock import create, show, validate

app = Commands(
    """Make mocks of real tables for tests, check them, show them.

    Examples:
        dataflow mock create dataflow_demo.playback --rows 30
        dataflow mock validate src/mocks
    """
)

app.command("create")(create.create)
app.command("validate")(validate.validate)
app.command("show")(show.show)
