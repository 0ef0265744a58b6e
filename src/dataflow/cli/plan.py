"""`dataflow migration plan`, and what a change is asked for by."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import EnvOption, Output, OutputOption, print_json
from dataflow.cli.lineage import CheckoutOption, known_here, tell_broken
from dataflow.cli.onspark import looking
from dataflow.errors import UsageError, display_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflow.migration.changes import Wish

RenameOption = Annotated[
    list[str] | None, typer.Option("--rename", metavar="OLD=NEW", help="Give a column another name; may be repeated.")
]
DropOption = Annotated[
    list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Take a column away; may be repeated.")
]
TypeOption = Annotated[
    list[str] | None, typer.Option("--type", metavar="COLUMN=TYPE", help="Give a column another type; may be repeated.")
]
ToOption = Annotated[
    Path | None, typer.Option("--to", help="A .sql file whose CREATE TABLE says how the table should be.")
]
ReplaceOption = Annotated[
    str | None, typer.Option("--replace-by", metavar="TABLE", help="Another table that readers should move to.")
]
DropTableOption = Annotated[bool, typer.Option("--drop-table", help="Take the whole table away, for nothing else.")]


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
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what a change would break, for whom and on which lines, and the steps that break nobody. Changes nothing.

    Example:  dataflow migration plan prod.playback --rename view_hours=hours
    """
    from dataflow.migration.plan import plan as plan_of
    from dataflow.migration.plan import render

    known = known_here(env, checkout)
    asked = wish(to, rename, drop, types, replace_by, drop_table)
    with looking() as look:
        found = plan_of(table, asked, known, dt.datetime.now(dt.UTC), look)
    tell_broken(known)
    if output is Output.JSON:
        print_json(found.to_dict())
    else:
        sys.stdout.write("\n".join(render(found)) + "\n")


def wish(
    to: Path | None,
    rename: Sequence[str] | None,
    drop: Sequence[str] | None,
    types: Sequence[str] | None,
    replace_by: str | None,
    drop_table: bool,
) -> Wish:
    """Take what was asked for off the command line.

    Raises:
        UsageError: An option is no pair, or the file can't be read.
    """
    from dataflow.migration.changes import Wish

    ddl = None
    if to is not None:
        try:
            ddl = to.read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{display_path(to)} can't be read: {error.strerror}") from error
    return Wish(ddl, _pairs("--rename", rename), drop or (), _pairs("--type", types), replace_by, drop_table)


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise UsageError(f"'{option} {text}' is no pair", f"for example {option} a=b")
        found[name.strip()] = value.strip()
    return found
