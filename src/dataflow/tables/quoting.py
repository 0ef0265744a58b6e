"""Names and texts as SQL writes them, whatever characters they hold."""

from __future__ import annotations

from dataflow.workflow.table_names import quote


def column_name(name: str) -> str:
    """Quote the name of one column, which may hold anything, a dot or a backtick included."""
    return quote(name)


def text(value: str) -> str:
    """Write a text as a SQL literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
