"""How many readers were open on each day."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.store import CampaignEvent

if TYPE_CHECKING:
    pass


def burn_down(
    campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], today: dt.date
) -> list[tuple[dt.date, int]]:
    """Return the number of open readers at the end of each day; readers that joined later count from then on.

    The day of the start is always there, whatever the clocks of two machines say.
    """
    readers = [each.reader for each in found]
    left = {reader.workflow for reader in campaign.readers}
    by_day: dict[dt.date, list[CampaignEvent]] = defaultdict(list)
    for event in events:
        by_day[event.moment.date()].append(event)
    day, counts = campaign.row.opened.date(), []
    last = max(day, min(today, campaign.row.closed.date()) if campaign.row.closed else today)
    while day <= last:
        for event in by_day.get(day, ()):
            mine = {reader.workflow for reader in readers if event.subject in {reader.workflow, reader.owner}}
            if event.kind in {"moved", "acked"}:
                left -= mine
            elif event.kind in {"returned", "joined"}:
                left |= mine
        counts.append((day, len(left)))
        day += dt.timedelta(days=1)
    return counts
