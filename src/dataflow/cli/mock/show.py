"""`dataflow mock show`: a mock as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.completion import yaml_files
from dataflow.cli.console import cell, out, say
from dataflow.cli.output import TEXT, OutputOption, Result
from dataflow.wording import plural

if TYPE_CHECKING:
    from dataflow.mocks.model import Mock


def show(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A mock file.", autocompletion=yaml_files)],
    output: OutputOption = TEXT,
) -> None:
    """Print a mock as a table.

    Examples:
        dataflow mock show src/mocks/dataflow_demo.playback.yaml
    """
    from dataflow.mocks import load_mock

    output.show(_Shown(load_mock(path)))


@dataclass(frozen=True)
class _Shown(Result):
    mock: Mock

    def text(self) -> None:
        from rich.table import Table
        from rich.text import Text

        from dataflow.mocks.yaml_text import cell_text, type_text

        table = Table(title=self.mock.table, title_justify="left")
        for column in self.mock.columns:
            header = Text.assemble(cell(column.name), "\n", cell(type_text(column.type), "dim"))
            table.add_column(header, justify="right" if column.type.number else "left")
        for row in self.mock.rows:
            cells = zip(self.mock.columns, row, strict=True)
            table.add_row(
                *(
                    cell("null", "dim") if value is None else cell(_unquoted(cell_text(value, column.type)))
                    for column, value in cells
                )
            )
        out().print(table)
        say(plural(len(self.mock.rows), "row"))

    def data(self) -> object:
        mock = self.mock
        names = [column.name for column in mock.columns]
        columns = {column.name: str(column.type) for column in mock.columns}
        rows = [dict(zip(names, map(_plain, row), strict=True)) for row in mock.rows]
        return {"table": mock.table, "key": list(mock.key), "columns": columns, "rows": rows}


def _unquoted(cell: str) -> str:
    return cell[1:-1] if cell.startswith('"') and len(cell) > 2 else cell


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return value.hex()
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case float() if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124
            return str(value)
    return value
