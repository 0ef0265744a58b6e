"""A campaign's status as a page to hand round: who, how far, and the burn-down as a drawing, which is a file too."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Collection, Sequence

from dataflow.foreign import for_html as escape
from dataflow.lineage.show.labels import moment
from dataflow.lineage.show.picture import FONT
from dataflow.migration.campaign.definition import Campaign
from dataflow.migration.campaign.events import ending
from dataflow.migration.progress.burn_down import burn_down
from dataflow.migration.progress.definition import ReaderStatus, done_steps
from dataflow.migration.store import CampaignEvent
from dataflow.palette import SCHEME, with_colours

_CHART = """\
svg text { fill:var(--dim); font-size:11px; } svg .title { fill:var(--ink); font-size:14px; font-weight:600; }
svg .axis { stroke:var(--line); } svg .late { stroke:var(--bad); stroke-dasharray:4 3; }
svg .ended { stroke:var(--good); } svg .left { fill:var(--warnbg); stroke:var(--warn); stroke-width:2; }
"""
_STYLE = f"""
{SCHEME}
body {{ font:14px/1.5 {FONT}; color:var(--ink); background:var(--paper); margin:32px 40px; max-width:1000px; }}
h1 {{ font-size:20px; margin:0; }} h2 {{ font-size:15px; margin:28px 0 8px; }} p {{ margin:2px 0; color:var(--dim); }}
.bar {{ height:12px; border-radius:6px; background:var(--warnbg); overflow:hidden; margin:10px 0 4px; }}
.bar div {{ height:100%; background:var(--good); }}
table {{ border-collapse:collapse; font-size:13px; width:100%; }}
th {{ text-align:left; font-weight:600; color:var(--dim); }}
th,td {{ padding:5px 18px 5px 0; border-bottom:1px solid var(--line); vertical-align:top; }}
.open {{ color:var(--warn); font-weight:600; }} .moved,.acked,.ended {{ color:var(--good); }}
{_CHART}li.done {{ color:var(--dim); text-decoration:line-through; }}
"""
_WIDE, _HIGH, _ABOVE = 760.0, 170.0, 56.0


def page(campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], now: dt.datetime) -> str:
    """Return a whole HTML page."""
    row = campaign.row
    done = sum(not each.is_open for each in found)
    share = 100 * done / len(found) if found else 100
    end = ending(campaign, events)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(row.id)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(_title(campaign))}</h1>\n"
        f"<p>{escape(row.id)} in {escape(row.environment)}, {row.state} · opened {row.opened:%Y-%m-%d} by "
        f"{escape(row.opened_by)} · deadline {row.deadline} · as of {moment(now)}</p>\n"
        + (f'<p class="ended">{escape(end)}</p>\n' if end else "")
        + f'<div class="bar"><div style="width:{share:.0f}%"></div></div>\n'
        f"<p>{done} of {len(found)} readers have moved</p>\n"
        f'<h2>Not moved yet, day by day</h2>\n<svg width="{_WIDE:.0f}" height="{_HIGH:.0f}" role="img" '
        f'aria-label="Readers that have not moved, by day">{chart(campaign, found, events, now)}</svg>\n'
        f"<h2>Readers</h2>\n{_readers(found)}\n"
        f"<h2>Steps</h2>\n{_steps(campaign, done_steps(campaign, found, events))}\n</body>\n</html>\n"
    )


def picture(
    campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], now: dt.datetime
) -> str:
    """Return the burn-down by itself, as an SVG file with its title and its time."""
    done = sum(not each.is_open for each in found)
    said = f"{campaign.id}: {done} of {len(found)} readers have moved · as of {moment(now)}"
    high = _HIGH + _ABOVE
    style = with_colours(f"svg {{ font-family:{FONT}; }} .paper {{ fill:var(--paper); }}\n{_CHART}")
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDE:.0f}" '
        f'height="{high:.0f}" viewBox="0 0 {_WIDE:.0f} {high:.0f}" role="img">\n'
        f"<title>{escape(_title(campaign))}</title>\n<style>\n{style}</style>\n"
        f'<rect class="paper" width="100%" height="100%"/>\n'
        f'<text class="title" x="12" y="24">{escape(_title(campaign))}</text>\n'
        f'<text x="12" y="42">{escape(said)}</text>\n'
        f'<g transform="translate(0 {_ABOVE:.0f})">{chart(campaign, found, events, now)}</g>\n</svg>\n'
    )


def _title(campaign: Campaign) -> str:
    return f"{campaign.table}: {'; '.join(str(change) for change in campaign.changes)}"


def _readers(found: Sequence[ReaderStatus]) -> str:
    rows = [
        f"<tr><td>{escape(each.reader.workflow)}</td><td>{escape(each.reader.owner or 'no owner')}</td>"
        f'<td class="{each.state}">{each.state}</td><td>{escape(each.why)}</td>'
        f"<td>{moment(each.since) if each.since else ''}</td></tr>"
        for each in sorted(found, key=lambda each: (not each.is_open, each.reader.owner or "", each.reader.workflow))
    ]
    head = "".join(f"<th>{name}</th>" for name in ("workflow", "owner", "state", "why", "since"))
    return f"<table><tr>{head}</tr>\n" + "\n".join(rows) + "</table>"


def _steps(campaign: Campaign, done: Collection[str]) -> str:
    items = [
        f"<li{' class=done' if step.name in done else ''}>{escape(step.says)}"
        f"{' (irreversible)' if step.irreversible else ''}</li>"
        for step in campaign.steps
    ]
    return f"<ol>{''.join(items)}</ol>"


def chart(campaign: Campaign, found: Sequence[ReaderStatus], events: Sequence[CampaignEvent], now: dt.datetime) -> str:
    """Draw what is left day by day as steps, up to the deadline, with the day on which the campaign ended."""
    row, days = campaign.row, burn_down(campaign, found, events, now.date())
    first = days[0][0]
    last = max(row.deadline, days[-1][0])
    span = max(1, (last - first).days)
    most = max([left for _, left in days] + [1])

    def x(day: dt.date) -> float:
        return 30 + (_WIDE - 40) * (day - first).days / span

    def y(left: float) -> float:
        return 10 + (_HIGH - 40) * (1 - left / most)

    points = [f"M{x(first):.1f} {y(0):.1f}", f"L{x(first):.1f} {y(days[0][1]):.1f}"]
    for (_, before), (day, left) in itertools.pairwise(days):
        points += [f"L{x(day):.1f} {y(before):.1f}", f"L{x(day):.1f} {y(left):.1f}"]
    points.append(f"L{x(days[-1][0]):.1f} {y(0):.1f} Z")
    marks = [_mark("late", x(row.deadline), y(0), f"deadline {row.deadline}", end=True)]
    if row.closed is not None:
        marks.append(_mark("ended", x(row.closed.date()), y(0), f"{row.state} {row.closed:%Y-%m-%d}", above=True))
    return (
        f'<line class="axis" x1="30" y1="{y(0):.0f}" x2="{_WIDE - 10:.0f}" y2="{y(0):.0f}"/>'
        f'<path class="left" d="{" ".join(points)}"/>{"".join(marks)}'
        f'<text x="30" y="{_HIGH - 12:.0f}">{first}</text><text x="4" y="{y(most) + 4:.0f}">{most}</text>'
    )


def _mark(kind: str, x: float, y: float, says: str, *, end: bool = False, above: bool = False) -> str:
    """Draw a day as a line, with its name below the axis, or beside the top of the line."""
    near_end = end or x > _WIDE - 140
    at, height = (x + (-6 if near_end else 6), 18.0) if above else (x, _HIGH - 12)
    anchor = ' text-anchor="end"' if near_end else ""
    return (
        f'<line class="{kind}" x1="{x:.0f}" y1="8" x2="{x:.0f}" y2="{y:.0f}"/>'
        f'<text x="{at:.0f}" y="{height:.0f}"{anchor}>{says}</text>'
    )
