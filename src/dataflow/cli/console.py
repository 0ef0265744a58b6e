"""Talking to people: words on the terminal, tables, progress, questions, one message per failure."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

from dataflow.cli.drawing import Line, out_of_the_way
from dataflow.errors import DataflowError, UsageError
from dataflow.foreign import for_terminal, for_terminal_line
from dataflow.secret import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyspark.sql import SparkSession
    from rich.console import Console
    from rich.segment import Segment
    from rich.text import Text

    from dataflow.workflow.project import Environment

_WIDE = 500  # columns; only tables ask for a width
_RIGHT = frozenset({"took", "rows", "share"})  # columns of numbers

STATUS_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
"""How the outcome of a test is coloured."""

RUN_STYLES = {
    "succeeded": "green",
    "failed": "bold red",
    "warned": "yellow",
    "cancelled": "yellow",
    "killed": "bold red",
    "running": "cyan",
    "waiting": "cyan",
    "due": "cyan",
}
"""How the state of a run is coloured."""


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
                yield it if it.control else Segment(for_terminal(it.text), it.style)

        def print(self, *objects: Any, **options: Any) -> None:
            with out_of_the_way(self):
                super().print(*objects, **options)

    console = Plain(stderr=stderr, highlight=False, soft_wrap=True, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDE
    return console


def working(text: str) -> Line:
    """Return a line that says on a terminal what goes on, while it is open; markup."""
    return Line(err(), text)


def say(text: str) -> None:
    """Print a line of progress where it does not mix with results."""
    err().print(text, style="dim")


def write(text: str) -> None:
    """Write what a command made as it stands, for people or for a file; control characters are spelled out."""
    with out_of_the_way(None):
        sys.stdout.write(for_terminal(text))


def cell(value: object, style: str = "") -> Text:
    """Return a value for a cell of a table; masked here, as a narrow column would break a secret in two."""
    from rich.text import Text

    return Text(for_terminal_line(masked(str(value))), style)


def print_rows(rows: Sequence[Mapping[str, object]], title: str | None = None) -> None:
    """Print rows as a table."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, value in rows[0].items():
        table.add_column(cell(name), justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell("null", "dim") if value is None else cell(value) for value in row.values()))
    out().print(table)


def print_narrowed(rows: Sequence[Mapping[str, object]], spare: Sequence[str] = ()) -> None:
    """Print rows as a table whose cells never fold, so that an id can be copied; numbers of a unit stand right.

    Args:
        rows: At least one; a cell may be a styled text.
        spare: Columns to leave out, the first one first, until the table is as narrow as the terminal.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    left = list(rows[0])
    for dropped in [None, *spare]:
        left = [name for name in left if name != dropped]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
        for name in left:
            table.add_column(cell(name), no_wrap=True, justify="right" if name in _RIGHT else "left")
        for row in rows:
            table.add_row(*(it if isinstance(it := row[name], Text) else cell(it) for name in left))
        if (width := table.__rich_measure__(out(), out().options.update(max_width=_WIDE)).maximum) <= out().width:
            break
    table.width = width
    out().print(table, crop=False, no_wrap=True)


def print_error(error: DataflowError) -> None:
    """Print a failure: what it is, and what to do about it."""
    err().print(f"error: {error.message}", style="red")
    if error.hint:
        err().print(f"  → {error.hint}")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal what takes its time, and how many of how many are done."""
    with working(what) as status:
        yield lambda done, of: status.update(f"{what} {done} of {of}")


@contextmanager
def spark_session(
    environment: Environment, name: str, doing: str, *, read_only: bool = False
) -> Iterator[SparkSession]:
    """Start a short Spark session, with a line of progress while it starts and works."""
    from dataflow.spark.command_session import command_session

    with (
        working("Starting Spark …") as status,
        command_session(environment, name, read_only=read_only, report=say) as spark,
    ):
        status.update(doing)
        yield spark


def require_answer(*, yes: bool, hint: str | None = None) -> None:
    """Refuse to go on where a question would come that nobody can answer.

    Raises:
        UsageError: There is nobody to ask.
    """
    if not (yes or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise UsageError("not an interactive terminal: confirm with --yes (nothing was changed)", hint)


def confirm(question: str, *, yes: bool) -> None:
    """Go on only when the user agrees; off a terminal only `--yes` will do.

    Raises:
        UsageError: There is nobody to ask.
        typer.Exit: They don't; with 1.
    """
    require_answer(yes=yes)
    if yes:
        return
    with out_of_the_way(None):
        agreed = typer.confirm(question, err=True)
    if not agreed:
        say("nothing was changed")
        raise typer.Exit(1)
