"""Which steps were carried out, by the events of a campaign."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.migration.store import CampaignEvent


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
