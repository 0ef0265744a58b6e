"""`dataflow sample source`: a demo source of any size."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import err, out, say
from dataflow.cli.options import EnvOption, parse_day
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.sample.demo_size import DemoSize


def source(
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows",
            min=1,
            help="How many rows; in all, spread evenly over the days, 400_000 a day if omitted.",
        ),
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="The first day; yesterday if omitted.")
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--until", metavar="YYYY-MM-DD", help="The last day, included; yesterday if omitted."),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", hidden=True)] = None,  # what --until was called
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Make the demo source dataflow_demo.playback, of any size.

    Days that are there in another size are replaced.

    Examples:
        dataflow sample source --rows 50_000_000 --from 2026-01-01 --until 2026-01-31
    """
    from dataflow.sample.demo_size import demo_size
    from dataflow.sample.demo_source import create
    from dataflow.spark.command_session import command_session
    from dataflow.workflow.project import environment, find_project

    end = _day("--until", last or to)
    size = demo_size(rows, _day("--from", first), end)
    where = environment(find_project(Path.cwd()), env)
    size.require_room(where)
    with (
        command_session(where, f"source-{os.getpid()}", small=size.is_small, report=say) as spark,
        _progress(size.rows) as progress,
    ):
        create(spark, size.rows_per_day, size.days[0], size.days[-1], progress)
    output.show(_Made(size))


def _day(option: str, given: str | None) -> dt.date | None:
    try:
        return parse_day(given)
    except UsageError as error:
        raise UsageError(f"{option}: {error.message}", error.hint) from None


@dataclass(frozen=True)
class _Made(Result):
    size: DemoSize

    def text(self) -> None:
        from dataflow.sample.demo_rows import TABLE

        days, rows_per_day = self.size.days, self.size.rows_per_day
        span = str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"
        each = "" if len(days) == 1 else f" ({rows_per_day:,} a day)"
        out().print(f"{TABLE}: {self.size.rows:,} rows, {span}{each}")

    def data(self) -> object:
        from dataflow.sample.demo_rows import TABLE

        days = self.size.days
        return {"table": TABLE, "first": days[0], "last": days[-1], "rows_per_day": self.size.rows_per_day}


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show how many rows are written: a bar on a terminal, every tenth as a line off it."""
    if not err().is_terminal:
        yield _Lines(total)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = ("making demo data", BarColumn(), TextColumn("{task.completed:,} of {task.total:,} rows"))
    with Progress(*columns, TimeRemainingColumn(), console=err(), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda rows: bar.update(task, completed=rows)


class _Lines:
    """Progress where nobody watches: a line for each tenth of the rows."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._printed = 0

    def __call__(self, rows: int) -> None:
        tenth = 10 * rows // self._total
        if tenth > self._printed:
            self._printed = tenth
            err().print(f"{rows:,} of {self._total:,} rows")
