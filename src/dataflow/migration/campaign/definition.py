"""What a campaign holds, and its form in the state database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dataflow.migration.changes import TableChange
from dataflow.migration.impact import AffectedWorkflow
from dataflow.migration.script_lines import ScriptLine
from dataflow.migration.steps import Step
from dataflow.migration.store import CampaignRow


@dataclass(frozen=True)
class Campaign:
    """A campaign as it was started.

    Attributes:
        row: Its row in the state database.
        changes: The changes of the table.
        steps: The steps to them.
        readers: The workflows that have to move, writers of the table included.
    """

    row: CampaignRow
    changes: tuple[TableChange, ...]
    steps: tuple[Step, ...]
    readers: tuple[AffectedWorkflow, ...]

    @property
    def id(self) -> str:
        """Its name."""
        return self.row.id

    @property
    def table(self) -> str:
        """The table that changes."""
        return self.row.table

    @property
    def old_columns(self) -> tuple[str, ...]:
        """The columns that are replaced or dropped; empty where the table is."""
        return tuple(change.column for change in self.changes if not change.safe and change.column)

    def steps_of(self, phase: str) -> tuple[Step, ...]:
        """Return the steps of a phase."""
        return tuple(step for step in self.steps if step.phase == phase)


def campaign_from_row(row: CampaignRow) -> Campaign:
    """Return the campaign of a row in the state database."""
    data = row.definition
    return Campaign(
        row,
        tuple(TableChange(**{**each, "shared": tuple(each["shared"])}) for each in data["changes"]),
        tuple(Step(**each) for each in data["steps"]),
        tuple(_reader(each) for each in data["readers"]),
    )


def _reader(data: Mapping[str, Any]) -> AffectedWorkflow:
    lines = tuple(ScriptLine(**line) for line in data.get("lines", ()))
    return replace(
        AffectedWorkflow(
            data["workflow"], data["owner"], data["role"], file=data.get("file"), known=data.get("known", "")
        ),
        columns=tuple(data.get("columns", ())),
        writes=tuple(data.get("writes", ())),
        lines=lines,
    )
