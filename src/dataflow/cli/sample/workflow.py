"""`dataflow sample workflow`: a workflow package that is yours."""

from __future__ import annotations

import gc
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.completion import recipes
from dataflow.cli.console import cell, out, say
from dataflow.cli.first_met import explain
from dataflow.cli.output import TEXT, Output, OutputOption, Result
from dataflow.cli.sample.options import RefOption, SourcePathOption
from dataflow.errors import display_path
from dataflow.secret import without_credentials

if TYPE_CHECKING:
    from rich.tree import Tree

    from dataflow.sample.generate import GeneratedPackage


def workflow(
    recipe: Annotated[
        str,
        typer.Argument(
            help="As `dataflow sample list` names it: spark-sql.", show_default=False, autocompletion=recipes
        ),
    ],
    target_path: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A new folder, or an empty one; here if omitted.", show_default=False),
    ] = Path(),
    source_path: SourcePathOption = None,
    ref: RefOption = None,
    workflow_shortname: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call the pipeline; the folder's name if omitted.")
    ] = None,
    workflow_id: Annotated[
        str | None, typer.Option(metavar="ID", help="What workflow ids start with; <you>.<shortname> if omitted.")
    ] = None,
    cadence: Annotated[
        str | None,
        typer.Option(
            metavar="hourly|daily|weekly|monthly",
            help="Which periods it runs for; daily if omitted.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", "-d", metavar="NAME=VALUE", help="The answer to another question of copier.yml; may be repeated."
        ),
    ] = None,
    skip_info: Annotated[bool, typer.Option("--skip-info", help="Don't say what was made and what is next.")] = False,
    run: Annotated[
        bool, typer.Option("--run", help="Then run it for yesterday; or the last hour, week, month.")
    ] = False,
    show_copier: Annotated[
        bool, typer.Option("--show-copier", help="Also say the copier command that generates the same.")
    ] = False,
    output: OutputOption = TEXT,
) -> None:
    """Generate a workflow package that is yours, from a recipe.

    It has definitions, DDL, transformation, mocks and tests, and runs at once.

    Examples:
        dataflow sample workflow spark-sql ./my-pipeline --run
        dataflow sample workflow pyspark ./my-views --data source_table=lake.views
        dataflow sample workflow spark-sql ./my-hours --cadence hourly

    Exit codes:
        1: with --run: the run failed; the package is there
    """
    gc.disable()  # imports make a lot of objects and no garbage: looking for it takes an eighth of the time
    from dataflow.sample.generate import answers, generate

    given = answers(data or (), workflow_shortname=workflow_shortname, workflow_id=workflow_id, cadence=cadence)
    package = generate(recipe, target_path, source_path=source_path, ref=ref, data=given, report=say)
    gc.freeze()  # nor is there any at the end
    gc.enable()
    generated = _Generated(package, source_path, ref, skip_info=skip_info, is_run=run, show_copier=show_copier)
    if run:
        output.show_with(generated, "run", lambda: _run_main(package, output))
    else:
        output.show(generated)
        explain(output, *([] if skip_info else ["recipe", "sandbox"]))


def _run_main(package: GeneratedPackage, output: Output) -> None:
    from dataflow.cli.workflow.running import run_definition
    from dataflow.runner.options import RunOptions
    from dataflow.workflow.load import Request

    file = package.folder / "main.sch.yaml"
    again = ["workflow", "run", str(file), "--output", output.name]
    run_definition(file, Request(), RunOptions(), output, again=again)


@dataclass(frozen=True)
class _Generated(Result):
    package: GeneratedPackage
    source_path: str | None
    ref: str | None
    skip_info: bool
    is_run: bool
    show_copier: bool

    def text(self) -> None:
        note = self.package.origin.note
        if note:
            out().print(f"note: {note}", style="yellow")
        if not self.skip_info:
            _print_made(self.package)
            if not self.is_run:  # what to do next is said at the end of the run
                _print_next(self.package)
            _say_again("The same again, for a script:", _command(self.package, self.source_path, self.ref))
        if self.show_copier:
            _say_again("The same by copier:", _copier_command(self.package))

    def data(self) -> dict[str, Any]:
        package = self.package
        return {
            "folder": package.folder,
            "answers": package.answers,
            "files": package.files,
            "source": package.origin.address,
            "version": package.version,
            "note": package.origin.note,
        }


def _print_made(package: GeneratedPackage) -> None:
    answers = package.answers
    out().print(f"Generated {answers['workflow_shortname']} from the recipe {answers['recipe']}:")
    out().print(_tree(display_path(package.folder), package.files))


def _print_next(package: GeneratedPackage) -> None:
    where = display_path(package.folder)
    cd = f"  cd {shlex.quote(where)}\n" if where != "." else ""
    unit = {"hourly": "hour", "weekly": "week", "monthly": "month"}.get(package.answers.get("cadence", ""))
    last = f"the last {unit}" if unit else "yesterday"
    out().print(
        f"\nNext:\n{cd}"
        "  dataflow project test                 test the transformation on mocks\n"
        f"  dataflow workflow run main.sch.yaml   run it for {last}, in your own sandbox\n"
        "README.md says how to go on from there",
        markup=False,
    )


def _say_again(title: str, command: Sequence[str]) -> None:
    out().print(f"\n{title}\n  {shlex.join(command)}", markup=False)


def _tree(root: str, files: Iterable[str]) -> Tree:
    from rich.tree import Tree

    tree = Tree(cell(root))
    branches = {Path(): tree}
    for file in map(Path, files):
        for folder in [*reversed(file.parents), file]:
            if folder not in branches:
                branches[folder] = branches[folder.parent].add(cell(folder.name))
    return tree


def _command(package: GeneratedPackage, source_path: str | None, ref: str | None) -> list[str]:
    answers = dict(package.answers)
    command = ["dataflow", "sample", "workflow", answers.pop("recipe"), display_path(package.folder)]
    for name in ("workflow_shortname", "workflow_id", "cadence"):
        if name in answers:
            command += [f"--{name.replace('_', '-')}", answers.pop(name)]
    for name, value in answers.items():
        command += ["--data", f"{name}={value}"]
    if source_path:
        command += ["--source-path", without_credentials(source_path)]
    return [*command, "--ref", ref] if ref else command


def _copier_command(package: GeneratedPackage) -> list[str]:
    ref = ["--vcs-ref", package.origin.ref] if package.origin.ref else []
    data = [part for key, value in package.answers.items() for part in ("-d", f"{key}={value}")]
    place = [package.origin.address, display_path(package.folder)]
    return ["copier", "copy", "--trust", "--defaults", *ref, *data, *place]
