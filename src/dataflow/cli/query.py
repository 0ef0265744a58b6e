"""`dataflow query`: look at your data."""

from __future__ import annotations

import csv
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import EnvOption, cell, err, out, print_json, say
from dataflow.foreign import spreadsheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Row

app = typer.Typer(add_completion=False)

_TABLE_ROWS = 50


class _Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="A query; statements that change something are refused.")],
    env: EnvOption = None,
    output: Annotated[
        _Format, typer.Option("--output", help="`table` for people; `json`, `csv` for scripts.", case_sensitive=False)
    ] = _Format.TABLE,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            max=2_000_000_000,
            help=f"Rows at most; {_TABLE_ROWS} in a table, all in json and csv, if omitted.",
        ),
    ] = None,
) -> None:
    """Run a SQL query and print its rows.

    For example:

      dataflow query "SHOW TABLES IN dataflow_demo"

      dataflow query "SELECT * FROM dataflow_demo.playback LIMIT 5"

      dataflow query "SELECT count(*) AS n FROM dataflow_demo.playback" --output json
    """
    from dataflow.home import subfolder
    from dataflow.runner.query import read_rows
    from dataflow.spark.session import Engine
    from dataflow.tables.catalog import is_embedded
    from dataflow.workflow.project import environment, find_project

    chosen = environment(find_project(Path.cwd()), env)
    if limit is None and output is _Format.TABLE:
        limit = _TABLE_ROWS
    log = subfolder("logs") / "query.log"
    engine = Engine(chosen, log, small=is_embedded(chosen), train=False, report=say)
    with engine, err().status("Starting Spark …") as status:
        spark = engine.reader
        status.update("Running …")
        columns, rows, more = read_rows(spark, sql, limit)
    _print(columns, rows, output)
    if more:
        say(f"… and more rows than these {limit}: --limit shows them")


def _print(columns: Sequence[str], rows: Sequence[Row], output: _Format) -> None:
    match output:
        case _Format.JSON:
            print_json([dict(zip(columns, map(_plain, row), strict=True)) for row in rows])
        case _Format.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(map(spreadsheet, columns))
            writer.writerows(["" if value is None else spreadsheet(_plain(value)) for value in row] for row in rows)
        case _Format.TABLE:
            _print_table(columns, rows)


def _print_table(columns: Sequence[str], rows: Sequence[Row]) -> None:
    from rich.table import Table

    table = Table()
    for position, column in enumerate(columns):
        numbers = all(isinstance(row[position], int | float) for row in rows)
        table.add_column(cell(column), justify="right" if rows and numbers else "left")
    for row in rows:
        table.add_row(*(cell("NULL", "dim") if value is None else cell(_plain(value)) for value in row))
    out().print(table)
    say(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")


def _plain(value: Any) -> Any:
    """Turn a nested value of Spark's into dictionaries and lists."""
    from pyspark.sql import Row

    if isinstance(value, Row):
        return {name: _plain(item) for name, item in value.asDict().items()}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.hex() if isinstance(value, bytes | bytearray) else value
