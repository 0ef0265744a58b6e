"""Talking to people and to scripts: words on the terminal, JSON on request, one message per failure."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from rich.console import Console


_WIDE = 500  # columns; only tables ask for a width


class Output(StrEnum):
    """How a command answers."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[
    Output, typer.Option("--output", help="`text` for people, `json` for scripts.", case_sensitive=False)
]
EnvOption = Annotated[
    str | None,
    typer.Option("--env", help="An environment of dataflow.yaml; your own sandbox when omitted."),
]


@cache
def out() -> Console:
    """Return the console for results; off a terminal lines are as long as they have to be."""
    return _console(stderr=False)


@cache
def err() -> Console:
    """Return the console for progress, warnings and failures."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, soft_wrap=True, emoji=False)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def say(text: str) -> None:
    """Print a line of progress where it does not mix with results."""
    err().print(text, markup=False, style="dim")


def print_json(data: object) -> None:
    """Print data for a script; moments and paths become text."""
    sys.stdout.write(json.dumps(data, indent=2, default=_plain) + "\n")


def print_error(error: DataflowError) -> None:
    """Print a failure: what it is, and what to do about it."""
    err().print(f"error: {error.message}", markup=False, style="red")
    if error.hint:
        err().print(f"  → {error.hint}", markup=False)


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
