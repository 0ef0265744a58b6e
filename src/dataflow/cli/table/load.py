"""`dataflow table load`: CSV, JSON and Parquet files into a table of one's sandbox."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import out, print_rows, say, working
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import UsageError, display_path
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.loading.load import Loaded

_EXAMPLE = 30  # characters of an example that the table shows


class Format(enum.StrEnum):
    """The formats of files."""

    csv = "csv"
    json = "json"
    parquet = "parquet"


def load(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="CSV, JSON or Parquet files.")],
    table: Annotated[str, typer.Argument(metavar="TABLE", help="The table; without a database in your sandbox's.")],
    partition: Annotated[
        str | None,
        typer.Option(
            "--partition",
            metavar="COLUMN|day",
            help="Partition a new table by a column; `day`: by the one column that has days.",
        ),
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add the rows to a table that is there.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Put the rows in the place of all that it has.")] = False,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="NAME=TYPE", help="A column's type; such as zip=string. May be repeated."),
    ] = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Load the good rows, and name the others.")
    ] = False,
    file_format: Annotated[
        Format | None, typer.Option("--format", help="The files' format, where their names don't say.")
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option(
            "--delimiter", metavar="TEXT", help="What stands between fields of CSV; seen in the file if omitted."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="A file; the DDL goes there, to ddl/TABLE.sql if omitted."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show; load and write nothing.")] = False,
    env: EnvOption = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write what the catalog's login may write; beyond your sandbox.")
    ] = False,
    output: OutputOption = TEXT,
) -> None:
    """Load CSV, JSON or Parquet files into a table of your sandbox.

    A table that is there is neither added to nor replaced unless you say so; a file that it has is not loaded twice.

    Examples:
        dataflow table load orders.csv orders --dry-run
        dataflow table load orders.csv orders --partition day
        dataflow table load february/*.csv orders --append
    """
    from dataflow.loading.load import Request
    from dataflow.loading.load import load as load_files
    from dataflow.workflow.project import environment, find_project

    if append and replace:
        raise UsageError("--append and --replace are both given", "choose one")
    request = Request(
        files,
        table,
        partition,
        mode="append" if append else "replace" if replace else None,
        types=types or (),
        format=file_format,
        delimiter=delimiter,
        skip_bad_rows=skip_bad_rows,
        write=write,
        ddl=to,
        dry_run=dry_run,
    )
    with working("Reading …"):
        loaded = load_files(request, environment(find_project(Path.cwd()), env), say)
    output.show(_Loaded(loaded))


@dataclass(frozen=True)
class _Loaded(Result):
    loaded: Loaded

    def text(self) -> None:
        found = self.loaded
        if found.columns:
            print_rows(list(map(dict, self._columns())))
        for column in found.columns:
            if column.because:
                out().print(f"{column.name} is a string: {column.because}")
        if found.bad.count:
            say(f"{plural(found.bad.count, 'row')} left out:\n{found.bad.listed()}")
        if found.ddl is not None and found.ddl_file is None:
            out().print(f"\n{found.ddl}")
        out().print(self._outcome())
        if found.ddl_file is not None:
            out().print(f"its DDL, for you to review: {display_path(found.ddl_file)}")
        if found.outcome != "dry run":
            self._next()

    def _columns(self) -> list[dict[str, Any]]:
        return [
            {
                "column": it.name,
                "type": str(it.type),
                "example": _cut(it.example),
                "nulls": f"{it.nulls:,}",
            }
            for it in self.loaded.columns
        ]

    def _outcome(self) -> str:
        found, rows = self.loaded, plural(self.loaded.rows, "row")
        by = f", partitioned by {found.partition}" if found.partition else ""
        of = "" if found.total is None else f", {found.total:,} now"
        return {
            "created": f"created {found.table}: {rows}{by}",
            "appended": f"added to {found.table}: {rows}{of}",
            "replaced": f"replaced what {found.table} had: {rows}{by}",
            "unchanged": f"{found.table} has these rows already: nothing was loaded",
            "dry run": f"{found.table} would get {rows}{by}; nothing was loaded",
        }[found.outcome]

    def _next(self) -> None:
        from dataflow.workflow.table_names import typed

        out().print("\nin a workflow's definition, and to look at it:")
        out().print(f"  SOURCE_TABLE: {self.loaded.table}")
        out().print(f'  dataflow query "SELECT * FROM {typed(self.loaded.table)} LIMIT 20"')

    def data(self) -> object:
        found = self.loaded
        return {
            "table": found.table,
            "outcome": found.outcome,
            "rows": found.rows,
            "total_rows": found.total,
            "columns": [
                {"name": it.name, "type": str(it.type), "example": it.example, "nulls": it.nulls, "because": it.because}
                for it in found.columns
            ],
            "partition": found.partition,
            "ddl": found.ddl,
            "ddl_file": found.ddl_file,
            "bad_rows": found.bad.count,
            "bad_rows_shown": found.bad.shown,
        }


def _cut(example: str | None) -> str | None:
    return example if example is None or len(example) <= _EXAMPLE else f"{example[:_EXAMPLE]}…"
