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
    """What a change would come to.

    Attributes:
        table: The table.
        environment: Where it is.
        changes: What changes, each classed.
        touched: Who is touched, readers first.
        steps: The way there; none where it takes another table.
        by_position: Who fails once the table has a column more.
        notes: What its owner has to know besides, and to do.
    """

    table: str
    environment: str
    changes: tuple[TableChange, ...]
    touched: tuple[AffectedWorkflow, ...]
    steps: tuple[Step, ...]
    by_position: tuple[AffectedWorkflow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def breaking(self) -> bool:
        """Whether any reader can break."""
        return not all(change.safe for change in self.changes)

    @property
    def must_move(self) -> tuple[AffectedWorkflow, ...]:
        """The workflows that have to change: those that use what goes, or may."""
        return tuple(each for each in self.touched if each.role != "downstream")

    def to_dict(self) -> dict[str, Any]:
        """Return the plan for programs."""
        return {
            "table": self.table,
            "environment": self.environment,
            "breaking": self.breaking,
            "changes": [
                {**asdict(change), "says": str(change), "becomes": new_name(change)} for change in self.changes
            ],
            "touched": [asdict(each) for each in self.touched],
            "by_position": [asdict(each) for each in self.by_position],
            "owners": workflows_by_owner([*self.touched, *self.by_position]),
            "steps": [{**asdict(step), "irreversible": step.irreversible} for step in self.steps],
            "notes": list(self.notes),
        }


def workflows_by_owner(touched: Sequence[AffectedWorkflow]) -> dict[str, list[str]]:
    """Return each owner's workflows; whose owner nobody knows stand under an empty name."""
    found: dict[str, list[str]] = {}
    for each in touched:
        found.setdefault(each.owner or "", []).append(each.workflow)
    return found
