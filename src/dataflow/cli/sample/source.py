"""`dataflow sample source`: a demo source of any size."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import EnvOption, Output, OutputOption, err, out, print_json
from dataflow.cli.dates import parse_day
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment

_SMALL_ROWS = 5_000_000
"""Up to so many rows a JVM that starts fast is the better one."""


def source(
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows",
            min=1,
            help="Rows in all, spread evenly over the days; 50_000_000 may be written so. 400_000 a day when omitted.",
        ),
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="The first day; yesterday when omitted.")
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--to", metavar="YYYY-MM-DD", help="The last day, included; yesterday when omitted."),
    ] = None,
    env: EnvOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make the demo source dataflow_demo.playback, as large as you like; days of another size are replaced.

    Example:  dataflow sample source --rows 50_000_000 --from 2026-01-01 --to 2026-01-31
    """
    from pathlib import Path

    from dataflow.sample.demo_source import ROWS_PER_DAY, TABLE
    from dataflow.workflow.project import environment, find_project

    days = _days(first, last)
    rows_per_day = ROWS_PER_DAY if rows is None else _rows_per_day(rows, days)
    where = environment(find_project(Path.cwd()), env)
    _require_space(where, rows_per_day * len(days))
    _make(where, days, rows_per_day)
    if output is Output.JSON:
        print_json({"table": TABLE, "first": days[0], "last": days[-1], "rows_per_day": rows_per_day})
        return
    each = "" if len(days) == 1 else f" ({rows_per_day:,} a day)"
    out().print(f"{TABLE}: {rows_per_day * len(days):,} rows, {_span(days)}{each}")


def _make(where: Environment, days: list[dt.date], rows_per_day: int) -> None:
    from dataflow.cli.console import say
    from dataflow.home import subfolder
    from dataflow.spark.session import Engine

    total = rows_per_day * len(days)
    log = subfolder("logs") / f"source-{os.getpid()}.log"
    with Engine(where, log, small=total <= _SMALL_ROWS, train=False, report=say) as engine:
        engine.begin()
        from dataflow.sample.demo_source import create

        with _progress(total) as progress:
            create(engine.spark, rows_per_day, days[0], days[-1], progress)


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
        self._told = 0

    def __call__(self, rows: int) -> None:
        tenth = 10 * rows // self._total
        if tenth > self._told:
            self._told = tenth
            err().print(f"{rows:,} of {self._total:,} rows")


def _days(first: str | None, last: str | None) -> list[dt.date]:
    from dataflow.workflow.models import MAX_DATES

    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    end = _day("--to", last, yesterday)
    start = _day("--from", first, min(yesterday, end))
    count = (end - start).days + 1
    if count < 1:
        raise UsageError(
            f"--to {end} lies before --from {start}", "the range ends yesterday unless --to says otherwise"
        )
    if count > MAX_DATES:
        raise UsageError(f"{start} to {end} are {count:,} days; {MAX_DATES:,} are the most")
    return [start + dt.timedelta(days=i) for i in range(count)]


def _day(option: str, given: str | None, default: dt.date) -> dt.date:
    try:
        return parse_day(given) or default
    except UsageError as error:
        raise UsageError(f"{option}: {error.message}", error.hint) from None


def _rows_per_day(rows: int, days: list[dt.date]) -> int:
    if rows < len(days):
        raise UsageError(f"--rows {rows} is less than one row for each of {len(days)} days")
    return round(rows / len(days))


def _require_space(where: Environment, rows: int) -> None:
    """Refuse what the disk of the embedded warehouse has no room for."""
    from dataflow.home import subfolder
    from dataflow.sample.demo_source import BYTES_PER_ROW
    from dataflow.tables.catalog import is_embedded

    if not is_embedded(where):
        return
    needed, free = rows * BYTES_PER_ROW, shutil.disk_usage(subfolder()).free
    if needed > free:
        raise UsageError(
            f"{rows:,} rows take about {needed / 1e9:,.0f} GB, and there are {free / 1e9:,.0f} GB free",
            "make fewer rows, or point DATAFLOW_HOME to a larger disk",
        )


def _span(days: list[dt.date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"
