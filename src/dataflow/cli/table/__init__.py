"""`dataflow table`: own files as tables."""

from __future__ import annotations

from dataflow.cli.help import Commands
from dataflow.cli.table import load

app = Commands(
    """Put your own files into tables: CSV, JSON, Parquet.

    Examples:
        dataflow table load orders.csv orders --dry-run
    """
)

app.callback()(lambda: None)  # a group, although it has one command

app.command("load")(load.load)
