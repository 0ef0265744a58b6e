"""Talking to people and to scripts: words on the terminal, JSON on request, one message per failure."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.errors import DataflowError
from dataflow.foreign import line, plain
from dataflow.secret import masked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.text import Text


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
    """Make a console on which text is text: markup only where a call says so, and never a control character."""
    from rich.console import Console
    from rich.segment import Segment

    class Plain(Console):
        def render(self, *args: Any, **kwargs: Any) -> Iterator[Segment]:
            for it in super().render(*args, **kwargs):
                yield it if it.control else Segment(plain(it.text), it.style)

    console = Plain(stderr=stderr, highlight=False, soft_wrap=True, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def say(text: str) -> None:
    """Print a line of progress where it does not mix with results."""
    err().print(text, style="dim")


def write(text: str) -> None:
    """Write what a command made as it stands, for people or for a file; control characters are spelled out."""
    sys.stdout.write(plain(text))


def cell(value: object, style: str = "") -> Text:
    """Return a value for a cell of a table; masked here, as a narrow column would break a secret in two."""
    from rich.text import Text

    return Text(line(masked(str(value))), style)


def print_json(data: object) -> None:
    """Print data for a script; moments and paths become text."""
    sys.stdout.write(json.dumps(data, indent=2, default=_plain) + "\n")


def print_error(error: DataflowError) -> None:
    """Print a failure: what it is, and what to do about it."""
    err().print(f"error: {error.message}", style="red")
    if error.hint:
        err().print(f"  → {error.hint}")


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
