"""The pages, in the order of the navigation.

A page is a module here with its `PAGE`, a function of `dataflow.ui.read` that finds what it shows, and a template of
its name. It holds no query, and its template no logic beyond what is shown where.
"""

from __future__ import annotations

from dataflow.ui.page import Page
from dataflow.ui.pages import (
    campaign,
    campaigns,
    deployment,
    deployments,
    lineage,
    overview,
    revision,
    run,
    runs,
    schedules,
    table,
)

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    runs.PAGE,
    run.PAGE,
    table.PAGE,
    lineage.PAGE,
    deployments.PAGE,
    deployment.PAGE,
    revision.PAGE,
    campaigns.PAGE,
    campaign.PAGE,
    schedules.PAGE,
)
