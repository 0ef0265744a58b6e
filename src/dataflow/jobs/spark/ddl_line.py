"""The line to add to a table's DDL for a column that a write brings and the table lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dataflow.errors import display_path
from dataflow.spark.column_errors import ColumnsDiffer
from dataflow.workflow import table_names
from dataflow.workflow.models import SparkJob
from dataflow.workflow.resolved import Workflow

_CREATE = re.compile(r"^\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?([^\s(]+)\s*\(", re.I | re.M)
_COLUMN = re.compile(r"^\s*(?:`([^`]+)`|(\w+))\s+\w")


def advice(workflow: Workflow, differ: ColumnsDiffer, types: Mapping[str, str]) -> str | None:
    """Say which line the DDL of a table wants, and where it stands; None where the workflow has no DDL of it.

    Args:
        workflow: The workflow that writes.
        differ: How its columns differ from the table's.
        types: The types of what it writes, as far as they are known.
    """
    if not differ.extra:
        return None
    place = next((it for it in _places(workflow, differ.table)), None)
    if place is None:
        return None
    lines = "  ".join(f"{table_names.joined([name])} {types.get(name, '<its type>')}," for name in differ.extra)
    return f"add to the DDL, as line {place[1]} of {display_path(place[0])}:  {lines}"


def _places(workflow: Workflow, table: str) -> Iterator[tuple[Path, int]]:
    """Yield the scripts that make a table, each with the line of its last column, counted from 1."""
    wanted = [part.lower() for part in table_names.split(table)]
    for job in workflow.jobs(SparkJob):
        path = workflow.folder / job.spark.script
        if path.suffix != ".sql" or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for found in _CREATE.finditer(text):
            name = re.sub(r"\$\{(\w+)\}", lambda it: workflow.script_params.get(it[1], it[0]), found[1])
            if [part.lower() for part in table_names.split(name)][-len(wanted) :] == wanted:
                first = text.count("\n", 0, found.end())
                columns = [*_columns(text.splitlines(), first + 1)]
                if columns:
                    yield path, columns[-1]


def _columns(lines: list[str], start: int) -> Iterator[int]:
    """Yield the lines, from 1, that begin a column, up to the end of the list."""
    for number, line in enumerate(lines[start:], start + 1):
        if line.lstrip().startswith(")"):
            return
        if _COLUMN.match(line):
            yield number
