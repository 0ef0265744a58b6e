"""Checks the columns of a SQL script before it runs.

Only what Spark would refuse is a problem; tables with unknown columns are reported as unchecked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.errors import Problem, did_you_mean
from dataflow.lineage.sql.column_lineage import SqlLineage, sql_lineage
from dataflow.lineage.sql.statements import POSITIONAL
from dataflow.wording import plural
from dataflow.workflow.parameters import placed_back, substitute

if TYPE_CHECKING:
    from pathlib import Path

    from dataflow.lineage.sql.insertion import Insertion
    from dataflow.lineage.sql.relations import QueryColumn

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_BLOCK = re.compile(r"(?:\s|--[^\n]*+|/\*.*?\*/)*+(?:\w+\s*:\s*)?BEGIN\b", re.I | re.S)
"""The start of a `BEGIN … END` block, whose variables look like columns."""

_GENERATED_NAME = re.compile(r"col\d+")
"""The names of columns of VALUES and of `stack`."""


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table.

    Attributes:
        columns: Their names, in order.
        may_leave_out: Whether a write may omit columns: a migration is or may be in progress.
    """

    columns: tuple[str, ...]
    may_leave_out: bool = False


@dataclass(frozen=True)
class ScriptCheck:
    """The result of checking a script.

    Attributes:
        problems: The problems, each with its place.
        unchecked: Tables with unknown columns.
        unread: Lines of statements that could not be parsed.
        script: The lineage of the script.
    """

    problems: tuple[Problem, ...]
    unchecked: tuple[str, ...]
    unread: tuple[int, ...]
    script: SqlLineage


def check_script(path: Path, text: str, values: Mapping[str, str], tables: Mapping[str, TableColumns]) -> ScriptCheck:
    """Check the columns of a SQL script.

    Args:
        path: The script.
        text: Its text.
        values: Its parameters.
        tables: The known columns of tables, by name in lower case.

    Raises:
        DefinitionError: A parameter has no value.
    """
    filled = substitute(text, values, where=path)
    script = sql_lineage(filled, {name: known.columns for name, known in tables.items()})

    def problem(offset: int, message: str) -> Problem:
        before = text[: placed_back(text, values, offset)]
        return Problem(path, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1, message)

    mistakes = {it.offset: _unknown_column(it.name, it.place, it.known) for it in script.unresolved}
    for insertion in script.insertions:
        known = tables.get(insertion.table.lower())
        fewer = known is not None and known.may_leave_out
        for offset, message in insertion_problems(insertion, fewer):
            mistakes.setdefault(offset, message)  # an unknown name is reported once
    if any(_BLOCK.match(statement.text) for statement in script.unparsed):
        mistakes = {}
    found = tuple(problem(offset, message) for offset, message in sorted(mistakes.items()))
    unread = tuple(text[: placed_back(text, values, it.start)].count("\n") + 1 for it in script.unparsed)
    declared = {name.lower() for name in script.declares}
    touched = dict.fromkeys([*script.reads, *(it.table for it in script.insertions)])
    unchecked = tuple(name for name in touched if name.lower() not in tables.keys() | declared)
    return ScriptCheck(found, unchecked, unread, script)


def _unknown_column(name: str, table: str, known: Sequence[str]) -> str:
    if table:
        return f"{table} has no column '{name}'{did_you_mean(name, known)}"
    return f"there is no column or table '{name}' here{did_you_mean(name, known)}"


def insertion_problems(insertion: Insertion, fewer: bool) -> Iterator[tuple[int, str]]:
    """Yield the problems of the columns of an INSERT, each with its offset.

    Args:
        insertion: The INSERT.
        fewer: Whether it may omit columns of the table.
    """
    target, start = insertion.target, insertion.statement.start
    if target is None or not insertion.is_known:
        return
    valued = {name.lower() for name in insertion.partition_values}
    fill = insertion.listed_columns or tuple(name for name in target if name.lower() not in valued)
    if insertion.by_name:
        for column in insertion.columns:
            if column.name.lower() not in map(str.lower, fill):
                yield _offset(column, start), _unknown_column(column.name, insertion.table, fill)
        return
    given = len(insertion.columns)
    if given > len(fill) or (given < len(fill) and not fewer):
        yield (
            start,
            f"the query has {plural(given, 'column')}, but the INSERT into {insertion.table} expects {len(fill)}",
        )
    elif not insertion.listed_columns and given == len(fill) and not insertion.statement.is_positional:
        yield from _swapped(insertion, fill, target)


def _swapped(insertion: Insertion, fill: Sequence[str], target: Sequence[str]) -> Iterator[tuple[int, str]]:
    others = {name.lower() for name in target}
    for number, (column, name) in enumerate(zip(insertion.columns, fill, strict=True)):
        said = column.name.lower()
        if (
            column.location is not None
            and said != name.lower()
            and said in others
            and not _GENERATED_NAME.fullmatch(said)
        ):
            which = _ordinal(number)
            yield (
                _offset(column, insertion.statement.start),
                f"the {which} column is '{column.name}', the table's {which} is '{name}'; "
                f"use INSERT BY NAME, or add the comment -- {POSITIONAL}",
            )


def _offset(column: QueryColumn, otherwise: int) -> int:
    return column.location[1] if column.location is not None and column.location[0] else otherwise


def _ordinal(number: int) -> str:
    if number < len(_ORDINALS):
        return _ORDINALS[number]
    last = (number + 1) % 100
    suffix = "th" if 10 < last < 20 else {1: "st", 2: "nd", 3: "rd"}.get(last % 10, "th")
    return f"{number + 1}{suffix}"
