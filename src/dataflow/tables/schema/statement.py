"""The CREATE TABLE that would make a live table anew, for people to read and to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.tables.quoting import column_name, text
from dataflow.tables.schema.columns import of_iceberg
from dataflow.tables.schema.transforms import transform_of
from dataflow.workflow.table_names import typed

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from dataflow.tables.schema.columns import Column


def create_statement(name: str, table: Table) -> str:
    """Write the statement: columns with their comments, the partitioning, and what is said of the table.

    Args:
        name: What the table is called, without its catalog.
        table: The table, as PyIceberg has it.
    """
    columns = ",\n".join(f"  {_column(of_iceberg(it))}" for it in table.schema().fields)
    parts = ", ".join(partitioning(table))
    comment = table.properties.get("comment", "")
    lines = [f"CREATE TABLE {typed(name)} (\n{columns}\n)", "USING iceberg"]
    lines += [f"PARTITIONED BY ({parts})"] if parts else []
    lines += [f"COMMENT {text(comment)}"] if comment else []
    return "\n".join(lines) + ";\n"


def partitioning(table: Table) -> tuple[str, ...]:
    """Return what a table is partitioned by now, as one types it: `days(ts)`, `` bucket(16, `a b`) ``."""
    schema = table.schema()
    found = ((it, schema.find_column_name(it.source_id)) for it in table.spec().fields if str(it.transform) != "void")
    return tuple(transform_of(str(it.transform), typed(column_name(name or "?"))) for it, name in found)


def _column(column: Column) -> str:
    null = "" if column.nullable else " NOT NULL"
    comment = f" COMMENT {text(column.comment)}" if column.comment else ""
    return f"{typed(column_name(column.name))} {column.full_type}{null}{comment}"
