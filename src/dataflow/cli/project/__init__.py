"""`dataflow project`: testing, deploying and looking after packages."""

from dataflow.cli.project.commands import app

__all__ = ["app"]
