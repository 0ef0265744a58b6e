"""`dataflow workflow`: validate, plan, run, and look back."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.console import EnvOption, Output, OutputOption, err, out, print_json
from dataflow.cli.workflow.due import due
from dataflow.cli.workflow.options import definition, definitions, request
from dataflow.cli.workflow.run import run_definition
from dataflow.errors import UsageError, display_path

if TYPE_CHECKING:
    pass

app = typer.Typer(no_args_is_help=True, help="Validate, plan and run workflows; look at past runs.")

app.command("due")(due)

FileArgument = Annotated[
    Path, typer.Argument(help="A *.sch.yaml file, or a package's folder for its main.sch.yaml.", show_default=False)
]
DateOption = Annotated[
    str | None,
    typer.Option("--date", metavar="YYYY-MM-DD", help="Run for this day instead of yesterday."),
]
ParamOption = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; may be repeated.")
]


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="*.sch.yaml files, or folders that hold some.")],
    env: EnvOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check definitions and their scripts without running anything: exit 2 and every mistake with its place.

    SQL is held to the columns of its tables, as far as DDL, mocks, the checkout and the embedded catalog tell them.

    Example:  dataflow workflow validate .
    """
    from dataflow.cli.workflow.validate import validated

    found = validated(definitions(files), env)
    if output is Output.JSON:
        listed = [
            {"file": display_path(p.file), "line": p.line, "column": p.column, "message": p.message}
            for p in found.problems
        ]
        shown = [display_path(file) for file in found.files]
        print_json({"files": shown, "problems": listed, "unchecked": list(found.unchecked)})
        if found.problems:
            raise typer.Exit(2)
    else:
        found.require()
        count = len(found.files)
        out().print(f"{count} {'definition is' if count == 1 else 'definitions are'} valid")
        found.tell()


@app.command()
def plan(
    file: FileArgument,
    date: DateOption = None,
    param: ParamOption = None,
    env: EnvOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what a run would do and touch, without starting Spark.

    Example:  dataflow workflow plan main.sch.yaml --date 2026-01-31
    """
    from dataflow.cli.workflow.validate import require_right
    from dataflow.runner.plan import plan_run
    from dataflow.workflow.load import load_workflow

    workflow = load_workflow(definition(file), replace(request(date, param, env), ends_only=True))
    require_right(workflow, env)
    found = plan_run(workflow)
    if output is Output.JSON:
        print_json(found.to_dict())
    else:
        out().print(found.render_text())


@app.command()
def render(
    file: FileArgument,
    date: DateOption = None,
    param: ParamOption = None,
    job: Annotated[str | None, typer.Option("--job", help="Print the script of this one job.")] = None,
    env: EnvOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the SQL of a workflow with its parameters put in, as a run would have it; secrets stay as they stand.

    Example:  dataflow workflow render main.sch.yaml --date 2026-01-31
    """
    from dataflow.cli.console import write
    from dataflow.runner.rendered_sql import as_text, rendered_scripts
    from dataflow.workflow.load import load_workflow

    workflow = load_workflow(definition(file), replace(request(date, param, env), ends_only=True))
    found = rendered_scripts(workflow, job)
    if output is Output.JSON:
        print_json([{"job": it.job, "script": display_path(it.script), "sql": it.sql} for it in found])
    else:
        write(as_text(found))


@app.command()
def run(
    file: Annotated[
        Path | None,
        typer.Argument(help="A *.sch.yaml file, or a package's folder for its main.sch.yaml.", show_default=False),
    ] = None,
    date: DateOption = None,
    param: ParamOption = None,
    job: Annotated[str | None, typer.Option("--job", help="Run this one job, without those before it.")] = None,
    env: EnvOption = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over tables that another package made and handed to you.")
    ] = False,
    deployed: Annotated[
        str | None,
        typer.Option("--deployed", metavar="ID", help="Instead of a file: a deployed workflow, or a bundle."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run a workflow: write on a branch, audit, publish. Reaches your own sandbox unless --env says otherwise.

    With --deployed it runs what was deployed, from the registry alone.

    Example:  dataflow workflow run main.sch.yaml --date 2026-01-31
    """
    if (file is None) == (deployed is None):
        raise UsageError("name either a *.sch.yaml file or --deployed ID", "dataflow workflow run main.sch.yaml")
    from dataflow.runner.options import RunOptions

    options = RunOptions(only=job, adopt=adopt)
    if deployed is not None:
        from dataflow.cli.workflow.run_deployed import run_deployed

        run_deployed(deployed, request(date, param, env), options, output)
        return
    if file is None:
        raise AssertionError("one of both is given")
    run_definition(definition(file), request(date, param, env), options, output)


@app.command()
def runs(
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only workflows whose id contains this.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="At most so many.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="Also the runs that other runs started.")] = False,
    env: EnvOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List past runs, newest first.

    Example:  dataflow workflow runs --limit 5
    """
    with _records(env) as records:
        found = records.recent(workflow, limit, children=every)
    if output is Output.JSON:
        print_json([_run_json(row) for row in found])
        return
    if not found:
        out().print("no runs yet: `dataflow workflow run main.sch.yaml` makes one")
        return
    from dataflow.cli.workflow.summary import print_rows

    print_rows([_run_row(row) for row in found])


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(help="A run's id, the beginning of one, or `last`.")] = "last",
    env: EnvOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show all that is recorded of a run: parameters, versions, job times, audits, tables.

    Example:  dataflow workflow show last
    """
    from dataflow.cli.workflow.show_run import print_run

    with _records(env) as records:
        found = records.run(run_id)
    if found["bundle"]:
        found["assets"] = _assets(found["bundle"])
    if output is Output.JSON:
        print_json(found)
    else:
        print_run(found)


def _assets(bundle: str) -> list[dict[str, Any]]:
    """Return what a run's bundle ran, with the commit of each; nothing where the registry has it no more."""
    from dataflow.assets.registry import open_registry
    from dataflow.deploy.deployed_run import assets_of
    from dataflow.errors import DataflowError
    from dataflow.workflow.project import find_project

    try:
        return assets_of(open_registry(find_project(Path.cwd())), bundle)
    except DataflowError as error:
        err().print(f"note: what its bundle holds can't be told: {error.message}", style="yellow")
        return []


def _records(env: str | None) -> Any:
    from dataflow.state.run_records import Records
    from dataflow.workflow.project import environment, find_project

    state = environment(find_project(Path.cwd()), env).state
    return contextlib.closing(Records(state))


def _run_row(row: Mapping[str, Any]) -> dict[str, object]:
    seconds = (row["ended"] - row["started"]).total_seconds() if row["ended"] else None
    return {
        "run": row["run_id"],
        "workflow": row["workflow_id"],
        "date": row["params"].get("EXECUTION_DATE", ""),
        "environment": row["environment"],
        "status": row["status"],
        "started": f"{row['started'].astimezone():%Y-%m-%d %H:%M:%S}",
        "seconds": "" if seconds is None else f"{seconds:.1f}",
    }


def _run_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in row if key != "process"}
