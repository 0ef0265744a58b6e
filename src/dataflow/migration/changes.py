"""What a table's owner wants to change, compared with the table as it is: what is safe, and what breaks readers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dataflow.errors import UsageError
from dataflow.migration.shape import Column, Shape, declared, sql_type
from dataflow.tables.widening import widens


@dataclass(frozen=True)
class Change:
    """One change of a table.

    Attributes:
        kind: `add`, `drop`, `rename`, `type`, `comment`, `nullable`, `partition`, `key`, `order`, `replace` or
            `retire`.
        column: The column as readers know it; empty where the change is the table's.
        to: The new name, type, comment or table.
        type: Of a new column its type.
        safe: Whether no reader can break by it.
        why: Why it is safe or not, a few words.
        required: Of a column that goes, whether it must have a value.
        shared: Of a replaced table its columns, where the new one has them all, with types that hold their values.
    """

    kind: str
    column: str
    to: str = ""
    type: str = ""
    safe: bool = False
    why: str = ""
    required: bool = False
    shared: tuple[str, ...] = ()

    def __str__(self) -> str:
        return {
            "add": f"add column {self.column} {self.type}",
            "drop": f"drop column {self.column}",
            "rename": f"rename column {self.column} to {self.to}",
            "type": f"change the type of {self.column} to {self.to}",
            "comment": f"change the comment of {self.column or 'the table'}",
            "nullable": f"let {self.column} have nulls" if self.safe else f"forbid nulls in {self.column}",
            "partition": f"partition by {self.to or 'nothing'}",
            "key": f"make ({self.to}) the primary key",
            "order": "change the order of the columns",
            "replace": f"replace the table by {self.to}",
            "retire": "drop the table",
        }[self.kind]


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
        ddl: A `CREATE TABLE` that says how the table should be.
        rename: New names by old ones.
        drop: Columns to drop.
        types: New types by column.
        replace_by: The table to read instead.
        drop_table: Whether the table goes, and none takes its place.
    """

    ddl: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    replace_by: str | None = None
    drop_table: bool = False


def changes_of(shape: Shape, wish: Wish) -> list[Change]:
    """Return what is to change, each classed.

    Raises:
        UsageError: Nothing is to change, a column or a type is not known, a name is taken, or the table goes and is
            to change as well.
    """
    found = list(_by_flags(shape, wish))
    if wish.ddl is not None:
        found += _by_ddl(shape, declared(wish.ddl), wish)
    found = list(dict.fromkeys(found))  # an option and a DDL may ask for the same
    if not found:
        raise UsageError(
            f"nothing would change on {shape.table}", "say --rename a=b, --drop c, --type c=bigint or --to"
        )
    _require_apart(shape, found)
    if len(found) > 1 and any(change.kind in {"replace", "retire"} for change in found):
        raise UsageError(
            f"{shape.table} can't go and change as well", "say --replace-by or --drop-table, and nothing else"
        )
    return found


def _require_apart(shape: Shape, changes: Sequence[Change]) -> None:
    """Refuse changes that meet in one column: what one adds would be filled, or taken back, by the other.

    Raises:
        UsageError: They do; names the column.
    """
    for name in dict.fromkeys(each.column.lower() for each in changes if each.column and not each.safe):
        both = [str(each) for each in changes if each.column.lower() == name and each.kind != "comment"]
        if len(both) > 1:
            raise UsageError(f"can't {' and '.join(both)} in one campaign", "make one change of a column at a time")
    new: set[str] = set()
    for change in changes:
        name = new_name(change) if not change.safe else change.column if change.kind == "add" else ""
        if name and (shape.has(name) or name.lower() in new):
            raise UsageError(f"to {change} needs a column '{name}', and there is one of that name already")
        new.add(name.lower())


def new_name(change: Change) -> str:
    """Return the column that readers move to; empty where they have to do without."""
    if change.kind == "rename":
        return change.to
    if change.kind == "type":
        return f"{change.column}_{''.join(c if c.isalnum() else '_' for c in change.to.lower()).strip('_')}"
    return ""


