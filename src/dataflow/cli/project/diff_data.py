"""`dataflow project diff-data`: a branch's tables beside production's."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import Output, OutputOption, err, out, print_json, say
from dataflow.cli.dates import parse_day
from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    output: OutputOption = Output.TEXT,
) -> None:
    """Compare a branch's tables with production's: rows only here or there, and the cells that differ.

    Example:  dataflow project diff-data --branch feature/top-50 --date 2026-01-31
    """
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.bundle import load_bundle
    from dataflow.deploy.data_diff import compare_tables, missing_table, table_pairs
    from dataflow.deploy.deployments import require_current
    from dataflow.deploy.targets import branch_target
    from dataflow.home import subfolder
    from dataflow.spark.session import Engine
    from dataflow.workflow.project import find_project

    project = find_project(Path.cwd())
    registry = open_registry(project)
    day = parse_day(date)
    here, there = require_current(registry, branch_target(branch, project).name), require_current(registry, production)
    found = table_pairs(registry, here, there)
    if key is not None:
        columns = tuple(word.strip() for word in key.split(","))
        found = [dataclasses.replace(pair, key=columns) for pair in found]
    bundle = load_bundle(registry, next(iter(here.revision.packages.values())).bundle)
    log = subfolder("logs") / f"diff-{dt.datetime.now(dt.UTC):%Y%m%dt%H%M%S}.log"
    with (
        err().status("Comparing …"),
        Engine(bundle.environment.environment(), log, small=True, train=False, report=say) as engine,
    ):
        not_there = {pair.here: table for pair in found if (table := missing_table(engine.spark, pair))}
        differences = [compare_tables(engine.spark, pair, day) for pair in found if pair.here not in not_there]
    for table in not_there.values():
        say(f"{table} is not there: the first run of its workflow makes it")
    if not differences:
        raise DataflowError("there is nothing to compare yet", "run the workflows: dataflow workflow run --deployed …")
    if output is Output.JSON:
        print_json([{**dataclasses.asdict(it), "same": it.same} for it in differences])
    else:
        for it in differences:
            _print(it)


def _print(found: TableDiff) -> None:
    pair = found.pair
    where = "all rows" if found.where == "true" else found.where
    from rich.markup import escape

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
