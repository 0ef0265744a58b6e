"""Asking before something is taken away: on a terminal; off it only `--yes` will do."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dataflow.errors import UsageError

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


def confirm(question: str, *, yes: bool) -> None:
    """Go on only when the user agrees.

    Raises:
        UsageError: There is nobody to ask.
        typer.Exit: They don't; with 1.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nothing was done: there is nobody to ask", "say --yes when that is what you want")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
