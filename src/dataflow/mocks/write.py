"""Writing mock files: rows aligned as a table where they are flat, as mappings by column where they are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dataflow.errors import DataflowError, display_path
from dataflow.files import mode_of, write_file
from dataflow.mocks.model import Mock, MockColumn, Row
from dataflow.mocks.yaml_text import cell_text, comment_text, name_text, quoted, type_text
from dataflow.tables.schema.spark_types import SqlType
from dataflow.workflow import table_names

_WIDEST = 120  # beyond this a line of a table is harder to read than a mapping
_YAMLLINT_WIDTH = 80


def render_mock(mock: Mock, *, head: Sequence[str] = (), remarks: Sequence[str] = ()) -> str:
    """Write a mock as the text of a file.

    Args:
        mock: The table.
        head: Lines of a comment at the top of the file.
        remarks: What to say of each row, at its end or above it; may be empty, or as many as rows.

    Raises:
        ValueError: It holds a value that a mock can't hold.
    """
    said = [comment_text(remark) for remark in remarks] or [""] * len(mock.rows)
    lines = [f"# {comment_text(line)}".rstrip() for line in head]
    lines += [""] if head else []
    if mock.table:
        lines.append(f"table: {mock.table if _is_plain_table(mock.table) else quoted(mock.table)}")
    if mock.key:
        lines.append(f"key: [{', '.join(map(name_text, mock.key))}]")
    lines += [f"{name}: true" for name in ("partial", "duplicates") if getattr(mock, name)]
    lines += ["columns:", *(column_line(column) for column in mock.columns), ""]
    lines += ["rows:", *_rows(mock, said)] if mock.rows else ["rows: []"]
    return "\n".join(lines) + "\n"


def column_line(column: MockColumn) -> str:
    """Write a column's declaration."""
    return f"  {name_text(column.name)}: {type_text(column.type)}"


def is_table(columns: Sequence[MockColumn], rows: Sequence[Row]) -> bool:
    """Say whether rows are best read as lines of a table: flat values, and no line too long."""
    if any(column.type.nested for column in columns):
        return False
    return all(len(line) <= _WIDEST for line in table_lines([column.type for column in columns], rows))


def table_lines(types: Sequence[SqlType], rows: Sequence[Row]) -> list[str]:
    """Write rows as lists whose values stand below one another: numbers to the right, all else to the left."""
    from rich.cells import cell_len

    cells = [[cell_text(value, type_) for value, type_ in zip(row, types, strict=True)] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        line = ""
        for i, cell in enumerate(row):
            comma = "," if i < len(row) - 1 else ""
            gap = " " * (widths[i] - cell_len(cell))
            # A bracket has no space behind it, so the first column stands to the left whatever it is.
            line += f"{gap}{cell}{comma} " if i and types[i].number else f"{cell}{comma}{gap} "
        lines.append(f"  - [{line.rstrip()}]")
    return lines


def mapping_lines(columns: Sequence[MockColumn], row: Row) -> list[str]:
    """Write a row as a mapping by column."""
    cells = (
        f"{name_text(column.name)}: {cell_text(value, column.type)}" for column, value in zip(columns, row, strict=True)
    )
    return [f"  {'-' if i == 0 else ' '} {cell}" for i, cell in enumerate(cells)]


def header_line(names: Sequence[str]) -> str:
    """Write the comment above a table that names its columns."""
    return comment_text(f"  # [{', '.join(names)}]")


def save_text(file: Path, text: str) -> None:
    """Put a text in the place of a file, all of it or nothing.

    Raises:
        DataflowError: It can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, text, mode=mode_of(file))
    except OSError as error:
        raise DataflowError(f"can't write {display_path(file)}: {error.strerror}", permanent=True) from error


def _rows(mock: Mock, remarks: Sequence[str]) -> Iterator[str]:
    if not is_table(mock.columns, mock.rows):
        for row, remark in zip(mock.rows, remarks, strict=True):
            yield from ([f"  # {remark}"] if remark else [])
            yield from mapping_lines(mock.columns, row)
        return
    lines = table_lines([column.type for column in mock.columns], mock.rows)
    header = header_line([column.name for column in mock.columns])
    lines = [f"{line}  # {remark}" if remark else line for line, remark in zip(lines, remarks, strict=True)]
    wide = any(len(line) > _YAMLLINT_WIDTH for line in (header, *lines))
    yield "  # Aligned as a table."
    yield f"  # yamllint disable rule:commas{' rule:line-length' if wide else ''}"
    yield header
    yield from lines


def _is_plain_table(name: str) -> bool:
    return all(name_text(part) == part for part in table_names.split(name))
