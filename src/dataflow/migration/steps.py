"""The steps of a campaign: expand (add the new beside the old), move (readers migrate), contract (drop the old)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from dataflow.errors import UsageError
from dataflow.migration.changes import new_name
from dataflow.tables.iceberg import quoted
from dataflow.tables.properties import MOVING_COLUMNS, RETIRED_COLUMN
from dataflow.tables.quoting import column_name, text

if TYPE_CHECKING:
    from dataflow.migration.changes import TableChange

Phase = Literal["expand", "move", "contract"]

STATEMENTS = ";\n"
"""Separates the statements of a step; each is one Iceberg commit, and is skipped if it was done before."""


@dataclass(frozen=True)
class Step:
    """One step of a campaign.

    Attributes:
        name: Its name: `expand 1`, `move`, `contract 1`.
        phase: The phase that it belongs to.
        says: A description of what it does.
        sql: The statements to run; empty for what people do.
        adds: The column that it adds.
        drops: The column or table that it drops.
        keeps: The new name of the table that it replaces by a view.
        undo: The statements that revert it; empty where there is nothing to revert.
    """

    name: str
    phase: Phase
    says: str
    sql: str = ""
    adds: str = ""
    drops: str = ""
    keeps: str = ""
    undo: str = ""

    @property
    def irreversible(self) -> bool:
        """Whether what it drops can't be restored."""
        return self.phase == "contract"


def kept_name(table: str) -> str:
    """Return the name that a table gets when a view takes its place."""
    return f"{table}_retired"


def require_steps(table: str, changes: Sequence[TableChange]) -> None:
    """Require that each change can be made with a new column beside the old one.

    Raises:
        UsageError: A change needs a new table.
    """
    for change in changes:
        if not change.safe and change.kind in {"partition", "key", "order", "nullable", "add"}:
            raise UsageError(
                f'"{change}" can\'t be migrated column by column; replace the table instead',
                f"make a new table with its own workflow, then: dataflow migration plan {table} --replace-by NEW",
            )


def steps_for(table: str, changes: Sequence[TableChange]) -> list[Step]:
    """Return the steps of a campaign, in order.

    Raises:
        UsageError: A change can't be made beside the old table: it needs a table of its own.
    """
    require_steps(table, changes)
    columns = [change for change in changes if not change.safe and change.column]
    expand = [*_allow_migration(table, columns), *(step for change in changes for step in _expand(table, change))]
    contract = [step for change in changes for step in _contract(table, change)]
    if columns:
        contract[-1] = _end_migration(table, contract[-1])
    moves = [] if all(change.safe for change in changes) else [Step("move", "move", _move_description(table, changes))]
    return [*_numbered(expand), *moves, *_numbered(contract)]


def _allow_migration(table: str, columns: Sequence[TableChange]) -> Iterator[Step]:
    """Yield steps that let writers and DDL use the old or the new column; each publication fills the other."""
    if not columns:
        return
    pairs = {change.column: new_name(change) or None for change in columns}
    both = [f"{old} and {new}" for old, new in pairs.items() if new]
    alone = [old for old, new in pairs.items() if not new]
    says = [f"each publication writes {', '.join(both)}, whichever its workflow provides"] if both else []
    says += [f"writers of the table may omit {', '.join(alone)}"] if alone else []
    yield Step(
        "expand",
        "expand",
        "; ".join(says),
        _set(table, MOVING_COLUMNS, json.dumps(pairs)),
        undo=_unset(table, MOVING_COLUMNS),
    )
    for change in columns:
        if change.required:
            sql = f"ALTER TABLE {quoted(table)} ALTER COLUMN {column_name(change.column)} DROP NOT NULL"
            yield Step("expand", "expand", f"allow NULL in {change.column}, so that writers may omit it", sql)


def _end_migration(table: str, last: Step) -> Step:
    """Remove the migrating columns from the table properties in the last step."""
    return replace(last, sql=STATEMENTS.join((last.sql, _unset(table, MOVING_COLUMNS))))


