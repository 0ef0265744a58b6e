"""`dataflow mock`: small tables for tests, made of real ones, checked, and shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import EnvOption, Output, OutputOption, cell, err, out, print_json, say
from dataflow.errors import UsageError, display_path

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.mocks.create import MockRequest, MockResult, Sessions
    from dataflow.mocks.model import Mock
    from dataflow.mocks.validate import MockCheck
    from dataflow.workflow.project import Environment

app = typer.Typer(no_args_is_help=True, help="Make mocks of real tables, check them, look at them.")


@app.command()
def create(
    table: Annotated[
        str | None, typer.Argument(help="A table's full name: database.table.", show_default=False)
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="A,B", help="Only these columns; all when omitted.")
    ] = None,
    where: Annotated[
        str | None, typer.Option("--where", metavar="CONDITION", help="Only rows that fulfil this, in Spark's SQL.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, max=5000, help="At most so many rows.")] = 20,
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="PATH", help="The file; among the package's mocks when omitted, - for none."),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="COLUMN[=RULE]",
            help="Mask a column by hash, fake (the default), redact or null; keep shows it as it is. May be repeated.",
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Look at all rows of a large table, not at a sample.")] = False,
    spark: Annotated[
        bool, typer.Option("--spark", help="Read through Spark, as for a view, even where it could do without.")
    ] = False,
    workflow: Annotated[
        Path | None,
        typer.Option("--workflow", metavar="FILE", help="Mock all that a workflow reads, with a test of its script."),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="TABLE", help="With --workflow: a table that it reads. May be repeated."),
    ] = None,
    date: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="With --workflow: the day; yesterday if omitted.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="With --workflow: a parameter; may be repeated."),
    ] = None,
    env: EnvOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    format_: Annotated[
        Output,
        typer.Option("--format", help="How to answer: `text`, or `json` for scripts.", case_sensitive=False),
    ] = Output.TEXT,
) -> None:
    """Make a mock of a real table: few rows that each show something, personal data masked.

    For example:

      dataflow mock create dataflow_demo.playback --where "date = '2026-01-31'" --rows 30

      dataflow mock create crm.customer --columns id,email,country --mask id=hash

      dataflow mock create --workflow main.sch.yaml --date 2026-01-31
    """
    from dataflow.mocks.create import MockRequest

    if (table is None) == (workflow is None):
        raise UsageError(
            "name either a table or --workflow", "for example: dataflow mock create dataflow_demo.playback"
        )
    wanted = MockRequest(
        table or "",
        tuple(name.strip() for name in (columns or "").split(",") if name.strip()),
        where,
        rows,
        tuple(mask or ()),
        exact,
        spark,
    )
    if workflow is None:
        _refuse({"--source": source, "--date": date, "--param": param}, "goes with --workflow")
        answer = _create_one(wanted, output, env, force=force, quiet=format_ is Output.JSON)
    else:
        _refuse({"--columns": columns, "--output": output}, "does not go with --workflow")
        from dataflow.cli.mock.create_for_workflow import create_all

        answer = create_all(workflow, wanted, source or (), date, param, env, force=force, quiet=format_ is Output.JSON)
    if format_ is Output.JSON:
        print_json(answer)


def _refuse(options: dict[str, object], why: str) -> None:
    for name, value in options.items():
        if value:
            raise UsageError(f"{name} {why}")


def _create_one(
    wanted: MockRequest, output: str | None, env: str | None, *, force: bool, quiet: bool
) -> dict[str, Any]:
    from dataflow.mocks.create import check_free, default_file
    from dataflow.mocks.write import save_text
    from dataflow.tables.pyiceberg_catalog import split_name

    environment = _environment(env)
    name = ".".join(split_name(environment.catalog_name, wanted.table))
    file = None if output == "-" else Path(output) if output else default_file(name, Path.cwd())
    if file is not None:
        check_free(file, force=force)
    made = make(environment, wanted)
    if file is None:
        out().file.write("" if quiet else made.text)
    else:
        save_text(file, made.text)
    if not quiet:
        tell(made, file)
    return as_json(made, file)


def make(environment: Environment, wanted: MockRequest) -> MockResult:
    """Make a mock, with a word on what it is doing where that takes long."""
    from rich.markup import escape

    from dataflow.mocks.create import make_mock

    with err().status(f"Looking at {escape(wanted.table)} …") as status:

        def progress(done: int, of: int) -> None:
            status.update(f"Looking at {escape(wanted.table)}: {done:,} of {of:,} rows …")

        return make_mock(environment, wanted, sessions(environment), report=say, progress=progress)


def sessions(environment: Environment) -> Sessions:
    """Return what opens Spark in an environment."""

    @contextlib.contextmanager
    def opened(reason: str) -> Iterator[SparkSession]:
        del reason
        from dataflow.home import subfolder
        from dataflow.spark.session import Engine
        from dataflow.tables.catalog import is_embedded

        log = subfolder("logs") / "mock.log"
        with Engine(environment, log, small=is_embedded(environment), train=False, report=say) as engine:
            yield engine.spark

    return opened


def tell(made: MockResult, file: Path | None) -> None:
    """Tell what was made, what is masked and what was not looked at."""
    count = len(made.mock.rows)
    of = "" if made.total is None else f" of {made.total:,}"
    where = f"{display_path(file)}: " if file else ""
    err().print(f"✓ {where}{count} row{'' if count == 1 else 's'}{of} of {made.mock.table}", style="green")
    if not made.complete:
        say(f"a sample: {made.looked_at:,} of {made.total:,} rows were looked at; --exact looks at all of them")
    if not count:
        say("the table has no such rows: what it stands for is an empty table")
    for mask in made.masks:
        say(f"masked {mask}")
    if made.masks:
        say("--mask COLUMN=keep shows a column as it is; DATAFLOW_MASK_KEY makes a team's masks the same")
    if made.left_out:
        say(f"{made.left_out} rows were left out: they hold a zero character, or a moment that a mock can't hold")


def as_json(made: MockResult, file: Path | None) -> dict[str, Any]:
    """Return what was made as plain data."""
    return {
        "file": file,
        "table": made.mock.table,
        "columns": {column.name: str(column.type) for column in made.mock.columns},
        "rows": len(made.mock.rows),
        "key": list(made.mock.key),
        "complete": made.complete,
        "looked_at": made.looked_at,
        "total": made.total,
        "engine": made.engine,
        "masked": [{"column": ".".join(m.path), "rule": m.rule.value, "why": m.why} for m in made.masks],
        "left_out": made.left_out,
        **({} if file else {"text": made.text}),
    }


@app.command()
def validate(
    paths: Annotated[list[Path], typer.Argument(help="Mock files, or folders that hold some.")],
    fix: Annotated[
        bool, typer.Option("--fix", help="Add columns that the table has, the mock lacks, and that may be null.")
    ] = False,
    drift: Annotated[bool, typer.Option("--drift/--no-drift", help="Compare with the table as it is now.")] = True,
    env: EnvOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check mocks: structure, types, duplicates, and drift from the live table. Exit 1 when something is wrong.

    Example:  dataflow mock validate src/mocks
    """
    from dataflow.mocks.validate import check_mock, find_mocks

    lookup = _Tables(_environment(env)) if drift else None
    checked = [check_mock(file, lookup) for file in find_mocks(paths)]
    fixed = _fix(checked) if fix else []
    if fixed:
        checked = [check_mock(each.file, lookup) if each.file in fixed else each for each in checked]
    if output is Output.JSON:
        print_json([_checked_json(each, fixed=each.file in fixed) for each in checked])
    else:
        _tell_checked(checked, fixed)
    if any(each.problems for each in checked):
        raise typer.Exit(1)


