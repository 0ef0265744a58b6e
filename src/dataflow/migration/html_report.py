"""A campaign's status as a page to hand round: who, how far, and the burn-down as a drawing in the page itself."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence

from dataflow.foreign import for_html as escape
from dataflow.lineage.show.text import age
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.campaign.events import applied_steps
from dataflow.migration.progress.burn_down import burn_down
from dataflow.migration.progress.definition import ReaderStatus
from dataflow.migration.store import CampaignEvent

_STYLE = """
:root { --ink:#1f2933; --dim:#66788a; --line:#cbd5df; --paper:#fff; --done:#2f855a; --open:#c05621; --fill:#fbeee4; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6edf3; --dim:#9aa9b8; --line:#3a4654; --paper:#10161d;
  --done:#68d391; --open:#f6ad55; --fill:#33261a; } }
body { font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif; color:var(--ink);
  background:var(--paper); margin:32px 40px; max-width:1000px; }
h1 { font-size:20px; margin:0; } h2 { font-size:15px; margin:28px 0 8px; } p { margin:2px 0; color:var(--dim); }
.bar { height:12px; border-radius:6px; background:var(--fill); overflow:hidden; margin:10px 0 4px; }
.bar div { height:100%; background:var(--done); }
table { border-collapse:collapse; font-size:13px; width:100%; }
th { text-align:left; font-weight:600; color:var(--dim); }
th,td { padding:5px 18px 5px 0; border-bottom:1px solid var(--line); vertical-align:top; }
.open { color:var(--open); font-weight:600; } .moved,.acked { color:var(--done); }
svg text { fill:var(--dim); font-size:11px; } svg .axis { stroke:var(--line); } svg .late { stroke:var(--open);
  stroke-dasharray:4 3; } svg .left { fill:var(--fill); stroke:var(--open); stroke-width:2; }
li.done { color:var(--dim); text-decoration:line-through; }
"""
_WIDE, _HIGH = 760.0, 170.0


def page(campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], now: dt.datetime) -> str:
    """Return a whole HTML page."""
    row = campaign.row
    done = sum(not each.is_open for each in found)
    share = 100 * done / len(found) if found else 100
    changes = "; ".join(str(change) for change in campaign.changes)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(row.id)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(row.table)}: {escape(changes)}</h1>\n"
        f"<p>{escape(row.id)} in {escape(row.environment)}, {row.state} · opened {row.opened:%Y-%m-%d} by "
        f"{escape(row.opened_by)} · deadline {row.deadline} · as of {now:%Y-%m-%d %H:%M} UTC</p>\n"
        f'<div class="bar"><div style="width:{share:.0f}%"></div></div>\n'
        f"<p>{done} of {len(found)} readers have moved</p>\n"
        f"<h2>Not moved yet, day by day</h2>\n{_chart(campaign, burn_down(campaign, found, events, now.date()))}\n"
        f"<h2>Readers</h2>\n{_readers(found, now)}\n<h2>Steps</h2>\n{_steps(campaign, applied_steps(events))}\n"
        "</body>\n</html>\n"
    )


def _readers(found: Sequence[ReaderStatus], now: dt.datetime) -> str:
    rows = [
        f"<tr><td>{escape(each.reader.workflow)}</td><td>{escape(each.reader.owner or 'no owner')}</td>"
        f'<td class="{each.state}">{each.state}</td><td>{escape(each.why)}</td>'
        f"<td>{age(each.since, now) if each.since else ''}</td></tr>"
        for each in sorted(found, key=lambda each: (not each.is_open, each.reader.owner or "", each.reader.workflow))
    ]
    head = "".join(f"<th>{name}</th>" for name in ("workflow", "owner", "state", "why", "since"))
    return f"<table><tr>{head}</tr>\n" + "\n".join(rows) + "</table>"


def _steps(campaign: Campaign, done: Sequence[str]) -> str:
    items = [
        f"<li{' class=done' if step.name in done else ''}>{escape(step.says)}"
        f"{' (irreversible)' if step.irreversible else ''}</li>"
        for step in campaign.steps
    ]
    return f"<ol>{''.join(items)}</ol>"


def _chart(campaign: Campaign, days: Sequence[tuple[dt.date, int]]) -> str:
    """Draw what is left day by day as steps, up to the deadline."""
    first = campaign.row.opened.date()
    last = max(campaign.row.deadline, days[-1][0] if days else first)
    span = max(1, (last - first).days)
    most = max([left for _, left in days] + [1])

    def x(day: dt.date) -> float:
        return 30 + (_WIDE - 40) * (day - first).days / span

    def y(left: float) -> float:
        return 10 + (_HIGH - 40) * (1 - left / most)

    points = [f"M{x(first):.1f} {y(0):.1f}", f"L{x(first):.1f} {y(days[0][1] if days else 0):.1f}"]
    for (_, before), (day, left) in itertools.pairwise(days):
        points += [f"L{x(day):.1f} {y(before):.1f}", f"L{x(day):.1f} {y(left):.1f}"]
    points.append(f"L{x(days[-1][0] if days else first):.1f} {y(0):.1f} Z")
    late = x(campaign.row.deadline)
    return (
        f'<svg width="{_WIDE:.0f}" height="{_HIGH:.0f}" role="img" aria-label="Readers that have not moved, by day">'
        f'<line class="axis" x1="30" y1="{y(0):.0f}" x2="{_WIDE - 10:.0f}" y2="{y(0):.0f}"/>'
        f'<path class="left" d="{" ".join(points)}"/>'
        f'<line class="late" x1="{late:.0f}" y1="8" x2="{late:.0f}" y2="{y(0):.0f}"/>'
        f'<text x="{late:.0f}" y="{_HIGH - 12:.0f}" text-anchor="end">deadline {campaign.row.deadline}</text>'
        f'<text x="30" y="{_HIGH - 12:.0f}">{first}</text><text x="4" y="{y(most) + 4:.0f}">{most}</text></svg>'
    )
