"""`dataflow sample update`: bring a package up to date with its recipe."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import out, say
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import DataflowError, display_path

if TYPE_CHECKING:
    from dataflow.sample.update import Update


def update(
    path: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The package's folder; here if omitted.", show_default=False)
    ] = Path(),
    ref: Annotated[
        str | None,
        typer.Option("--ref", metavar="VERSION", help="A tag, branch or commit; the newest release if omitted."),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the commands of a template that is not the tool's own.")
    ] = False,
    output: OutputOption = TEXT,
) -> None:
    """Bring a package up to date with its recipe, your edits kept.

    Where you and the recipe changed the same lines, the files are named, and it is yours to decide.

    Examples:
        dataflow sample update ./my-pipeline

    Exit codes:
        1: you and the recipe changed the same lines
    """
    from dataflow.sample.update import update as update_package

    done = update_package(path, ref, trust=trust)
    output.show(_Updated(done))
    if done.conflicts:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Updated(Result):
    done: Update

    def text(self) -> None:
        done = self.done
        for command in done.unrun:
            say(f"note: left out, as the template is not the tool's own (--trust runs it): {command}")
        for name in done.left:
            say(f"note: {name} stays as it is: git ignores it here, and the recipe would change it")
        if done.conflicts:
            raise _conflict(done)
        if not done.changed:
            out().print(f"{display_path(done.folder)} is up to date ({done.after})")
            return
        out().print(f"{display_path(done.folder)}: {done.before} → {done.after}")
        for name in done.changed:
            out().print(f"  {name}")
        out().print("look at it with `git diff`, test it with `dataflow project test`, then commit")

    def data(self) -> object:
        done = self.done
        return {
            "folder": done.folder,
            "before": done.before,
            "after": done.after,
            "changed": done.changed,
            "conflicts": done.conflicts,
            "left": done.left,
            "unrun": done.unrun,
        }


def _conflict(done: Update) -> DataflowError:
    merged = [it for it in done.conflicts if it not in done.dropped]
    said = [f"you and the recipe changed the same lines of {', '.join(merged)}"] if merged else []
    said += [f"the recipe has no {name} any more, which you edited" for name in done.dropped]
    where = shlex.quote(display_path(done.folder))
    return DataflowError(
        "; ".join(said),
        "decide between the versions and commit; to undo the whole update: "
        f"git reset --hard && git clean -fd -- {where}",
    )
