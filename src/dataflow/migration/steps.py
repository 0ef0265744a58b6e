"""The way to a change that breaks nobody: put the new beside the old, let readers move, take the old away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dataflow.errors import UsageError
from dataflow.tables.literals import column_name, text

if TYPE_CHECKING:
    from dataflow.migration.changes import Change

Phase = Literal["expand", "move", "contract"]


@dataclass(frozen=True)
class Step:
    """One step of a campaign.

    Attributes:
        name: What it is called: `expand 1`, `move`, `contract 1`.
        phase: Which part of the way it belongs to.
        says: What it does, a sentence.
        sql: The statement that does it; empty for what people do.
        adds: The column that it adds.
        drops: The column that it drops.
        undo: The statement that takes it back; empty where there is nothing to take back.
    """

    name: str
    phase: Phase
    says: str
    sql: str = ""
    adds: str = ""
    drops: str = ""
    undo: str = ""

    @property
    def irreversible(self) -> bool:
        """Whether nothing brings back what it takes away."""
        return self.phase == "contract"


def new_name(change: Change) -> str:
    """Return the column that readers move to; empty where they have to do without."""
    if change.kind == "rename":
        return change.to
    if change.kind == "type":
        return f"{change.column}_{''.join(c if c.isalnum() else '_' for c in change.to.lower()).strip('_')}"
    return ""


def steps_for(table: str, changes: Sequence[Change]) -> list[Step]:
    """Return the steps of a campaign, in order.

    Raises:
        UsageError: A change can't be made beside the old table: it needs a table of its own.
    """
    for change in changes:
        if not change.safe and change.kind in {"partition", "key", "order", "nullable", "add"}:
            raise UsageError(
                f"to {change} is nothing that readers can move through column by column",
                f"make a new table with its own workflow, then: dataflow migration plan {table} --replace-by NEW",
            )
    expand = [step for change in changes for step in _expand(table, change)]
    contract = [step for change in changes for step in _contract(table, change)]
    moves = [] if all(change.safe for change in changes) else [Step("move", "move", _moves(table, changes))]
    return [*_numbered(expand), *moves, *_numbered(contract)]


def _expand(table: str, change: Change) -> list[Step]:
    alter = f"ALTER TABLE {_quoted(table)}"
    column = column_name(change.column) if change.column else ""
    if change.safe:
        sql = {
            "add": f"{alter} ADD COLUMN {column} {change.type}" + (f" COMMENT {text(change.to)}" if change.to else ""),
            "type": f"{alter} ALTER COLUMN {column} TYPE {change.to}",
            "comment": f"{alter} ALTER COLUMN {column} COMMENT {text(change.to)}",
            "nullable": f"{alter} ALTER COLUMN {column} DROP NOT NULL",
        }[change.kind]
        adds = change.column if change.kind == "add" else ""
        undo = f"{alter} DROP COLUMN {column}" if adds else ""
        return [Step("expand", "expand", f"{change}: safe, {change.why}", sql, adds=adds, undo=undo)]
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
        undo=f"{alter} DROP COLUMN {new}",
    )
    copied = Step(
        "expand",
        "expand",
        f"fill {name} from {change.column} where it is empty; the workflows that write the table fill both from now on",
        f"UPDATE {_quoted(table)} SET {new} = {value} WHERE {new} IS NULL AND {column} IS NOT NULL",
    )
    return [added, copied]


def _contract(table: str, change: Change) -> list[Step]:
    if change.safe:
        return []
    if change.kind == "replace":
        return [Step("contract", "contract", f"drop {table}", f"DROP TABLE {_quoted(table)}")]
    sql = f"ALTER TABLE {_quoted(table)} DROP COLUMN {column_name(change.column)}"
    return [Step("contract", "contract", f"drop {change.column}", sql, drops=change.column)]


def _moves(table: str, changes: Sequence[Change]) -> str:
    told = []
    for change in changes:
        if change.safe:
            continue
        if change.kind == "replace":
            told.append(f"{change.to} instead of {table}")
        elif name := new_name(change):
            told.append(f"{name} instead of {change.column}")
        else:
            told.append(f"no {change.column} any more")
    return f"readers move: they read {', '.join(told)}"


def _numbered(steps: Sequence[Step]) -> list[Step]:
    return [
        Step(f"{step.name} {number}", step.phase, step.says, step.sql, step.adds, step.drops, step.undo)
        for number, step in enumerate(steps, 1)
    ]


def _quoted(name: str) -> str:
    return ".".join(column_name(part) for part in name.split("."))
