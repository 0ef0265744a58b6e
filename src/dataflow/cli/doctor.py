"""`dataflow doctor`: is everything there that a pipeline needs?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dataflow.cli.console import out, say, working
from dataflow.cli.help import Commands
from dataflow.cli.output import TEXT, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.runner.doctor import Diagnosis

app = Commands()


@app.command()
def doctor(output: OutputOption = TEXT) -> None:
    """Check that all is there, with the command for what is not.

    Examples:
        dataflow doctor
        dataflow doctor --output json

    Exit codes:
        1: something is missing that every pipeline needs
    """
    from dataflow.runner.doctor import diagnose
    from dataflow.workflow.project import environment, find_project

    checks = []
    with working("Looking …") as line:
        chosen = environment(find_project(Path.cwd()), None)
        for check in diagnose(chosen, say, lambda name: line.update(f"Looking at {name} …")):
            checks.append(check)
            output.show_part(_Checked(check))
    output.show(_AllChecked(checks))
    if not all(check.ok or check.optional for check in checks):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Checked:
    check: Diagnosis

    def text(self) -> None:
        from rich.text import Text

        check = self.check
        if check.ok:
            word = Text("ok    ", style="green")
        else:
            word = Text("note  ", style="yellow") if check.optional else Text("FAILED", style="bold red")
        out().print(Text.assemble(word, f"  {check.name:<14}  {check.detail}"))
        if not check.ok and check.fix:
            out().print(f"        → {check.fix}")
        if check.fetched:
            out().print(f"        fetched: {check.fetched}")


@dataclass(frozen=True)
class _AllChecked(Result):
    checks: Sequence[Diagnosis]

    def text(self) -> None:
        """Print what it comes to: each check was shown when it was done."""
        missing = [it.name for it in self.checks if not (it.ok or it.optional)]
        some = [it.name for it in self.checks if it.optional and not it.ok]
        notes = f"; only some recipes need {' and '.join(some)}" if some else ""
        if missing:
            out().print(f"missing: {', '.join(missing)}; run what → says, then `dataflow doctor` again{notes}")
        else:
            out().print(f"every pipeline has what it needs{notes}")

    def data(self) -> object:
        return [asdict(check) | {"fix": None if check.ok else check.fix} for check in self.checks]
