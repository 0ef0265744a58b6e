"""Compares a change request with the current schema of a table: which changes are safe, and which break readers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dataflow.errors import UsageError
from dataflow.tables.quoting import column_name
from dataflow.tables.schema.columns import Column, require_storable, sql_type
from dataflow.tables.schema.table_schema import TableSchema, declared, require_of
from dataflow.tables.schema.transforms import source_of
from dataflow.tables.schema.type_promotion import widens

_LONG = 30
"""The longest type name that becomes part of a column name."""


@dataclass(frozen=True)
class TableChange:
    """One change of a table.

    Attributes:
        kind: `add`, `drop`, `rename`, `type`, `comment`, `nullable`, `partition`, `key`, `order`, `replace` or
            `retire`.
        column: The column as readers know it; empty where the change is the table's.
        to: The new name, type, comment or table.
        type: The column's type; of a new column the one it gets.
        safe: Whether it breaks no reader.
        why: Why it is safe or not.
        required: Of a column that is dropped, whether it is NOT NULL.
        shared: Of a replaced table its columns, if the new one has them all with types that hold their values.
        within: The path from the column to the nested field that changes, such as `element` and its name.
        becomes: Of a type that does not widen the name of the new column.
        place: Of a new column its position among the others, as SQL.
    """

    kind: str
    column: str
    to: str = ""
    type: str = ""
    safe: bool = False
    why: str = ""
    required: bool = False
    shared: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    becomes: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "within", tuple(self.within))  # JSON, where campaigns are kept, has lists alone

    @property
    def path(self) -> str:
        """The dotted name of the column, or of the field inside it."""
        return ".".join((self.column, *self.within))

    @property
    def sql_path(self) -> str:
        """The quoted name of the column, or of the field inside it, for SQL."""
        return ".".join(map(column_name, (self.column, *self.within)))

    def __str__(self) -> str:
        return {
            "add": f"add column {self.path} {self.type}",
            "drop": f"drop column {self.column}",
            "rename": f"rename column {self.column} to {self.to}",
            "type": f"change the type of {self.path} to {self.to}",
            "comment": f"change the comment of {self.path or 'the table'}",
            "nullable": f"allow NULL in {self.path}" if self.safe else f"forbid NULL in {self.path}",
            "partition": f"partition by {self.to or 'nothing'}",
            "key": f"make {f'({self.to})' if self.to else 'nothing'} the primary key",
            "order": "change the order of the columns",
            "replace": f"replace the table by {self.to}",
            "retire": "drop the table",
        }[self.kind]


@dataclass(frozen=True)
class ChangeRequest:
    """The changes of a table that a user asks for.

    Attributes:
        ddl: A `CREATE TABLE` with the wanted schema.
        rename: New column names by old ones.
        drop: Columns to drop.
        types: New types by column.
        names: Names of the new columns that new types need, by column; derived from column and type otherwise.
        replace_by: The table to read instead.
        drop_table: Whether to drop the table without a replacement.
    """

    ddl: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    replace_by: str | None = None
    drop_table: bool = False


def changes_of(shape: TableSchema, request: ChangeRequest) -> list[TableChange]:
    """Return the requested changes, each classified as safe or breaking.

    Raises:
        UsageError: Nothing would change, a column or type is unknown, a name is taken, or the table is dropped and
            changed at once.
    """
    found = list(_requested_by_options(shape, request))
    if request.ddl is not None:
        wanted = declared(request.ddl)
        require_of(wanted, shape.table)
        found += _requested_by_ddl(shape, wanted, request)
    found = list(dict.fromkeys(found))  # an option and a DDL may ask for the same
    if not found:
        raise UsageError(
            f"nothing would change on {shape.table}", "use --rename a=b, --drop c, --type c=bigint or --to"
        )
    _require_distinct_columns(shape, found)
    if len(found) > 1 and any(change.kind in {"replace", "retire"} for change in found):
        raise UsageError(
            "--drop-table and --replace-by can't be combined with column changes", "start one campaign at a time"
        )
    return found


def _require_distinct_columns(shape: TableSchema, changes: Sequence[TableChange]) -> None:
    """Require that each column has at most one change, and that new names are free.

    Raises:
        UsageError: A column has two changes, or a new name is taken.
    """
    for name in dict.fromkeys(each.column.lower() for each in changes if each.column and not each.safe):
        both = [str(each) for each in changes if each.column.lower() == name and each.kind != "comment"]
        if len(both) > 1:
            raise UsageError(f"can't {' and '.join(both)} in one campaign", "make one change of a column at a time")
    new: set[str] = set()
    for change in changes:
        name = change.column if change.kind == "add" and not change.within else new_name(change)
        if name and (shape.has(name) or name.lower() in new):
            raise UsageError(f"can't {change}: a column '{name}' already exists")
        new.add(name.lower())


def new_name(change: TableChange) -> str:
    """Return the new column that readers move to; empty where there is none."""
    if change.safe or change.kind not in {"rename", "type"}:
        return ""
    return change.to if change.kind == "rename" else change.becomes or _name_for(change.column, change.to)


def _name_for(column: str, type_: str) -> str:
    """Return the default name of a column with a new type: the old name and the type, or the kind of a nested type."""
    words = re.sub(r"[^a-z0-9]+", "_", type_.lower()).strip("_")
    return f"{column}_{words if len(words) <= _LONG else words.partition('_')[0]}"


def _require_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise UsageError(f"'{name}' is not a valid column name: use letters, digits and underscores")


def _requested_by_options(shape: TableSchema, request: ChangeRequest) -> Iterator[TableChange]:
    for old, new in request.rename.items():
        column = shape.column(old)
        if shape.has(new):
            raise UsageError(f"{shape.table} already has a column '{new}'")
        _require_name(new)
        yield _completed(
            shape, column, TableChange("rename", column.name, new, column.full_type, why="readers of the old name fail")
        )
    for name in request.drop:
        column = shape.column(name)
        yield _completed(shape, column, TableChange("drop", column.name, type=column.type, why="readers fail"))
    for name, text in request.types.items():
        yield from _requested_type(shape, shape.column(name), sql_type(text), _requested_name(request, name))
    if request.replace_by is not None:
        yield TableChange("replace", "", request.replace_by, why="readers of the old table would miss new rows")
    if request.drop_table:
        yield TableChange("retire", "", why="readers fail")


def _requested_name(request: ChangeRequest, column: str) -> str:
    """Return the requested name of the column that a new type needs; empty where none was given."""
    return next((new for old, new in request.names.items() if old.lower() == column.lower()), "")


def _requested_type(shape: TableSchema, column: Column, wanted: Column, chosen: str) -> Iterator[TableChange]:
    changes = list(_type_changes(column, wanted, chosen))
    if chosen:
        _require_name(chosen)
        if all(change.safe for change in changes):
            raise UsageError(
                f"{column.name} widens to {wanted.type} in place; the column name '{chosen}' is not used",
                f"omit the name: --type '{column.name}={wanted.type.lower()}'",
            )
    yield from (_completed(shape, column, change) for change in changes)


def _requested_by_ddl(shape: TableSchema, wanted: TableSchema, request: ChangeRequest) -> Iterator[TableChange]:
    moved = {old.lower(): new.lower() for old, new in request.rename.items()}
    # The definition may use the current name of a column with a new type, or its final name.
    moved |= {old.lower(): new.lower() for old, new in request.names.items() if not wanted.has(old)}
    dropped = {name.lower() for name in request.drop}
    after = {column.name.lower(): column for column in wanted.columns}
    for column in shape.columns:
        found = after.get(moved.get(column.name.lower(), column.name.lower()))
        if found is not None:
            changes = _column_changes(column, found, _requested_name(request, column.name))
            yield from (_completed(shape, column, change) for change in changes)
        elif column.name.lower() not in dropped | shape.optional:
            yield _completed(shape, column, TableChange("drop", column.name, type=column.type, why="readers fail"))
    order = [moved.get(column.name.lower(), column.name.lower()) for column in shape.columns]
    yield from _added_columns(shape, wanted.columns, order)
    if [name for name in after if name in order] != [name for name in order if name in after]:
        yield TableChange("order", "", why="readers and writers by position get other columns")
    if [part.lower() for part in wanted.partition] != [part.lower() for part in shape.partition]:
        to = ", ".join(wanted.partition)
        yield TableChange("partition", "", to, why="writers that replace a partition would replace another one")
    if wanted.key is not None and not _same_key(shape.key or (), wanted.key, moved):
        yield TableChange("key", "", ", ".join(wanted.key), why="readers that rely on the old key may see duplicates")
    if wanted.comment is not None and wanted.comment != shape.comment:
        yield TableChange("comment", "", wanted.comment, safe=True, why="readers are not affected")


def _added_columns(shape: TableSchema, columns: Sequence[Column], there: Sequence[str]) -> Iterator[TableChange]:
    place = "FIRST"
    for column in columns:
        if column.name.lower() not in there:
            if column.name.lower() in shape.retired:
                raise UsageError(
                    f"{column.name} was dropped from {shape.table} by a migration; it would come back empty",
                    "use the column that replaced it, or leave it out of the new definition",
                )
            require_storable(column)
            why = "readers don't select it" if column.nullable else "existing rows have no value for it"
            yield TableChange(
                "add", column.name, column.comment, column.full_type, safe=column.nullable, why=why, place=place
            )
        place = f"AFTER {column_name(column.name)}"


def _same_key(key: Sequence[str], wanted: Sequence[str], moved: Mapping[str, str]) -> bool:
    """Return whether two keys have the same columns; a renamed column may have either name."""
    now = {name.lower() for name in key}
    return {name.lower() for name in wanted} in (now, {moved.get(name, name) for name in now})


def _completed(shape: TableSchema, column: Column, change: TableChange) -> TableChange:
    """Complete a change that drops or replaces a column with whether the column is required.

    Raises:
        UsageError: The table is partitioned by it, so it can't be dropped.
    """
    if change.safe or change.kind == "nullable":
        return change
    name = column.name.lower()
    if any(f"{source_of(part)}.".lower().startswith(f"{name}.") for part in shape.partition):
        raise UsageError(
            f"{column.name} can't be dropped: {shape.table} is partitioned by it",
            f"make a new table with its own workflow, then: dataflow migration plan {shape.table} --replace-by NEW",
        )
    return replace(change, required=not column.nullable)


def _column_changes(column: Column, after: Column, chosen: str) -> Iterator[TableChange]:
    yield from _type_changes(column, after, chosen)
    if column.nullable != after.nullable:
        yield _nullable(column.name, safe=after.nullable)
    if after.comment and column.comment != after.comment:  # a DDL without a comment removes none
        yield TableChange("comment", column.name, after.comment, safe=True, why="readers are not affected")


def _nullable(column: str, within: tuple[str, ...] = (), *, safe: bool) -> TableChange:
    why = "readers are not affected" if safe else "writers of NULL fail"
    return TableChange("nullable", column, safe=safe, why=why, within=within)


def _type_changes(column: Column, wanted: Column, chosen: str) -> Iterator[TableChange]:
    """Yield the changes in place that a new type needs, or one change to a new column of that type.

    Raises:
        UsageError: Columns can't have this type.
    """
    inside = _changes_in_place(column.name, column, wanted, ())
    if inside is not None:
        yield from inside
        return
    require_storable(wanted)
    becomes = chosen or _name_for(column.name, wanted.type)
    why = f"{column.type} is not widened by {wanted.type}"
    yield TableChange("type", column.name, wanted.type, column.type, why=why, becomes=becomes)


def _changes_in_place(name: str, before: Column, after: Column, within: tuple[str, ...]) -> list[TableChange] | None:
    """Return the safe changes from one type to another, nested fields included; None where there are none.

    Iceberg changes fields of structs, also inside arrays and maps, as it changes columns; only map keys can't change.
    """
    if not (before.parts and before.kind == after.kind):
        if before.type == after.type:
            return []
        if widens(before.type, after.type):
            return [_widened(name, before, after, within)]
        return None
    if before.kind == "STRUCT":
        return _field_changes_in_place(name, before, after, within)
    if before.kind == "MAP" and before.parts[0] != after.parts[0]:
        return None
    part = before.parts[-1]
    return _changes_in_place(name, part, after.parts[-1], (*within, part.name))


def _widened(name: str, before: Column, after: Column, within: tuple[str, ...]) -> TableChange:
    return TableChange("type", name, after.type, before.type, safe=True, why="all values fit", within=within)


def _field_changes_in_place(
    name: str, before: Column, after: Column, within: tuple[str, ...]
) -> list[TableChange] | None:
    there = {part.name.lower(): part for part in before.parts}
    kept = [part.name.lower() for part in after.parts if part.name.lower() in there]
    if kept != list(there):  # one is missing, or they stand in another order
        return None
    found: list[TableChange] = []
    place = "FIRST"
    for part in after.parts:
        was, way = there.get(part.name.lower()), (*within, part.name)
        if (was is None or was.nullable) and not part.nullable:
            return None
        if was is None:
            require_storable(part)
            why = "readers don't ask for it"
            found.append(
                TableChange("add", name, part.comment, part.full_type, safe=True, why=why, within=way, place=place)
            )
        else:
            way = (*within, was.name)
            inside = _changes_in_place(name, was, part, way)
            if inside is None:
                return None
            found += inside
            if part.nullable and not was.nullable:
                found.append(_nullable(name, way, safe=True))
            if part.comment and part.comment != was.comment:
                found.append(
                    TableChange("comment", name, part.comment, safe=True, why="readers are not affected", within=way)
                )
        place = f"AFTER {column_name(part.name)}"
    return found


def shared_columns(old: TableSchema, new: TableSchema) -> tuple[str, ...]:
    """Return the columns of a table if another one has them all, with types that hold their values; else none."""
    stand_in = all(
        new.has(column.name)
        and (new.column(column.name).type == column.type or widens(column.type, new.column(column.name).type))
        for column in old.columns
    )
    return tuple(column.name for column in old.columns) if stand_in else ()
