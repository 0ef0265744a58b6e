"""The status of a reader, and of the steps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.campaign.events import applied_steps
from dataflow.migration.impact import AffectedWorkflow
from dataflow.migration.store import CampaignEvent


@dataclass(frozen=True)
class ReaderStatus:
    """The status of a reader.

    Attributes:
        reader: The reader.
        state: `moved`, `acked` or `open`.
        why: The evidence.
        since: When the evidence was observed.
    """

    reader: AffectedWorkflow
    state: str
    why: str
    since: dt.datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the change would still break it."""
        return self.state == "open"


def done_steps(campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent]) -> set[str]:
    """Return the names of the steps that are done: those of the table, and that of readers once all have moved."""
    if campaign.row.state == "done":
        return {step.name for step in campaign.steps}
    moved = () if any(each.is_open for each in found) else campaign.steps_of("move")
    return {*applied_steps(events), *(step.name for step in moved)}
