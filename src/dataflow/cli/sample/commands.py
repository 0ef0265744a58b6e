"""`dataflow sample`: generate a workflow package, bring it up to date, make demo data."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import Output, OutputOption, cell, out, print_json, say
from dataflow.cli.sample.source import source
from dataflow.errors import DataflowError, display_path
from dataflow.secret import without_credentials

if TYPE_CHECKING:
    from rich.tree import Tree

    from dataflow.sample.generate import Package

app = typer.Typer(no_args_is_help=True, help="Generate a workflow package from a recipe, update it, make demo data.")


@app.command("list")
def list_recipes(output: OutputOption = Output.TEXT) -> None:
    """List the recipes.

    Example:  dataflow sample list
    """
    from dataflow.sample.recipes import recipes

    if output is Output.JSON:
        print_json([{"recipe": it.name, "summary": it.summary} for it in recipes()])
        return
    for recipe in recipes():
        out().print(f"{recipe.name:<10} {recipe.summary}")


@app.command()
def workflow(
    recipe: Annotated[
        str, typer.Argument(help="A recipe of `dataflow sample list`, such as spark-sql.", show_default=False)
    ],
    target_path: Annotated[Path, typer.Argument(help="A new folder, or an empty one.")] = Path(),
    source_path: Annotated[
        str | None, typer.Option("--source-path", help="A folder or git address to take the recipes from.")
    ] = None,
    workflow_shortname: Annotated[
        str | None, typer.Option(help="What to call the pipeline; the folder's name when omitted.")
    ] = None,
    workflow_id: Annotated[
        str | None, typer.Option(help="What workflow ids start with; <you>.<shortname> when omitted.")
    ] = None,
    skip_info: Annotated[bool, typer.Option("--skip-info", help="Don't say what was made and what is next.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Then run it for yesterday.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Generate a workflow package that is yours: definitions, DDL, transformation, mocks, test.

    Example:  dataflow sample workflow spark-sql ./my-pipeline --run
    """
    gc.disable()  # imports make a lot of objects and no garbage: looking for it takes an eighth of the time
    from dataflow.sample.generate import generate

    package = generate(
        recipe,
        target_path,
        source_path=source_path,
        workflow_shortname=workflow_shortname,
        workflow_id=workflow_id,
        report=say,
    )
    gc.freeze()  # nor is there any at the end
    gc.enable()
    if output is Output.JSON:
        _answer_json(package, run=run)
        return
    if package.origin.note:
        out().print(f"note: {package.origin.note}", style="yellow")
    if not skip_info:
        _print_info(package, source_path)
    if run:
        _run_main(package, output)


@app.command()
def update(
    path: Annotated[Path, typer.Argument(help="The package's folder.")] = Path(),
    ref: Annotated[
        str | None, typer.Option("--ref", metavar="VERSION", help="A tag, branch or commit; the newest release.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the commands of a template that is not the tool's own.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Bring a package up to date with its recipe, your edits kept; exit 1 and name the files in conflict.

    Example:  dataflow sample update ./my-pipeline
    """
    from dataflow.sample.update import update as update_package

    done = update_package(path, ref, trust=trust)
    if output is Output.JSON:
        print_json(
            {
                "folder": done.folder,
                "before": done.before,
                "after": done.after,
                "changed": done.changed,
                "conflicts": done.conflicts,
                "left": done.left,
                "unrun": done.unrun,
            }
        )
        raise typer.Exit(1 if done.conflicts else 0)
    for command in done.unrun:
        say(f"note: left out, as the template is not the tool's own (--trust runs it): {command}")
    for name in done.left:
        say(f"note: {name} stays as it is: git ignores it here, and the recipe would change it")
    if done.conflicts:
        merged = [it for it in done.conflicts if it not in done.dropped]
        told = [f"you and the recipe changed the same lines of {', '.join(merged)}"] if merged else []
        told += [f"the recipe has no {name} any more, which you edited" for name in done.dropped]
        where = shlex.quote(display_path(done.folder))
        raise DataflowError(
            "; ".join(told),
            "decide between the versions and commit; to undo the whole update: "
            f"git reset --hard && git clean -fd -- {where}",
        )
    if not done.changed:
        out().print(f"{display_path(done.folder)} is up to date ({done.after})")
        return
    out().print(f"{display_path(done.folder)}: {done.before} → {done.after}")
    for name in done.changed:
        out().print(f"  {name}")
    out().print("Look at it with `git diff`, test it with `dataflow project test`, then commit.")


app.command()(source)


def _print_info(package: Package, source_path: str | None) -> None:
    where = display_path(package.folder)
    answers = package.answers
    out().print(f"Generated {answers['workflow_shortname']} from the recipe {answers['recipe']}:")
    out().print(_tree(where, package.files))
    cd = f"  cd {shlex.quote(where)}\n" if where != "." else ""
    out().print(
        f"\nNext:\n{cd}"
        "  dataflow project test                 test the transformation on mocks\n"
        "  dataflow workflow run main.sch.yaml   run it for yesterday, in your own sandbox\n"
        f"README.md says how to go on from there.\n\nThe same again, for a script:\n"
        f"  {shlex.join(_command(package, source_path))}\n  {shlex.join(_copier_command(package))}",
        markup=False,
    )


def _tree(root: str, files: Iterable[str]) -> Tree:
    from rich.tree import Tree

    tree = Tree(cell(root))
    branches = {Path(): tree}
    for file in map(Path, files):
        for folder in [*reversed(file.parents), file]:
            if folder not in branches:
                branches[folder] = branches[folder.parent].add(cell(folder.name))
    return tree


def _command(package: Package, source_path: str | None) -> list[str]:
    answers = package.answers
    command = ["dataflow", "sample", "workflow", answers["recipe"], display_path(package.folder)]
    command += ["--workflow-shortname", answers["workflow_shortname"]]
    if "workflow_id" in answers:
        command += ["--workflow-id", answers["workflow_id"]]
    return [*command, "--source-path", without_credentials(source_path)] if source_path else command


def _copier_command(package: Package) -> list[str]:
    ref = ["--vcs-ref", package.origin.ref] if package.origin.ref else []
    data = [part for key, value in package.answers.items() for part in ("-d", f"{key}={value}")]
    place = [package.origin.address, display_path(package.folder)]
    return ["copier", "copy", "--trust", "--defaults", *ref, *data, *place]


def _answer_json(package: Package, *, run: bool) -> None:
    """Print one JSON document, the run's result included."""
    answer: dict[str, object] = {
        "folder": package.folder,
        "answers": package.answers,
        "files": package.files,
        "source": package.origin.address,
        "version": package.version,
        "note": package.origin.note,
    }
    if not run:
        print_json(answer)
        return
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            _run_main(package, Output.JSON)
    finally:
        print_json({**answer, "run": json.loads(printed.getvalue() or "null")})


def _run_main(package: Package, output: Output) -> None:
    from dataflow.cli.workflow.run import run_definition
    from dataflow.workflow.load import Request

    file = package.folder / "main.sch.yaml"
    run_definition(file, Request(), output=output, again=["workflow", "run", str(file), "--output", output.value])
