"""Which steps were carried out, by the events of a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow.migration.store import CampaignEvent

if TYPE_CHECKING:
    from dataflow.migration.campaign.definition import Campaign


def begun_steps(found: Sequence[CampaignEvent]) -> list[str]:
    """Return the names of the steps that were started and not reverted, in order."""
    done: dict[str, None] = {}
    for event in found:
        if event.kind in {"applying", "applied"}:
            done[event.subject] = None
        elif event.kind == "undone":
            done.pop(event.subject, None)
    return list(done)


def applied_steps(found: Sequence[CampaignEvent]) -> list[str]:
    """Return the names of the steps that were completed and not reverted, in order."""
    done: list[str] = []
    for event in found:
        if event.kind == "applied":
            done.append(event.subject)
        elif event.kind == "undone" and event.subject in done:
            done.remove(event.subject)
    return done


def ending(campaign: Campaign, found: Sequence[CampaignEvent]) -> str:
    """Return when, by whom and why a campaign ended: `done 2027-01-31 by alice`; empty while it is open."""
    row = campaign.row
    if row.closed is None:
        return ""
    last = next((event for event in reversed(found) if event.kind == row.state), None)
    why = f": {last.note}" if last is not None and last.note else ""
    return f"{row.state} {row.closed:%Y-%m-%d}{f' by {last.who}' if last is not None else ''}{why}"
