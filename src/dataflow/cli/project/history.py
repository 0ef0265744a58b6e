"""`dataflow project history`: what an environment ran, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.cli.console import out, print_rows
from dataflow.cli.options import LimitOption
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.cli.project.options import DeploymentOption


def history(
    env: DeploymentOption = None,
    limit: LimitOption = 20,
    output: OutputOption = TEXT,
) -> None:
    """List what was deployed to an environment, the last first.

    Examples:
        dataflow project history
        dataflow project history --env production
    """
    from dataflow.deploy.history import changes, deployment_here

    here = deployment_here(Path.cwd(), env)
    output.show(_History(here.name, changes(here, limit)))


@dataclass(frozen=True)
class _History(Result):
    name: str
    found: Sequence[dict[str, Any]]

    def text(self) -> None:
        if not self.found:
            out().print(f"nothing was ever deployed to {self.name}")
            return
        out().print(self.name, style="bold")
        print_rows([_printed(row) for row in self.found])

    def data(self) -> object:
        return self.found


def _printed(row: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in row.items() if key != "removed"}
    return {**shown, "at": f"{row['at'].astimezone():%Y-%m-%d %H:%M:%S}", "changed": _listed(row)}


def _listed(row: dict[str, Any]) -> str:
    words: Sequence[str] = [f"{path} ({bundle})" for path, bundle in row["changed"].items()]
    words = [*words, *(f"{path} removed" for path in row["removed"])]
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")
