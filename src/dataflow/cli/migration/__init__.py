"""`dataflow migration`: lineage, plans and campaigns."""

from dataflow.cli.migration.commands import app

__all__ = ["app"]
