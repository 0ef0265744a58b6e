"""Lineage as a self-contained HTML page with an SVG drawing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from dataflow.foreign import for_html as escape
from dataflow.lineage.graph import Node, Traversal, qualified_name
from dataflow.lineage.model import Producer
from dataflow.lineage.show.graph_layout import Layout, arrange
from dataflow.lineage.show.text import origin_summary

_LETTER = 8.5  # pixels of a bold letter at 13 px, on the wide side
_WIDEST = 340.0
_HEAD, _LINE, _ROW = 30.0, 17.0, 22.0

_STYLE = """
:root { --ink:#1f2933; --dim:#66788a; --line:#cbd5df; --paper:#fff; --card:#f7f9fb; --mark:#0b6bcb; --markbg:#e7f1fc;
  --recorded:#2f855a; --deployed:#6b46c1; --checkout:#b7791f; --openlineage:#2b6cb0; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6edf3; --dim:#9aa9b8; --line:#3a4654; --paper:#10161d;
  --card:#18212b; --mark:#6cb2ff; --markbg:#15304d; --recorded:#68d391; --deployed:#b794f4; --checkout:#f6c453;
  --openlineage:#63b3ed; } }
body { font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif; color:var(--ink);
  background:var(--paper); margin:32px 40px; }
h1 { font-size:20px; font-weight:600; margin:0 0 2px; } p { margin:0 0 18px; color:var(--dim); }
figure { margin:0 0 28px; overflow-x:auto; }
svg text { fill:var(--ink); font-size:13px; } svg .dim { fill:var(--dim); font-size:11.5px; }
svg .name { font-weight:600; } svg .box { fill:var(--card); stroke:var(--line); }
svg .start .box { fill:var(--markbg); stroke:var(--mark); stroke-width:2; }
svg .rule { stroke:var(--line); } svg .edge { fill:none; stroke-width:1.6; opacity:.85; }
svg .edge:hover { stroke-width:3.2; opacity:1; } svg .decides { stroke-dasharray:5 4; }
.recorded { stroke:var(--recorded); } .deployed { stroke:var(--deployed); } .checkout { stroke:var(--checkout); }
.openlineage { stroke:var(--openlineage); }
.legend { display:flex; gap:22px; flex-wrap:wrap; color:var(--dim); margin-bottom:14px; }
.legend svg { vertical-align:middle; margin-right:6px; }
table { border-collapse:collapse; font-size:13px; } th { text-align:left; font-weight:600; color:var(--dim); }
th,td { padding:5px 18px 5px 0; border-bottom:1px solid var(--line); vertical-align:top; }
code { font:12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace; }
"""

_ORIGINS = {
    "recorded": "recorded by a run",
    "deployed": "in a deployed bundle",
    "checkout": "in files here",
    "openlineage": "imported from OpenLineage",
}


def html_page(found: Sequence[Traversal], title: str, now: dt.datetime) -> str:
    """Return a whole HTML page.

    Args:
        found: The upstream, downstream, or both traversals of a node.
        title: The heading.
        now: The current time, which ages refer to.
    """
    edges = _join_edges(found)
    drawing = _Drawing(found[0].start, edges, now)
    origins = _origins([producer for each in edges.values() for producer in each])
    said = f"Drawn on {now:%Y-%m-%d %H:%M} UTC · {len(drawing.tables)} tables · {len(edges)} connections"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(said)}</p>\n"
        f"{_legend(origins, any(key[2] for key in edges))}\n<figure>{drawing.svg()}</figure>\n"
        f"{_table(edges, now)}\n</body>\n</html>\n"
    )


JoinedEdges = dict[tuple[Node, Node, bool], list[Producer]]


def _join_edges(found: Sequence[Traversal]) -> JoinedEdges:
    joined: JoinedEdges = {}
    for each in found:
        for edge in each.all_edges():
            producers = joined.setdefault(edge[:3], [])
            if edge[3] not in producers:
                producers.append(edge[3])
    return dict(sorted(joined.items()))


def _origins(producers: Sequence[Producer]) -> list[str]:
    return sorted({producer.origin.value for producer in producers}, key=list(_ORIGINS).index)


class _Drawing:
    """The boxes of tables, their columns as rows, and the connections between them."""

    def __init__(self, start: Node, edges: JoinedEdges, now: dt.datetime) -> None:
        self._start = start
        self._edges = edges
        self._now = now
        self.tables: dict[str, list[str]] = {start[0]: []}
        for source, target, _ in edges:
            for table, column in (source, target):
                rows = self.tables.setdefault(table, [])
                if column and column not in rows:
                    rows.append(column)
        if start[1] and start[1] not in self.tables[start[0]]:
            self.tables[start[0]].append(start[1])
        self._writers = _writers(edges)
        sizes = {table: self._size(table) for table in self.tables}
        pairs = [(source[0], target[0]) for source, target, _ in edges]
        self._sizes = sizes
        self._layout: Layout = arrange(sizes, pairs)

    def svg(self) -> str:
        width, height = self._layout.width + 8, self._layout.height + 8
        body = "\n".join([*self._connections(), *self._boxes()])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="-4 -4 {width:.0f} {height:.0f}" role="img" aria-label="Lineage">{_ARROWS}\n{body}\n</svg>'
        )

    def _size(self, table: str) -> tuple[float, float]:
        lines = [table, *self.tables[table], *self._writers.get(table, [])]
        wide = max(len(line) * (_LETTER if place == 0 else 6.6) for place, line in enumerate(lines)) + 26
        writers = len(self._writers.get(table, ()))
        return min(_WIDEST, max(120.0, wide)), _HEAD + _LINE * writers + _ROW * len(self.tables[table]) + (
            6 if writers and not self.tables[table] else 0
        )

    def _boxes(self) -> Iterator[str]:
        for table, rows in self.tables.items():
            left, top = self._layout.boxes[table]
            wide, high = self._sizes[table]
            mark = ' class="start"' if table == self._start[0] else ""
            yield f'<g{mark} transform="translate({left:.1f} {top:.1f})"><title>{escape(table)}</title>'
            yield f'<rect class="box" width="{wide:.0f}" height="{high:.0f}" rx="7"/>'
            yield f'<text class="name" x="13" y="20">{escape(_shortened(table, wide, _LETTER))}</text>'
            at = _HEAD
            for writer in self._writers.get(table, ()):
                yield f'<text class="dim" x="13" y="{at + 8:.0f}">{escape(_shortened(writer, wide, 6.4))}</text>'
                at += _LINE
            if rows:
                yield f'<line class="rule" x1="0" x2="{wide:.0f}" y1="{at:.0f}" y2="{at:.0f}"/>'
            for column in rows:
                weight = ' class="name"' if (table, column) == self._start else ""
                yield f'<text{weight} x="13" y="{at + 16:.0f}">{escape(_shortened(column, wide, _LETTER))}</text>'
                at += _ROW
            yield "</g>"

    def _connections(self) -> Iterator[str]:
        for (source, target, indirect), producers in self._edges.items():
            if source[0] == target[0]:
                continue
            points = [self._end(source, right=True)]
            points += self._layout.routes.get((source[0], target[0]), [])
            points.append(self._end(target, right=False))
            origin = _origins(producers)[0]
            labels = f"{qualified_name(source)} → {qualified_name(target)}\n" + "\n".join(
                f"{producer.workflow} ({producer.owner or 'no owner'}), {origin_summary([producer], self._now)}"
                for producer in producers
            )
            dashed = " decides" if indirect else ""
            yield (
                f'<path class="edge {origin}{dashed}" d="{_curve(points)}" marker-end="url(#{origin})">'
                f"<title>{escape(labels)}</title></path>"
            )

    def _end(self, node: Node, *, right: bool) -> tuple[float, float]:
        left, top = self._layout.boxes[node[0]]
        wide, high = self._sizes[node[0]]
        rows = self.tables[node[0]]
        if node[1]:
            at = _HEAD + _LINE * len(self._writers.get(node[0], ())) + _ROW * (rows.index(node[1]) + 0.5)
        else:
            at = _HEAD / 2 if rows else high / 2
        return (left + wide if right else left - 5, top + at)


def _writers(edges: JoinedEdges) -> dict[str, list[str]]:
    """Return the writers of each table with their owners: at most two, and the number of others."""
    found: dict[str, dict[str, None]] = {}
    for (_, target, _), producers in edges.items():
        for producer in producers:
            owner = f" · {producer.owner}" if producer.owner else ""
            found.setdefault(target[0], {})[f"{producer.workflow}{owner}"] = None
    return {
        table: [*list(names)[:2], *([f"and {len(names) - 2} more"] if len(names) > 2 else [])]
        for table, names in found.items()
    }


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """Return a curve through points that starts and ends horizontally."""
    (x, y), *rest = points
    drawn = [f"M{x:.1f} {y:.1f}"]
    for at, bt in rest:
        bend = max(24.0, abs(at - x) / 2) if at >= x else 60.0
        drawn.append(f"C{x + bend:.1f} {y:.1f} {at - bend:.1f} {bt:.1f} {at:.1f} {bt:.1f}")
        x, y = at, bt
    return " ".join(drawn)


def _shortened(text: str, wide: float, letter: float) -> str:
    most = int((wide - 22) / letter)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _arrow(origin: str) -> str:
    return (
        f'<marker id="{origin}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0.8 L7.4 4 L0 7.2 z" style="fill:var(--{origin});stroke:none"/></marker>'
    )


_ARROWS = f"<defs>{''.join(map(_arrow, _ORIGINS))}</defs>"


def _legend(origins: Sequence[str], decides: bool) -> str:
    lines = [f'<svg width="34" height="8"><path class="edge {origin}" d="M1 4H33"/></svg>' for origin in origins]
    labels = [f"<span>{line}{_ORIGINS[origin]}</span>" for line, origin in zip(lines, origins, strict=True)]
    if decides:
        line = f'<svg width="34" height="8"><path class="edge decides {origins[0]}" d="M1 4H33"/></svg>'
        labels.append(f"<span>{line}only decides: a filter, a join, an order</span>")
    return f'<div class="legend">{"".join(labels)}</div>'


def _table(edges: JoinedEdges, now: dt.datetime) -> str:
    if not edges:
        return "<p>Nothing is known to read or to write it.</p>"
    rows = []
    for (source, target, indirect), producers in edges.items():
        by = dict.fromkeys(f"{p.workflow}{f' ({p.owner})' if p.owner else ''}" for p in producers)
        into = f"{qualified_name(target)}{' (decides)' if indirect else ''}"
        cells = (
            f"<code>{escape(qualified_name(source))}</code>",
            f"<code>{escape(into)}</code>",
            escape(", ".join(by)),
        )
        rows.append("".join(f"<td>{cell}</td>" for cell in (*cells, escape(origin_summary(producers, now)))))
    head = "".join(f"<th>{name}</th>" for name in ("from", "into", "by", "known from"))
    return f"<table><tr>{head}</tr>\n" + "\n".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
