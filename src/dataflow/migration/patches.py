"""Suggests a patch for the SQL of a reader, as a diff; it is never applied automatically."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dataflow.lineage.sql.column_lineage import sql_lineage
from dataflow.lineage.sql.relations import Schema, SqlReference

_NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True)
class ReaderMigration:
    """The names that readers migrate to.

    Attributes:
        table: The table that changes.
        renamed: New names of columns by old ones.
        replaced_by: The table to read instead, where the table is replaced.
        retyped: The old columns whose new one has another type.
    """

    table: str
    renamed: Mapping[str, str]
    replaced_by: str | None = None
    retyped: Collection[str] = ()


def suggest_patch(path: str, text: str, move: ReaderMigration, values: Mapping[str, str], schema: Schema) -> str:
    """Return a diff that migrates a SQL script; empty where nothing can be suggested.

    Args:
        path: The script's path in its repository.
        text: Its text.
        move: The new names.
        values: The known values of script parameters.
        schema: The known columns of tables.
    """
    filled, origin = _substituted(text, values)
    uses = sql_lineage(filled, schema).references
    tables = Counter(use.offset for use in uses if not use.is_target)
    moving = {use.offset for use in uses if use.is_target and _new_column(use, move)}
    edits: dict[int, tuple[int, str]] = {}
    for use in sorted(uses, key=lambda use: use.is_target, reverse=True):  # what a column is read as comes last
        edit = _edit(use, move, filled, fills=use.offset in moving)
        if edit is not None and use.offset < len(origin) and tables[use.offset] <= 1:  # otherwise of another table
            start, (old, new) = origin[use.offset], edit
            if text.startswith(old, start):
                edits[start] = (len(old), new)
    changed = text
    for start, (length, new) in sorted(edits.items(), reverse=True):
        changed = f"{changed[:start]}{new}{changed[start + length :]}"
    lines = difflib.unified_diff(_lines(text), _lines(changed), f"a/{path}", f"b/{path}", n=1)
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Return lines with their ends, as git has them: a form feed, or a CR alone, ends none."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _edit(use: SqlReference, move: ReaderMigration, text: str, *, fills: bool) -> tuple[str, str] | None:
    """Return the text at a reference and its replacement.

    Args:
        use: The reference.
        move: The new names.
        text: The script.
        fills: Whether the place names a column that moves of the table which is written, too.
    """
    if not _is_of(use, move):
        return None
    if not use.column:
        return None if move.replaced_by is None else (use.table, move.replaced_by)
    name = _new_column(use, move)
    if name is None:
        return None
    quote = "`" if text.startswith("`", use.offset) else ""
    old, new = (f"{quote}{it}{quote}" for it in (use.column, name))
    if use.is_target:
        return old, f"{old} AS {new}"
    # As a column of a SELECT it names the result as well, and the rest of the query keeps using that name.
    return old, f"{new} AS {old}" if use.is_projection and not fills else new


def _is_of(use: SqlReference, move: ReaderMigration) -> bool:
    return use.table == move.table or use.table.endswith(f".{move.table}")


def _new_column(use: SqlReference, move: ReaderMigration) -> str | None:
    """Return the new name of the column at a reference; None where it keeps its name."""
    moves = move.renamed.items() if _is_of(use, move) else ()
    return next(
        (to for old, to in moves if old.lower() == use.column.lower() and _is_rename_enough(use, old, move)), None
    )


def _is_rename_enough(use: SqlReference, old: str, move: ReaderMigration) -> bool:
    """Return whether a new name is enough: in a DDL, the type has to change as well."""
    return not (use.is_declaration and old in move.retyped)


def _substituted(text: str, values: Mapping[str, str]) -> tuple[str, Sequence[int]]:
    """Substitute parameters; return the text, and for each character its offset in the script."""
    pieces: list[str] = []
    origin: list[int] = []
    at = 0
    for found in re.finditer(r"\$\{([^}]*)\}", text):
        pieces.append(text[at : found.start()])
        origin += range(at, found.start())
        value = values.get(found[1], "_")
        pieces.append(value)
        origin += [found.start()] * len(value)
        at = found.end()
    pieces.append(text[at:])
    origin += range(at, len(text))
    return "".join(pieces), origin
