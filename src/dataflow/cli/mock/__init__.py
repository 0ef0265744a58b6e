"""`dataflow mock`: small copies of tables."""

from dataflow.cli.mock.commands import app

__all__ = ["app"]