class _Tables:
    """Columns of tables, each looked up once."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._known: dict[str, Any] = {}

    def __call__(self, name: str) -> Any:
        from dataflow.mocks.create import table_columns

        if name not in self._known:
            self._known[name] = table_columns(self._environment, name, sessions(self._environment))
        return self._known[name]


def _fix(checked: Sequence[MockCheck]) -> list[Path]:
    from dataflow.mocks.validate import text_with_missing_columns
    from dataflow.mocks.write import save_text

    fixed = []
    for each in checked:
        text = text_with_missing_columns(each)
        if text is not None:
            save_text(each.file, text)
            fixed.append(each.file)
    return fixed


def _tell_checked(checked: Sequence[MockCheck], fixed: Sequence[Path]) -> None:
    for each in checked:
        for problem in sorted(each.problems):
            out().print(str(problem))
        if each.notice:
            say(f"{display_path(each.file)}: not compared with a table: {each.notice}")
        if each.file in fixed:
            say(f"{display_path(each.file)}: added what was missing")
    wrong = sum(bool(each.problems) for each in checked)
    if not wrong:
        out().print(f"{len(checked)} {'mock is' if len(checked) == 1 else 'mocks are'} valid")
    else:
        say(f"{wrong} of {len(checked)} mocks have something wrong")


def _checked_json(checked: MockCheck, *, fixed: bool) -> dict[str, Any]:
    return {
        "file": display_path(checked.file),
        "table": checked.table,
        "valid": not checked.problems,
        "compared": checked.compared,
        "notice": checked.notice or None,
        "fixed": fixed,
        "problems": [
            {"line": problem.line, "column": problem.column, "message": problem.message}
            for problem in sorted(checked.problems)
        ],
    }


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="A mock file.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Print a mock as a table.

    Example:  dataflow mock show src/mocks/dataflow_demo.playback.yaml
    """
    from dataflow.mocks import load_mock

    mock = load_mock(path)
    if output is Output.JSON:
        names = [column.name for column in mock.columns]
        columns = {column.name: str(column.type) for column in mock.columns}
        rows = [dict(zip(names, map(_plain, row), strict=True)) for row in mock.rows]
        print_json({"table": mock.table, "key": list(mock.key), "columns": columns, "rows": rows})
    else:
        _print_table(mock)


def _print_table(mock: Mock) -> None:
    from rich.table import Table
    from rich.text import Text

    from dataflow.mocks.yaml_text import cell_text, type_text

    table = Table(title=mock.table, title_justify="left")
    for column in mock.columns:
        header = Text.assemble(cell(column.name), "\n", cell(type_text(column.type), "dim"))
        table.add_column(header, justify="right" if column.type.number else "left")
    for row in mock.rows:
        cells = zip(mock.columns, row, strict=True)
        table.add_row(
            *(
                cell("null", "dim") if value is None else cell(_unquoted(cell_text(value, column.type)))
                for column, value in cells
            )
        )
    out().print(table)
    say(f"{len(mock.rows)} row{'' if len(mock.rows) == 1 else 's'}")


def _unquoted(cell: str) -> str:
    return cell[1:-1] if cell.startswith('"') and len(cell) > 2 else cell


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return value.hex()
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case float() if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124
            return str(value)
    return value


def _environment(name: str | None) -> Environment:
    from dataflow.workflow.project import environment, find_project

    return environment(find_project(Path.cwd()), name)
