"""The table's DDL, written for review: it is what a workflow keeps as its contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dataflow.errors import UsageError, display_path
from dataflow.files import create_file
from dataflow.loading.partition import Partition, typed_column
from dataflow.loading.scan import Column
from dataflow.workflow.table_names import split, typed


def ddl_text(table: str, columns: Sequence[Column], partition: Partition | None) -> str:
    """Write the statement that makes a table."""
    listed = ",\n".join(f"  {typed_column(it.name)} {sql_type(it)}" for it in columns)
    by = f"\nPARTITIONED BY ({partition})" if partition else ""
    return f"CREATE TABLE IF NOT EXISTS {typed(table)} (\n{listed}\n)\nUSING iceberg{by};\n"


def sql_type(column: Column) -> str:
    """Return a column's type as a DDL has it."""
    return str(column.type).upper() if not column.type.nested else str(column.type)


def default_file(folder: Path, table: str) -> Path:
    """Return where the DDL of a table goes unless somebody says otherwise."""
    return folder / "ddl" / f"{split(table)[-1]}.sql"


def require_free(file: Path, text: str) -> bool:
    """Say whether the DDL is still to be written; it is not where the file says just that.

    Raises:
        UsageError: The file says something else.
    """
    if not file.exists():
        return True
    if file.is_file() and file.read_text(encoding="utf-8", errors="replace") == text:
        return False
    raise UsageError(
        f"{display_path(file)} is there already, and says something else; nothing was loaded",
        "write the DDL elsewhere (--to FILE), or remove that file; --dry-run shows the new one",
    )


def write(file: Path, text: str) -> None:
    """Write the DDL.

    Raises:
        UsageError: It can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        create_file(file, text)
    except OSError as error:
        raise UsageError(
            f"{display_path(file)} can't be written: {error.strerror or error}", "write the DDL elsewhere: --to FILE"
        ) from error
