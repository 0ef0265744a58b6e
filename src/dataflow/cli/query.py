"""`dataflow query`: look at your data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import cell, out, say, spark_session
from dataflow.cli.environments import environment_here
from dataflow.cli.help import Commands
from dataflow.cli.options import EnvOption
from dataflow.cli.output import CSV, JSON, PARQUET, TABLE, Output, Result, output_option
from dataflow.errors import UsageError, display_path
from dataflow.runner.engine_choice import QueryEngine, answer
from dataflow.wording import plural

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Row, SparkSession

app = Commands()


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A query; statements that change something are refused.")],
    env: EnvOption = None,
    output: Annotated[
        Output,
        output_option(TABLE, JSON, CSV, PARQUET, to=True, help="`table` for people, the others for programs."),
    ] = TABLE,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="A file; the rows go there, and parquet needs it.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            max=2_000_000_000,
            help=f"At most so many; {TABLE.row_limit} rows in a table, all in other formats if omitted.",
        ),
    ] = None,
    engine: Annotated[
        QueryEngine,
        typer.Option(
            "--engine", help="`spark` or `sail` alone; `auto`: Sail, which starts at once, where both answer the same."
        ),
    ] = QueryEngine.AUTO,
) -> None:
    """Run a SQL query and print its rows.

    Sail answers in a second what it is known to answer as Spark does; Spark answers the rest, and a line says why.

    Examples:
        dataflow query "SHOW TABLES IN dataflow_demo"
        dataflow query "SELECT * FROM dataflow_demo.playback LIMIT 5"
        dataflow query "SELECT count(*) AS n FROM dataflow_demo.playback" --output json
        dataflow query "SELECT * FROM dataflow_demo.playback" --output parquet --to playback.parquet
        dataflow query "SELECT * FROM dataflow_demo.playback VERSION AS OF 'main'" --engine spark
    """
    output.require_place(to)
    where = environment_here(env)

    def sessions() -> AbstractContextManager[SparkSession]:
        return spark_session(where, "query", "Running …", read_only=True)

    most = limit or output.row_limit
    found = answer(where, sql, most, sessions, engine=engine, arrow=output.takes_arrow, report=say)
    output.write(QueryRows(found.columns, found.rows, found.table), to)
    if to is None and not found.is_cut:
        output.show_part(_Count(found.count))
        return
    place = f"{display_path(to)}: " if to else ""
    more = f"{found.count:,} of {plural(found.total, 'row')}: --limit {found.total} shows all"
    say(f"{place}{more if found.is_cut else plural(found.count, 'row')}")


@dataclass(frozen=True)
class _Count:
    count: int

    def text(self) -> None:
        say(plural(self.count, "row"))


@dataclass(frozen=True)
class QueryRows(Result):
    """The rows of a query; for other programs as an Arrow table."""

    columns: Sequence[str]
    found: Sequence[Row]
    table: pa.Table | None = None

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

    def data(self) -> object:
        """Return a mapping for each row."""
        return [dict(zip(self.columns, map(_plain, row), strict=True)) for row in self.found]

    def rows(self) -> Iterator[Sequence[Any]]:
        """Return the names, then the values."""
        yield self.columns
        yield from ([_plain(value) for value in row] for row in self.found)

    def arrow(self) -> pa.Table:
        """Return them as Spark gave them.

        Raises:
            UsageError: Two columns have one name.
        """
        if twice := next((it for it in self.columns if self.columns.count(it) > 1), None):
            raise UsageError(f"two columns are called '{twice}'", "give one of them another name: … AS name")
        return self.table


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
