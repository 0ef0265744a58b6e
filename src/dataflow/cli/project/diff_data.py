"""`dataflow project diff-data`: a branch's tables beside production's."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out, print_narrowed, say, working
from dataflow.cli.options import parse_day
from dataflow.cli.output import JSON, MARKDOWN, TEXT, Output, Result, output_option
from dataflow.foreign import for_markdown
from dataflow.wording import share

if TYPE_CHECKING:
    from dataflow.deploy.data_diff import TableDiff


def diff_data(
    branch: Annotated[str, typer.Option("--branch", metavar="NAME", help="Your deployment of a branch.")],
    date: Annotated[
        str | None,
        typer.Option("--date", metavar="YYYY-MM-DD", help="The day; the branch's last one if omitted."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="A,B", help="What identifies a row, where no Metadata job says it.")
    ] = None,
    production: Annotated[str, typer.Option("--with", metavar="NAME", help="What to compare with.")] = "production",
    output: Annotated[
        Output, output_option(TEXT, JSON, MARKDOWN, help="`markdown` is for a pull request, `json` for scripts.")
    ] = TEXT,
) -> None:
    """Compare a branch's tables with production's, row by row.

    It shows the rows that are only here or there, and the cells that differ.

    Examples:
        dataflow project diff-data --branch feature/top-50 --date 2026-01-31
        dataflow project diff-data --branch feature/top-50 --output markdown
    """
    from dataflow.deploy.branch_diff import compare_branch
    from dataflow.spark.command_session import command_session
    from dataflow.workflow.project import find_project

    name = f"diff-{dt.datetime.now(dt.UTC):%Y%m%dt%H%M%S}"
    columns = [] if key is None else [word.strip() for word in key.split(",")]
    with working("Comparing …"):
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
        return [{**dataclasses.asdict(it), "rows_in_both": it.rows_in_both, "same": it.same} for it in self.found]

    def markdown(self) -> str:
        return "\n\n".join(map(_markdown, self.found))


@dataclass(frozen=True)
class _Difference:
    """A line of the table: what differs, in how many rows, of how many, and what is known of some of them."""

    what: str
    rows: int
    of: int
    examples: Sequence[str]


def _differences(found: TableDiff) -> list[_Difference]:
    sides = [
        _Difference("rows only here", found.only_here, found.rows_here, [*map(_spelled, found.samples_here)]),
        _Difference("rows only there", found.only_there, found.rows_there, [*map(_spelled, found.samples_there)]),
    ]
    columns = [
        _Difference(
            column.name,
            column.count,
            found.rows_in_both,
            [f"{_spelled(it['key'])}: {it['here']} here, {it['there']} there" for it in column.samples],
        )
        for column in found.changed
    ]
    return [it for it in sides if it.rows] + columns


def _columns_of_one_side(found: TableDiff) -> list[tuple[str, Sequence[str]]]:
    sides = (("here", found.columns_here), ("there", found.columns_there))
    return [(f"columns only {side}", columns) for side, columns in sides if columns]


def _where(found: TableDiff) -> str:
    return "all rows" if found.where == "true" else found.where


def _print(found: TableDiff) -> None:
    from rich.markup import escape

    pair = found.pair
    out().print(
        f"[bold]{escape(pair.here)}[/] beside [bold]{escape(pair.there)}[/], {escape(_where(found))}", markup=True
    )
    out().print(f"  rows: {found.rows_here:,} here, {found.rows_there:,} there, {found.rows_in_both:,} on both sides")
    for title, columns in _columns_of_one_side(found):
        out().print(f"  {title}: {', '.join(columns)}")
    differences = _differences(found)
    if differences:
        print_narrowed(
            [{"differs": it.what, "rows": f"{it.rows:,}", "share": share(it.rows, it.of)} for it in differences]
        )
    for it in differences:
        out().print(f"  {it.what}")
        for example in it.examples:
            out().print(f"    {example}")
    if found.same:
        out().print("  no difference")


def _markdown(found: TableDiff) -> str:
    pair = found.pair
    lines = [
        f"**{for_markdown(pair.here)} beside {for_markdown(pair.there)}**, {for_markdown(_where(found))}: "
        f"{found.rows_here:,} rows here, {found.rows_there:,} there, {found.rows_in_both:,} on both sides"
    ]
    lines += [f"- {title}: {', '.join(map(for_markdown, names))}" for title, names in _columns_of_one_side(found)]
    if differences := _differences(found):
        lines += ["", "| differs | rows | share | for example |", "|---|---:|---:|---|"]
        for it in differences:
            example = for_markdown(it.examples[0]) if it.examples else ""
            lines.append(f"| {for_markdown(it.what)} | {it.rows:,} | {share(it.rows, it.of)} | {example} |")
    if found.same:
        lines += ["", "No difference"]
    return "\n".join(lines)


def _spelled(key: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())
