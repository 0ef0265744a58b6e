"""Options that commands on tables and campaigns share, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflow.migration.changes import ChangeRequest

CampaignArgument = Annotated[
    str | None, typer.Argument(metavar="[CAMPAIGN]", help="A campaign or its table; the only open one if omitted.")
]
AnyCampaignArgument = Annotated[
    str | None,
    typer.Argument(metavar="[CAMPAIGN]", help="A campaign or its table; the open one, or the last, if omitted."),
]
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the campaign.")]
CheckoutOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkout",
        metavar="FOLDER",
        help="A folder with workflows to read as well; the one around you if omitted. May be repeated.",
    ),
]

RenameOption = Annotated[
    list[str] | None, typer.Option("--rename", metavar="OLD=NEW", help="Give a column another name; may be repeated.")
]
DropOption = Annotated[
    list[str] | None, typer.Option("--drop", metavar="COLUMN", help="Drop a column; may be repeated.")
]
TypeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="COLUMN=TYPE[:NAME]",
        help="A column's type; one that does not widen is a new column, called NAME. May be repeated.",
    ),
]
ToOption = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="A file; its CREATE TABLE says how the table should be.")
]
ReplaceOption = Annotated[
    str | None, typer.Option("--replace-by", metavar="TABLE", help="Another table that readers should move to.")
]
DropTableOption = Annotated[bool, typer.Option("--drop-table", help="Drop the whole table, for nothing else.")]


def change_request(
    to: Path | None,
    rename: Sequence[str] | None,
    drop: Sequence[str] | None,
    types: Sequence[str] | None,
    replace_by: str | None,
    drop_table: bool,
) -> ChangeRequest:
    """Read the change that the options ask for.

    Raises:
        UsageError: An option is not NAME=VALUE, or the file can't be read.
    """
    from dataflow.migration.changes import ChangeRequest
    from dataflow.workflow.yamlfile import read_text

    ddl = None if to is None else read_text(to)
    asked = {column: _type_and_name(text) for column, text in _pairs("--type", "COLUMN=TYPE", types).items()}
    return ChangeRequest(
        ddl=ddl,
        rename=_pairs("--rename", "OLD=NEW", rename),
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


def _pairs(option: str, form: str, given: Sequence[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise UsageError(f"'{option} {text}' is not {form}", f"for example {option} a=b")
        if name.strip().lower() in {each.lower() for each in found}:
            raise UsageError(
                f"{option} is given twice for column {name.strip()}", "make one change of a column at a time"
            )
        found[name.strip()] = value.strip()
    return found
