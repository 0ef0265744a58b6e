"""`dataflow mock validate`: check mocks, also against their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.completion import yaml_files
from dataflow.cli.console import out, say
from dataflow.cli.environments import environment_here
from dataflow.cli.mock.making import sessions
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.errors import display_path

if TYPE_CHECKING:
    from dataflow.mocks.validate import Lookup, MockCheck


def validate(
    paths: Annotated[
        list[Path], typer.Argument(help="Mock files, or folders that hold some.", autocompletion=yaml_files)
    ],
    fix: Annotated[
        bool, typer.Option("--fix", help="Add columns that the table has, the mock lacks, and that may be null.")
    ] = False,
    drift: Annotated[bool, typer.Option("--drift/--no-drift", help="Compare with the table as it is now.")] = True,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Check mocks: structure, types, duplicates, drift from the table.

    Examples:
        dataflow mock validate src/mocks
        dataflow mock validate src/mocks --no-drift

    Exit codes:
        1: something is wrong with a mock
    """
    from dataflow.mocks.validate import check_mocks

    checked, fixed = check_mocks(paths, _lookup(env) if drift else None, fix=fix)
    output.show(_Validated(checked, fixed))
    if any(each.problems for each in checked):
        raise typer.Exit(1)


def _lookup(env: str | None) -> Lookup:
    from dataflow.mocks.source_rows import table_columns

    environment = environment_here(env)
    return lambda table: table_columns(environment, table, sessions(environment))


@dataclass(frozen=True)
class _Validated(Result):
    checked: Sequence[MockCheck]
    fixed: Sequence[Path]

    def text(self) -> None:
        for each in self.checked:
            for problem in sorted(each.problems):
                out().print(str(problem))
            if each.notice:
                say(f"{display_path(each.file)}: not compared with a table: {each.notice}")
            if each.file in self.fixed:
                say(f"{display_path(each.file)}: added what was missing")
        wrong, count = sum(bool(each.problems) for each in self.checked), len(self.checked)
        if not wrong:
            out().print(f"{count} {'mock is' if count == 1 else 'mocks are'} valid")
        else:
            say(f"{wrong} of {count} mocks have something wrong")

    def data(self) -> object:
        return [self._facts(each) for each in self.checked]

    def _facts(self, checked: MockCheck) -> dict[str, Any]:
        return {
            "file": display_path(checked.file),
            "table": checked.table,
            "valid": not checked.problems,
            "compared": checked.compared,
            "notice": checked.notice or None,
            "fixed": checked.file in self.fixed,
            "problems": [
                {"line": problem.line, "column": problem.column, "message": problem.message}
                for problem in sorted(checked.problems)
            ],
        }
