"""Where a deployment goes and from where, as `plan` and `deploy` show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow.cli.console import out, say

if TYPE_CHECKING:
    from dataflow.deploy.plan.definition import PreparedPlan
    from dataflow.deploy.source import DeploySource


@dataclass(frozen=True)
class Target:
    """What is deployed, and where to."""

    source: DeploySource
    planned: PreparedPlan

    def text(self) -> None:
        """Print it, and what of the checkout is left out."""
        checkout, target = self.source.checkout, self.source.target
        at = f"now at #{self.planned.before.number}" if self.planned.before else "nothing is there yet"
        what = f"commit {checkout.commit[:8]}" if checkout.commit and checkout.is_clean else "uncommitted files"
        note = f" ({target.note}: only a sandbox takes that)" if target.note else ""
        where = f", database {target.database}, schedules paused" if target.isolated else ""
        out().print(f"{self.source.name}, branch {checkout.branch}, {what}")
        out().print(f"to {target.name}{note}: {at}{where}")
        for text in self.source.left_out():
            say(f"note: {text}")
