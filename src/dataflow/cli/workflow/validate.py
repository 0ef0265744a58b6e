"""`dataflow workflow validate`: every mistake in definitions and their scripts, without running anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.completion import definitions as complete_definitions
from dataflow.cli.console import out, say
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.workflow.options import definitions, request
from dataflow.errors import display_path

if TYPE_CHECKING:
    from dataflow.migration.definition_checks import DefinitionChecks

_SHOWN = 10


def validate(
    files: Annotated[
        list[Path],
        typer.Argument(help="*.sch.yaml files, or folders that hold some.", autocompletion=complete_definitions),
    ],
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Check definitions and their scripts without running anything.

    Every mistake is reported with its place, all at once. SQL is held to the columns of its tables, as far as DDL,
    mocks, the checkout and the embedded catalog tell them.

    Examples:
        dataflow workflow validate .
        dataflow workflow validate main.sch.yaml --output json

    Exit codes:
        2: there are mistakes
    """
    from dataflow.migration.definition_checks import check_definitions

    found = check_definitions(definitions(files), request(None, None, env))
    output.show(_Checked(found))
    if found.problems:
        raise typer.Exit(2)


@dataclass(frozen=True)
class _Checked(Result):
    found: DefinitionChecks

    def text(self) -> None:
        self.found.require_none()
        count, unchecked = len(self.found.files), self.found.unchecked
        out().print(f"{count} {'definition is' if count == 1 else 'definitions are'} valid")
        for text in unchecked[:_SHOWN]:
            say(f"not checked: {text}")
        if len(unchecked) > _SHOWN:
            say(f"not checked: {len(unchecked) - _SHOWN} more; all with --output json")

    def data(self) -> object:
        listed = [
            {"file": display_path(p.file), "line": p.line, "column": p.column, "message": p.message}
            for p in self.found.problems
        ]
        shown = [display_path(file) for file in self.found.files]
        return {"files": shown, "problems": listed, "unchecked": list(self.found.unchecked)}
