"""`dataflow project diff-data`: a branch's tables beside production's."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import err, out, say
from dataflow.cli.options import parse_day
from dataflow.cli.output import TEXT, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.deploy.data_diff import TableDiff


def diff_data(
    branch: Annotated[str, typer.Option("--branch", metavar="B", help="Your deployment of a branch.")],
    date: Annotated[
        str | None,
        typer.Option("--date", metavar="YYYY-MM-DD", help="The day to compare; the branch's last one when omitted."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="A,B", help="What identifies a row, where no Metadata job says it.")
    ] = None,
    production: Annotated[str, typer.Option("--with", metavar="NAME", help="What to compare with.")] = "production",
    output: OutputOption = TEXT,
) -> None:
    """Compare a branch's tables with production's: rows only here or there, and the cells that differ.

    Example:  dataflow project diff-data --branch feature/top-50 --date 2026-01-31
    """
    from dataflow.deploy.branch_diff import compare_branch
    from dataflow.spark.command_session import command_session
    from dataflow.workflow.project import find_project

    name = f"diff-{dt.datetime.now(dt.UTC):%Y%m%dt%H%M%S}"
    columns = [] if key is None else [word.strip() for word in key.split(",")]
    with err().status("Comparing …"):
        found = compare_branch(
            find_project(Path.cwd()),
            branch,
            production,
            lambda environment: command_session(environment, name, small=True, report=say),
            say,
            date=parse_day(date),
            key=columns,
        )
    output.show(_Compared(found))


@dataclass(frozen=True)
class _Compared(Result):
    found: Sequence[TableDiff]

    def text(self) -> None:
        for it in self.found:
            _print(it)

    def data(self) -> object:
        return [{**dataclasses.asdict(it), "same": it.same} for it in self.found]


def _print(found: TableDiff) -> None:
    from rich.markup import escape

    pair = found.pair
    where = "all rows" if found.where == "true" else found.where
    out().print(f"[bold]{escape(pair.here)}[/] beside [bold]{escape(pair.there)}[/], {escape(where)}", markup=True)
    out().print(f"  rows: {found.rows_here:,} here, {found.rows_there:,} there")
    for what, columns in (("here", found.columns_here), ("there", found.columns_there)):
        if columns:
            out().print(f"  columns only {what}: {', '.join(columns)}")
    _print_keys("here", found.only_here, found.samples_here)
    _print_keys("there", found.only_there, found.samples_there)
    for column in found.changed:
        out().print(f"  {column.name}: {column.count:,} rows differ")
        for sample in column.samples:
            out().print(f"    {_spelled(sample['key'])}: {sample['here']} here, {sample['there']} there")
    if found.same:
        out().print("  no difference")


def _print_keys(where: str, count: int, samples: Sequence[Mapping[str, object]]) -> None:
    if count:
        out().print(f"  only {where}: {count:,} rows, such as {'; '.join(map(_spelled, samples))}")


def _spelled(key: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())
