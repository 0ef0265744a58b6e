"""`dataflow workflow`: running workflows, and looking at runs."""

from dataflow.cli.workflow.commands import app

__all__ = ["app"]
