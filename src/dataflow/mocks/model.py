"""What a mock is: a table's columns and a few of its rows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from dataflow.tables.schema.spark_types import SqlType
from dataflow.workflow import table_names

Value = None | bool | int | float | Decimal | str | bytes | dt.date | dt.datetime | list[Any] | dict[Any, Any]
"""A cell: what PySpark would collect, with structs as dicts by field and timestamps aware, in UTC."""

Row = tuple[Value, ...]


@dataclass(frozen=True)
class MockColumn:
    """A column's name and type."""

    name: str
    type: SqlType


@dataclass(frozen=True)
class Mock:
    """A small table.

    Attributes:
        file: Where it was read.
        table: The table that it stands for, or None.
        columns: In the table's order.
        rows: Values in the columns' order.
        key: Columns whose values no two rows share; none when the file declares no key.
        partial: Whether the table has columns that the mock leaves out on purpose.
        duplicates: Whether equal rows are meant to be there.
    """

    file: Path
    table: str | None
    columns: tuple[MockColumn, ...]
    rows: tuple[Row, ...]
    key: tuple[str, ...] = ()
    partial: bool = False
    duplicates: bool = False

    @property
    def name(self) -> str:
        """The table's own name, without its database: the file's when none is given."""
        return table_names.split(self.table or self.file.name.removesuffix(".yaml"))[-1]


def identity(value: Any) -> str:
    """Return a text that two values share only if they are the same: NaN is itself, 0.0 is not -0.0.

    The entries of a map have no order, and neither have the fields of a struct as it is written.
    """
    match value:
        case dict():
            return f"{{{', '.join(sorted(f'{identity(k)}: {identity(v)}' for k, v in value.items()))}}}"
        case list() | tuple():
            return f"[{', '.join(map(identity, value))}]"
        case _:
            return repr(value)
