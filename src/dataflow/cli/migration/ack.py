"""`dataflow migration ack`: record that readers are ready where that can't be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from dataflow.cli.console import out
from dataflow.cli.migration.known import known_here
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result


def ack(
    who: Annotated[str, typer.Argument(metavar="OWNER|WORKFLOW", help="Whose readers, or which one, count as moved.")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why that is so.")] = "",
    campaign: Annotated[
        str | None, typer.Option("--campaign", metavar="NAME", help="The campaign; the only open one if omitted.")
    ] = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Record that readers are ready, where that can't be seen.

    Those are an owner's readers, or one workflow.

    Examples:
        dataflow migration ack bob --note "the report is retired"
    """
    from dataflow.migration.actions import acknowledge

    output.show(_Acknowledged(acknowledge(known_here(env, []), campaign, who, note or None)))


@dataclass(frozen=True)
class _Acknowledged(Result):
    workflows: Sequence[str]

    def text(self) -> None:
        out().print(f"acknowledged: {', '.join(self.workflows)}")

    def data(self) -> object:
        return {"acknowledged": list(self.workflows)}
