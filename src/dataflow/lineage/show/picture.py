"""The picture of lineage: tables as boxes, their columns as rows, and connections; as SVG for a page, or by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dataflow.foreign import for_html as escape
from dataflow.lineage.graph import Node, Traversal, qualified_name
from dataflow.lineage.show.graph_layout import Layout, arrange
from dataflow.lineage.show.labels import (
    ORIGINS,
    EdgeKind,
    edge_kind,
    moment,
    origin_summary,
    origins_of,
    workflow_label,
)
from dataflow.palette import with_colours
from dataflow.wording import plural

if TYPE_CHECKING:
    import datetime as dt

    from dataflow.lineage.model import Producer

_LETTER = 8.5  # pixels of a bold letter at 13 px, on the wide side
_WIDEST = 340.0
_HEAD, _LINE, _ROW = 30.0, 17.0, 22.0
_MARGIN, _ABOVE, _ENTRY = 24.0, 66.0, 20.0

FONT = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif'
STYLE = """\
svg text { fill:var(--ink); font-size:13px; } svg .dim { fill:var(--dim); font-size:11.5px; }
svg .name { font-weight:600; } svg .box { fill:var(--card); stroke:var(--line); }
svg .start .box { fill:var(--markbg); stroke:var(--mark); stroke-width:2; }
svg .rule { stroke:var(--line); } svg .edge { fill:none; stroke-width:1.6; opacity:.85; }
svg .edge:hover { stroke-width:3.2; opacity:1; } svg .decides { stroke-dasharray:5 4; }
svg .may-read { stroke-dasharray:1.5 4; }
.recorded { stroke:var(--good); } .deployed { stroke:var(--deployed); } .checkout { stroke:var(--warn); }
.openlineage { stroke:var(--busy); }
.head { stroke:none; } .head.recorded { fill:var(--good); } .head.deployed { fill:var(--deployed); }
.head.checkout { fill:var(--warn); } .head.openlineage { fill:var(--busy); }
"""
"""How the picture looks, whatever it stands in; its colours are variables."""

_PAGE = f"svg {{ font-family:{FONT}; }} .paper {{ fill:var(--paper); }}\n"

_CLASSES = {
    EdgeKind.VALUE: "",
    EdgeKind.DECIDES: " decides",
    EdgeKind.DECIDES_ROWS: " decides",
    EdgeKind.MAY_READ: " may-read",
}
_LEGEND = {
    " decides": f"{EdgeKind.DECIDES}: a filter, a join, an order",
    " may-read": str(EdgeKind.MAY_READ),
}

JoinedEdges = dict[tuple[Node, Node, EdgeKind], list["Producer"]]
"""The producers of each connection."""


def join_edges(found: Sequence[Traversal]) -> JoinedEdges:
    """Return the connections of traversals from one node, each once."""
    joined: JoinedEdges = {}
    for each in found:
        for source, target, indirect, producer in each.all_edges():
            kind = edge_kind(target, indirect=indirect, of_columns=bool(each.start[1]))
            producers = joined.setdefault((source, target, kind), [])
            if producer not in producers:
                producers.append(producer)
    return dict(sorted(joined.items()))


def legend(edges: JoinedEdges) -> list[tuple[str, str]]:
    """Return what lines of the picture mean, each as its classes and words; only of those that there are."""
    origins = origins_of(producer for each in edges.values() for producer in each)
    found = [(origin.value, ORIGINS[origin]) for origin in origins]
    used = {_CLASSES[kind] for _, _, kind in edges}
    return found + [(f"{origins[0].value}{dashes}", says) for dashes, says in _LEGEND.items() if dashes in used]


def svg_document(found: Sequence[Traversal], title: str, now: dt.datetime) -> str:
    """Return the picture by itself, as an SVG file with its title, its time and its legend.

    Args:
        found: The upstream, downstream, or both traversals of a node.
        title: The heading.
        now: The current time.
    """
    edges = join_edges(found)
    drawing = Drawing(found[0].start, edges)
    entries = legend(edges)
    words = [title, drawing_summary(drawing, edges, now), *(f"{'':6}{says}" for _, says in entries)]
    wide = max(drawing.width, max(map(len, words)) * _LETTER) + 2 * _MARGIN
    top = _ABOVE + len(entries) * _ENTRY
    high = top + drawing.height + _MARGIN
    lines = [
        f'<g transform="translate({_MARGIN:.0f} {_ABOVE + place * _ENTRY - 6:.0f})">'
        f'<path class="edge {classes}" d="M0 0H32"/><text class="dim" x="40" y="4">{escape(says)}</text></g>'
        for place, (classes, says) in enumerate(entries)
    ]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="{wide:.0f}" '
        f'height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}" role="img">\n<title>{escape(title)}</title>\n'
        f"<style>\n{with_colours(_PAGE + STYLE)}</style>\n"
        '<rect class="paper" width="100%" height="100%"/>\n'
        f'<text class="name" x="{_MARGIN:.0f}" y="30">{escape(title)}</text>\n'
        f'<text class="dim" x="{_MARGIN:.0f}" y="48">{escape(words[1])}</text>\n'
        + "".join(f"{line}\n" for line in lines)
        + f'<g transform="translate({_MARGIN:.0f} {top:.0f})">{drawing.body()}</g>\n</svg>\n'
    )


def drawing_summary(drawing: Drawing, edges: JoinedEdges, now: dt.datetime) -> str:
    """Return when a picture was drawn, and how much is in it."""
    return f"Drawn on {moment(now)} · {plural(len(drawing.tables), 'table')} · {plural(len(edges), 'connection')}"


class Drawing:
    """The boxes of tables, their columns as rows, and the connections between them."""

    def __init__(self, start: Node, edges: JoinedEdges) -> None:
        self._start = start
        self._edges = edges
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

    @property
    def width(self) -> float:
        """How wide it is."""
        return self._layout.width + 8

    @property
    def height(self) -> float:
        """How high it is."""
        return self._layout.height + 8

    def svg(self) -> str:
        """Return it as a part of a page."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" height="{self.height:.0f}" '
            f'viewBox="-4 -4 {self.width:.0f} {self.height:.0f}" role="img" aria-label="Lineage">{self.body()}</svg>'
        )

    def body(self) -> str:
        """Return what is drawn, without what it stands in."""
        return _ARROWS + "\n" + "\n".join([*self._connections(), *self._boxes()]) + "\n"

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
        for (source, target, kind), producers in self._edges.items():
            if source[0] == target[0]:
                continue
            points = [self._end(source, right=True)]
            points += self._layout.routes.get((source[0], target[0]), [])
            points.append(self._end(target, right=False))
            origin = origins_of(producers)[0].value
            says = f"{qualified_name(source)} → {qualified_name(target)}{f', {kind}' if kind else ''}"
            told = "\n".join([says, *(f"{workflow_label(it)} · {origin_summary([it], moment)}" for it in producers)])
            yield (
                f'<path class="edge {origin}{_CLASSES[kind]}" d="{_curve(points)}" marker-end="url(#{origin})">'
                f"<title>{escape(told)}</title></path>"
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
            found.setdefault(target[0], {})[workflow_label(producer)] = None
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
        f'<path d="M0 0.8 L7.4 4 L0 7.2 z" class="head {origin}"/></marker>'
    )


_ARROWS = f"<defs>{''.join(_arrow(origin.value) for origin in ORIGINS)}</defs>"
