"""`dataflow sample`: generating and updating packages."""

from dataflow.cli.sample.commands import app

__all__ = ["app"]
