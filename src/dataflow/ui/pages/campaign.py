"""One campaign: its readers, its steps, how many were open on each day, and what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from dataflow.errors import UsageError
from dataflow.state.utc import now
from dataflow.ui.page import Asked, Page
from dataflow.ui.problem import part
from dataflow.ui.read.campaigns import CampaignDetail, campaign, campaigns, lineage_of
from dataflow.ui.source import Source


@dataclass(frozen=True)
class CampaignPage:
    """What the page shows.

    Attributes:
        found: The campaign.
        chart: The burn-down, drawn.
    """

    found: CampaignDetail
    chart: Markup


def read(source: Source, asked: Asked) -> CampaignPage:
    """Return a campaign.

    Raises:
        UsageError: There is none of this name.
    """
    name = asked.subject["campaign"]
    found = campaign(source.database, lineage_of(source.environment), name, now())
    if found is None or found.summary.environment != source.environment.name:
        raise UsageError(f"there is no campaign '{name}' in {source.environment.name}")
    return CampaignPage(found, Markup(found.chart))  # noqa: S704 - made of days, numbers and fixed words


def exported(source: Source) -> Iterable[Mapping[str, str]]:
    """Yield the campaigns of the list."""
    known = lineage_of(source.environment)
    listed = part(lambda: campaigns(source.database, known, source.environment.name, now().date())).value
    return ({"campaign": it.id} for it in listed or ())


PAGE = Page("campaign", "/campaigns/{campaign}", "Campaign", read, exported=exported)
