"""`dataflow query`: look at your data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import cell, out, say, spark_session
from dataflow.cli.options import EnvOption
from dataflow.cli.output import CSV, JSON, TABLE, Output, Result, output_option
from dataflow.wording import plural

if TYPE_CHECKING:
    from pyspark.sql import Row

app = typer.Typer(add_completion=False)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="A query; statements that change something are refused.")],
    env: EnvOption = None,
    output: Annotated[
        Output, output_option(TABLE, JSON, CSV, help="`table` for people; `json`, `csv` for scripts.")
    ] = TABLE,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            max=2_000_000_000,
            help=f"Rows at most; {TABLE.row_limit} in a table, all in json and csv, if omitted.",
        ),
    ] = None,
) -> None:
    """Run a SQL query and print its rows.

    For example:

      dataflow query "SHOW TABLES IN dataflow_demo"

      dataflow query "SELECT * FROM dataflow_demo.playback LIMIT 5"

      dataflow query "SELECT count(*) AS n FROM dataflow_demo.playback" --output json
    """
    from dataflow.runner.query import read_rows
    from dataflow.workflow.project import environment, find_project

    most = limit or output.row_limit
    with spark_session(environment(find_project(Path.cwd()), env), "query", "Running …", read_only=True) as spark:
        columns, rows, more = read_rows(spark, sql, most)
    output.show(QueryRows(columns, rows))
    if more:
        say(f"… and more rows than these {most}: --limit shows them")


@dataclass(frozen=True)
class QueryRows(Result):
    """The rows of a query."""

    columns: Sequence[str]
    found: Sequence[Row]

    def text(self) -> None:
        """Print a table."""
        from rich.table import Table

        table = Table()
        for position, column in enumerate(self.columns):
            numbers = all(isinstance(row[position], int | float) for row in self.found)
            table.add_column(cell(column), justify="right" if self.found and numbers else "left")
        for row in self.found:
            table.add_row(*(cell("NULL", "dim") if value is None else cell(_plain(value)) for value in row))
        out().print(table)
        say(plural(len(self.found), "row"))

    def data(self) -> object:
        """Return a mapping for each row."""
        return [dict(zip(self.columns, map(_plain, row), strict=True)) for row in self.found]

    def rows(self) -> Iterator[Sequence[Any]]:
        """Return the names, then the values."""
        yield self.columns
        yield from ([_plain(value) for value in row] for row in self.found)


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
