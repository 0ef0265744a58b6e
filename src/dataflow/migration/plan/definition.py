"""What a plan holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dataflow.migration.changes import TableChange, new_name
from dataflow.migration.impact import AffectedWorkflow
from dataflow.migration.steps import Step

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class MigrationPlan:
    """The plan of a change of a table.

    Attributes:
        table: The table.
        environment: The environment.
        changes: The changes, each classified.
        affected: The affected workflows, readers first.
        steps: The steps; none where a new table is needed.
        select_star_users: The workflows that fail when the table gets another column.
        notes: What the owner of the table has to know and do besides.
    """

    table: str
    environment: str
    changes: tuple[TableChange, ...]
    affected: tuple[AffectedWorkflow, ...]
    steps: tuple[Step, ...]
    select_star_users: tuple[AffectedWorkflow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def breaking(self) -> bool:
        """Whether a change can break readers."""
        return not all(change.safe for change in self.changes)

    @property
    def must_move(self) -> tuple[AffectedWorkflow, ...]:
        """The affected workflows that have to change: all but those downstream."""
        return tuple(each for each in self.affected if each.role != "downstream")

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as data for JSON."""
        return {
            "table": self.table,
            "environment": self.environment,
            "breaking": self.breaking,
            "changes": [
                {**asdict(change), "says": str(change), "becomes": new_name(change)} for change in self.changes
            ],
            "touched": [asdict(each) for each in self.affected],
            "by_position": [asdict(each) for each in self.select_star_users],
            "owners": workflows_by_owner([*self.affected, *self.select_star_users]),
            "steps": [{**asdict(step), "irreversible": step.irreversible} for step in self.steps],
            "notes": list(self.notes),
        }


def workflows_by_owner(affected: Sequence[AffectedWorkflow]) -> dict[str, list[str]]:
    """Return workflows by owner; those without an owner have an empty one."""
    found: dict[str, list[str]] = {}
    for each in affected:
        found.setdefault(each.owner or "", []).append(each.workflow)
    return found
