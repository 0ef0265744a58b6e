"""`dataflow migration plan`, and what a change is asked for by."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.console import EnvOption, Output, OutputOption, print_json, write
from dataflow.cli.migration.lineage import CheckoutOption, known_here, tell_broken
from dataflow.cli.migration.spark import table_schema_loader
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflow.migration.changes import ChangeRequest

RenameOption = Annotated[
    list[str] | None, typer.Option("--rename", metavar="OLD=NEW", help="Give a column another name; may be repeated.")
]
DropOption = Annotated[
    list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Take a column away; may be repeated.")
]
TypeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="COLUMN=TYPE[:NAME]",
        help="Give a column another type; may be repeated. One that does not widen is a new column, called NAME.",
    ),
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
    Example:  dataflow migration plan prod.playback --type 'view_hours=decimal(10,2):hours'
    """
    from dataflow.migration.plan.builder import build_plan as plan_of
    from dataflow.migration.plan.explainer import render

    known = known_here(env, checkout)
    asked = change_request(to, rename, drop, types, replace_by, drop_table)
    with table_schema_loader() as look:
        found = plan_of(table, asked, known, dt.datetime.now(dt.UTC), look)
    tell_broken(known)
    if output is Output.JSON:
        print_json(found.to_dict())
    else:
        write("\n".join(render(found)) + "\n")


def change_request(
    to: Path | None,
    rename: Sequence[str] | None,
    drop: Sequence[str] | None,
    types: Sequence[str] | None,
    replace_by: str | None,
    drop_table: bool,
) -> ChangeRequest:
    """Take what was asked for off the command line.

    Raises:
        UsageError: An option is no pair, or the file can't be read.
    """
    from dataflow.migration.changes import ChangeRequest
    from dataflow.workflow.yamlfile import read_text

    ddl = None if to is None else read_text(to)
    asked = {column: _type_and_name(text) for column, text in _pairs("--type", types).items()}
    return ChangeRequest(
        ddl=ddl,
        rename=_pairs("--rename", rename),
        drop=drop or (),
        types={column: type_ for column, (type_, _) in asked.items()},
        names={column: name for column, (_, name) in asked.items() if name is not None},
        replace_by=replace_by,
        drop_table=drop_table,
    )


def _type_and_name(text: str) -> tuple[str, str | None]:
    """Take the name of the new column off a type: what stands behind a colon that is no field's."""
    type_, colon, name = text.rpartition(":")
    if not (colon and name.strip()) or type_.count("<") != type_.count(">"):
        return text, None
    return type_.strip(), name.strip()


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise UsageError(f"'{option} {text}' is no pair", f"for example {option} a=b")
        if name.strip().lower() in {each.lower() for each in found}:
            raise UsageError(
                f"{option} says twice what becomes of {name.strip()}", "make one change of a column at a time"
            )
        found[name.strip()] = value.strip()
    return found
