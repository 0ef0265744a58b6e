"""Every command of the command line, and its help page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import typer

from dataflow.cli.main import app
from dataflow.container import without_flags


@dataclass(frozen=True)
class Page:
    """A help page.

    Attributes:
        words: What calls the command, without `dataflow`.
        command: The command, as Typer makes it.
        context: The context in which it would be called.
    """

    words: tuple[str, ...]
    command: Any
    context: Any

    @property
    def name(self) -> str:
        """What is typed."""
        return " ".join(("dataflow", *self.words))

    @property
    def is_group(self) -> bool:
        """Whether it only leads to others."""
        return hasattr(self.command, "commands")

    @property
    def parameters(self) -> list[Any]:
        """What it takes, without what is hidden."""
        return [it for it in self.command.get_params(self.context) if not it.hidden]

    def option(self, flag: str) -> Any:
        """Return an option by its flag; None where it has none, or none that is shown."""
        return next((it for it in self.parameters if flag in it.opts), None)

    def text(self, width: int = 80) -> str:
        """Return the page as a terminal of a width shows it."""
        with _columns(width):
            return str(self.command.get_help(self.context)) + "\n"


def pages() -> Iterator[Page]:
    """Yield the page of each command, that of a group before those of its commands."""
    root: Any = typer.main.get_command(app)
    yield from _below((), root, root.make_context("dataflow", [], resilient_parsing=True))


def _below(words: tuple[str, ...], command: Any, context: Any) -> Iterator[Page]:
    yield Page(words, command, context)
    for name in list(getattr(command, "commands", ())):
        _, each, _ = command.resolve_command(context, [name])
        yield from _below((*words, name), each, each.make_context(name, [], parent=context, resilient_parsing=True))


def parse(words: list[str]) -> Any:
    """Parse a command as the command line does, without running it; return its context.

    Raises:
        Exception: It is not a command, or lacks something.
    """
    words = without_flags(words)  # of a container: what runs in it is what counts
    command: Any = typer.main.get_command(app)
    context: Any = command.make_context("dataflow", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        name, command, words = command.resolve_command(context, words)
        is_group = hasattr(command, "commands")
        context = command.make_context(
            name, [] if is_group else list(words), parent=context, resilient_parsing=is_group
        )
    return context


@contextmanager
def _columns(width: int) -> Iterator[None]:
    import os

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(width)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
