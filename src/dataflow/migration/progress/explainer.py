"""Shows the progress of a campaign as text and as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from dataflow.lineage.show.labels import Times, moment
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.campaign.events import ending
from dataflow.migration.progress.burn_down import burn_down
from dataflow.migration.progress.definition import ReaderStatus, done_steps
from dataflow.migration.store import CampaignEvent
from dataflow.wording import plural


def as_data(
    campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], today: dt.date
) -> dict[str, Any]:
    """Return the progress of a campaign as data for JSON."""
    row = campaign.row
    done, days = done_steps(campaign, found, events), burn_down(campaign, found, events, today)
    return {
        "campaign": row.id,
        "table": row.table,
        "environment": row.environment,
        "state": row.state,
        "deadline": row.deadline.isoformat(),
        "days_left": (row.deadline - today).days,
        "opened": row.opened.isoformat(),
        "opened_by": row.opened_by,
        "closed": row.closed.isoformat() if row.closed else None,
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
    campaign: Campaign,
    found: Sequence[ReaderStatus],
    events: Sequence[CampaignEvent],
    now: dt.datetime,
    times: Times = moment,
) -> Iterator[str]:
    """Yield the lines of the status of a campaign."""
    row = campaign.row
    yield f"{row.id}: {row.table} in {row.environment}, {row.state}"
    yield f"  {'; '.join(str(change) for change in campaign.changes)}"
    yield f"  opened {times(row.opened)} by {row.opened_by}, {_until(campaign, events, now)}"
    yield ""
    wide = max((len(each.reader.workflow) for each in found), default=8)
    owners = max((len(each.reader.owner or "no owner") for each in found), default=5)
    for each in sorted(found, key=lambda each: (not each.is_open, each.reader.owner or "", each.reader.workflow)):
        mark = {"moved": "✓", "acked": "✓", "open": "·"}[each.state]
        since = f", {times(each.since)}" if each.since else ""
        name, owner = each.reader.workflow.ljust(wide), (each.reader.owner or "no owner").ljust(owners)
        yield f"  {mark} {name}  {owner}  {each.state:<5}  {each.why}{since}"
    done = sum(not each.is_open for each in found)
    yield ""
    yield f"  {_bar(done, len(found))} {done} of {len(found)} moved"
    days = burn_down(campaign, found, events, now.date())
    until = f" until {days[-1][0]}" if row.closed and days[0][0] != days[-1][0] else ""
    yield f"  {_spark([left for _, left in days])} open per day since {days[0][0]}{until}"
    yield ""
    yield from _steps(campaign, done_steps(campaign, found, events))


def _until(campaign: Campaign, events: Sequence[CampaignEvent], now: dt.datetime) -> str:
    """Return the deadline and how far it is; of a campaign that is over when that was."""
    deadline = campaign.row.deadline
    if campaign.row.state != "open":
        return f"deadline {deadline}, {ending(campaign, events)}"
    days = (deadline - now.date()).days
    left = f"{plural(days, 'day')} left" if days > 0 else "today" if days == 0 else f"{plural(-days, 'day')} overdue"
    return f"deadline {deadline} ({left} on {now:%Y-%m-%d})"


def _steps(campaign: Campaign, done: Collection[str]) -> Iterator[str]:
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
