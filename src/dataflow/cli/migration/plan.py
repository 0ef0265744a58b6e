"""`dataflow migration plan`: what a change would break."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import write
from dataflow.cli.migration.known import known_here, live_tables, print_left_out
from dataflow.cli.migration.options import (
    CheckoutOption,
    DropOption,
    DropTableOption,
    RenameOption,
    ReplaceOption,
    ToOption,
    TypeOption,
    change_request,
)
from dataflow.cli.options import EnvOption
from dataflow.cli.output import TEXT, OutputOption, Result

if TYPE_CHECKING:
    from dataflow.migration.plan.definition import MigrationPlan


def plan(
    table: Annotated[str, typer.Argument(help="The table to change.")],
    to: ToOption = None,
    rename: RenameOption = None,
    drop: DropOption = None,
    types: TypeOption = None,
    replace_by: ReplaceOption = None,
    drop_table: DropTableOption = False,
    checkout: CheckoutOption = None,
    env: EnvOption = None,
    output: OutputOption = TEXT,
) -> None:
    """Show what a change of a table would break, and the way round it.

    For whom, on which lines, and the steps that break nobody. Changes nothing.

    Examples:
        dataflow migration plan prod.playback --rename view_hours=hours
        dataflow migration plan prod.playback --type 'view_hours=decimal(10,2):hours'
    """
    from dataflow.migration.plan.builder import build_plan

    known = known_here(env, checkout)
    asked = change_request(to, rename, drop, types, replace_by, drop_table)
    with live_tables() as look:
        found = build_plan(table, asked, known, look)
    print_left_out(known)
    output.show(_Planned(found))


@dataclass(frozen=True)
class _Planned(Result):
    found: MigrationPlan

    def text(self) -> None:
        from dataflow.migration.plan.explainer import render

        write("\n".join(render(self.found)) + "\n")

    def data(self) -> object:
        return self.found.to_dict()
