"""Shows the progress of a campaign as text and as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dataflow.lineage.show.text import age
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.campaign.events import applied_steps
from dataflow.migration.progress.burn_down import burn_down
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.store import CampaignEvent

if TYPE_CHECKING:
    pass


def as_data(
    campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], today: dt.date
) -> dict[str, Any]:
    """Return the progress of a campaign as data for JSON."""
    row = campaign.row
    done, days = applied_steps(events), burn_down(campaign, found, events, today)
    return {
        "campaign": row.id,
        "table": row.table,
        "environment": row.environment,
        "state": row.state,
        "deadline": row.deadline.isoformat(),
        "days_left": (row.deadline - today).days,
        "opened": row.opened.isoformat(),
        "opened_by": row.opened_by,
        "changes": [str(change) for change in campaign.changes],
        "readers": [
            {
                "workflow": each.reader.workflow,
                "owner": each.reader.owner,
                "state": each.state,
                "why": each.why,
                "since": each.since.isoformat() if each.since else None,
            }
            for each in found
        ],
        "open": sum(each.is_open for each in found),
        "steps": [{"name": s.name, "says": s.says, "done": s.name in done} for s in campaign.steps],
        "burn_down": [{"day": day.isoformat(), "open": left} for day, left in days],
    }


def render(
    campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], now: dt.datetime
) -> Iterator[str]:
    """Yield the lines of the status of a campaign."""
    row = campaign.row
    days = (row.deadline - now.date()).days
    when = f"{days} days left" if days > 0 else "today" if days == 0 else f"{-days} days overdue"
    yield f"{row.id}: {row.table} in {row.environment}, {row.state}"
    yield f"  {'; '.join(str(change) for change in campaign.changes)}"
    yield f"  deadline {row.deadline} ({when}), opened {age(row.opened, now)} by {row.opened_by}"
    yield ""
    wide = max((len(each.reader.workflow) for each in found), default=8)
    owners = max((len(each.reader.owner or "no owner") for each in found), default=5)
    for each in sorted(found, key=lambda each: (not each.is_open, each.reader.owner or "", each.reader.workflow)):
        mark = {"moved": "✓", "acked": "✓", "open": "·"}[each.state]
        since = f", {age(each.since, now)}" if each.since else ""
        name, owner = each.reader.workflow.ljust(wide), (each.reader.owner or "no owner").ljust(owners)
        yield f"  {mark} {name}  {owner}  {each.state:<5}  {each.why}{since}"
    done = sum(not each.is_open for each in found)
    yield ""
    yield f"  {_bar(done, len(found))} {done} of {len(found)} moved"
    days_left = burn_down(campaign, found, events, now.date())
    yield f"  {_spark([left for _, left in days_left])} open per day since {days_left[0][0]}" if days_left else ""
    yield ""
    yield from _steps(campaign, applied_steps(events))


def _steps(campaign: Campaign, done: Sequence[str]) -> Iterator[str]:
    for step in campaign.steps:
        mark = "✓" if step.name in done else "·"
        yield f"  {mark} {step.name:<11} {step.says}{' (irreversible)' if step.irreversible else ''}"


def _bar(done: int, total: int, width: int = 30) -> str:
    full = width if not total else round(width * done / total)
    return "█" * full + "░" * (width - full)


def _spark(values: Sequence[int], most: int = 60) -> str:
    """Return numbers as a sparkline of the last `most` values."""
    shown = list(values)[-most:]
    highest = max(shown, default=0)
    return "".join("▁▂▃▄▅▆▇█"[round(7 * value / highest) if highest else 0] for value in shown)