def _by_flags(shape: Shape, wish: Wish) -> Iterator[Change]:
    for old, new in wish.rename.items():
        column = shape.column(old)
        if shape.has(new):
            raise UsageError(f"{shape.table} has a column '{new}' already")
        if not re.fullmatch(r"[A-Za-z_]\w*", new):
            raise UsageError(f"'{new}' can't name a column: letters, digits and underscores")
        yield _going(shape, column, Change("rename", column.name, new, column.type, why="who reads the old name fails"))
    for name in wish.drop:
        column = shape.column(name)
        yield _going(shape, column, Change("drop", column.name, type=column.type, why="who reads it fails"))
    for name, text in wish.types.items():
        column = shape.column(name)
        change = _type_change(column, sql_type(text))
        if change is not None:
            yield _going(shape, column, change)
    if wish.replace_by is not None:
        yield Change("replace", "", wish.replace_by, why="who reads the old table would miss new rows")
    if wish.drop_table:
        yield Change("retire", "", why="who reads it fails")


def _by_ddl(shape: Shape, wanted: Shape, wish: Wish) -> Iterator[Change]:
    renamed = {old.lower(): new.lower() for old, new in wish.rename.items()}
    dropped = {name.lower() for name in wish.drop}
    after = {column.name.lower(): column for column in wanted.columns}
    for column in shape.columns:
        found = after.get(renamed.get(column.name.lower(), column.name.lower()))
        if found is not None:
            yield from (_going(shape, column, change) for change in _column_changes(column, found))
        elif column.name.lower() not in dropped:
            yield _going(shape, column, Change("drop", column.name, type=column.type, why="who reads it fails"))
    order = [renamed.get(column.name.lower(), column.name.lower()) for column in shape.columns]
    for column in wanted.columns:
        if column.name.lower() not in order:
            why = "readers don't ask for it" if column.nullable else "the rows that are there have no value for it"
            yield Change("add", column.name, column.comment, column.type, safe=column.nullable, why=why)
    if [name for name in after if name in order] != [name for name in order if name in after]:
        yield Change("order", "", why="who inserts or reads by position gets other columns")
    if [part.lower() for part in wanted.partition] != [part.lower() for part in shape.partition]:
        to = ", ".join(wanted.partition)
        yield Change("partition", "", to, why="writers that replace a partition would replace another")
    if wanted.key and wanted.key != shape.key:
        yield Change("key", "", ", ".join(wanted.key), why="who relies on the old key may see duplicates")


def _going(shape: Shape, column: Column, change: Change) -> Change:
    """Complete a change that takes a column away, by what the table says of it.

    Raises:
        UsageError: The table is partitioned by it, so it can't go.
    """
    if change.safe or change.kind == "nullable":
        return change
    name = column.name.lower()
    if any(re.search(rf"(?:^|[ (]){re.escape(name)}\)?$", part.lower()) for part in shape.partition):
        raise UsageError(
            f"{shape.table} is partitioned by {column.name}, which can't go from under its rows",
            f"make a new table with its own workflow, then: dataflow migration plan {shape.table} --replace-by NEW",
        )
    return replace(change, required=not column.nullable)


def _column_changes(column: Column, after: Column) -> Iterator[Change]:
    if (change := _type_change(column, after.type)) is not None:
        yield change
    if column.nullable != after.nullable:
        safe = after.nullable
        yield Change("nullable", column.name, safe=safe, why="no reader minds" if safe else "writers of nulls fail")
    if column.comment != after.comment:
        yield Change("comment", column.name, after.comment, safe=True, why="readers don't see it")


def _type_change(column: Column, wanted: str) -> Change | None:
    if column.type == wanted:
        return None
    if widens(column.type, wanted):
        return Change("type", column.name, wanted, column.type, safe=True, why="every old value fits")
    return Change("type", column.name, wanted, column.type, why=f"{column.type} is not widened by {wanted}")


def shared_columns(old: Shape, new: Shape) -> tuple[str, ...]:
    """Return a table's columns, where another one has them all and can stand in for it; else none."""
    stand_in = all(
        new.has(column.name)
        and (new.column(column.name).type == column.type or widens(column.type, new.column(column.name).type))
        for column in old.columns
    )
    return tuple(column.name for column in old.columns) if stand_in else ()