def _expand(table: str, change: TableChange) -> list[Step]:
    alter = f"ALTER TABLE {quoted(table)}"
    column = change.sql_path
    if change.safe:
        said = (f" COMMENT {text(change.to)}" if change.to else "") + (f" {change.place}" if change.place else "")
        sql = {
            "add": f"{alter} ADD COLUMN {column} {change.type}{said}",
            "type": f"{alter} ALTER COLUMN {column} TYPE {change.to}",
            "comment": f"{alter} ALTER COLUMN {column} COMMENT {text(change.to)}"
            if change.column
            else _set(table, "comment", change.to),
            "nullable": f"{alter} ALTER COLUMN {column} DROP NOT NULL",
        }[change.kind]
        adds = change.path if change.kind == "add" else ""
        undo = f"{alter} DROP COLUMN IF EXISTS {column}" if adds else ""
        return [Step("expand", "expand", f"{change}: safe, {change.why}", sql, adds=adds, undo=undo)]
    if change.kind == "replace":
        return _view(table, change)
    name = new_name(change)
    if not name:
        return []
    new, kind = column_name(name), change.to if change.kind == "type" else change.type
    value = f"CAST({column} AS {kind})" if change.kind == "type" else column
    added = Step(
        "expand",
        "expand",
        f"add {name} beside {change.column}",
        f"{alter} ADD COLUMN {new} {kind} COMMENT {text(f'Takes the place of {change.column}.')} AFTER {column}",
        adds=name,
        undo=f"{alter} DROP COLUMN IF EXISTS {new}",
    )
    copied = Step(
        "expand",
        "expand",
        f"fill {name} from {change.column} where it is NULL",
        f"UPDATE {quoted(table)} SET {new} = {value} WHERE {new} IS NULL AND {column} IS NOT NULL",
    )
    return [added, copied]


def _view(table: str, change: TableChange) -> list[Step]:
    """Return the step that makes the old name a view of the new table.

    The view is created under another name first: a catalog without views fails before anything has changed, and the
    name is missing only during two renames.
    """
    if not change.shared:
        return []
    kept, made, names = kept_name(table), f"{table}_becomes_view", ", ".join(map(column_name, change.shared))
    drops = [f"DROP VIEW IF EXISTS {quoted(name)}" for name in (made, table)]
    view = (
        f"CREATE VIEW IF NOT EXISTS {quoted(made)} COMMENT {text(f'Use {change.to}.')} "
        f"AS SELECT {names} FROM {quoted(change.to)}"
    )
    return [
        Step(
            "expand",
            "expand",
            f"make {table} a view of {change.to}, and keep its rows as {kept}",
            STATEMENTS.join((view, _rename(table, kept), _rename(made, table, "VIEW"))),
            keeps=kept,
            undo=STATEMENTS.join((*drops, _rename(kept, table))),
        )
    ]


def _contract(table: str, change: TableChange) -> list[Step]:
    if change.safe:
        return []
    if change.kind == "retire":
        return [Step("contract", "contract", f"drop {table}", f"DROP TABLE IF EXISTS {quoted(table)}", drops=table)]
    if change.kind == "replace":
        if not change.shared:
            return [Step("contract", "contract", f"drop {table}", f"DROP TABLE IF EXISTS {quoted(table)}", drops=table)]
        kept = kept_name(table)
        drops = [f"DROP VIEW IF EXISTS {quoted(table)}"]
        drops += [f"DROP TABLE IF EXISTS {quoted(name)}" for name in (kept, table)]  # the last where there is no view
        sql = STATEMENTS.join(drops)
        return [Step("contract", "contract", f"drop the view {table}, and {kept}", sql, drops=kept, keeps=kept)]
    # Set first: the DDL of a run that still declares the column would add it again, empty, as soon as it is dropped.
    gone = _set(table, f"{RETIRED_COLUMN}{change.column}", "true")
    drop = f"ALTER TABLE {quoted(table)} DROP COLUMN IF EXISTS {column_name(change.column)}"
    return [
        Step(
            "contract",
            "contract",
            f"drop {change.column}",
            STATEMENTS.join((gone, drop)),
            drops=change.column,
            undo=_unset(table, f"{RETIRED_COLUMN}{change.column}"),
        )
    ]


def _move_description(table: str, changes: Sequence[TableChange]) -> str:
    uses = []
    for change in changes:
        if change.safe:
            continue
        if change.kind == "replace":
            uses.append(f"{change.to} instead of {table}")
        elif change.kind == "retire":
            uses.append(f"no {table} any more")
        elif name := new_name(change):
            uses.append(f"{name} instead of {change.column}")
        else:
            uses.append(f"no {change.column} any more")
    return f"workflows move: they use {', '.join(uses)}"


def _numbered(steps: Iterable[Step]) -> list[Step]:
    return [replace(step, name=f"{step.name} {number}") for number, step in enumerate(steps, 1)]


def _set(table: str, key: str, value: str) -> str:
    return f"ALTER TABLE {quoted(table)} SET TBLPROPERTIES ({text(key)} = {text(value)})"


def _unset(table: str, key: str) -> str:
    return f"ALTER TABLE {quoted(table)} UNSET TBLPROPERTIES IF EXISTS ({text(key)})"


def _rename(table: str, to: str, kind: str = "TABLE") -> str:
    return f"ALTER {kind} {quoted(table)} RENAME TO {quoted(to)}"
