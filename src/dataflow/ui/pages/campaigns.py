"""The campaigns of the environment: how far each is, and who has not moved."""

from __future__ import annotations

from dataflow.state.utc import now
from dataflow.ui.page import Asked, Page
from dataflow.ui.read.campaigns import CampaignSummary, campaigns, lineage_of
from dataflow.ui.source import Source


def read(source: Source, _: Asked) -> list[CampaignSummary]:
    """Return the campaigns."""
    return campaigns(source.database, lineage_of(source.environment), source.environment.name, now().date())


PAGE = Page("campaigns", "/campaigns", "Campaigns", read, listed=True)
