"""Lineage as a self-contained HTML page with its picture and a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow.foreign import for_html as escape
from dataflow.lineage.graph import Traversal, qualified_name
from dataflow.lineage.show.labels import moment, origin_summary, workflow_label
from dataflow.lineage.show.picture import FONT, STYLE, Drawing, JoinedEdges, drawing_summary, join_edges, legend
from dataflow.palette import SCHEME

if TYPE_CHECKING:
    import datetime as dt

_STYLE = f"""
{SCHEME}
body {{ font:14px/1.5 {FONT}; color:var(--ink); background:var(--paper); margin:32px 40px; }}
h1 {{ font-size:20px; font-weight:600; margin:0 0 2px; }} p {{ margin:0 0 18px; color:var(--dim); }}
figure {{ margin:0 0 28px; overflow-x:auto; }}
{STYLE}.legend {{ display:flex; gap:22px; flex-wrap:wrap; color:var(--dim); margin-bottom:14px; }}
.legend svg {{ vertical-align:middle; margin-right:6px; }}
table {{ border-collapse:collapse; font-size:13px; }} th {{ text-align:left; font-weight:600; color:var(--dim); }}
th,td {{ padding:5px 18px 5px 0; border-bottom:1px solid var(--line); vertical-align:top; }}
code {{ font:12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace; }}
"""


def html_page(found: Sequence[Traversal], title: str, now: dt.datetime) -> str:
    """Return a whole HTML page.

    Args:
        found: The upstream, downstream, or both traversals of a node.
        title: The heading.
        now: The current time.
    """
    edges = join_edges(found)
    drawing = Drawing(found[0].start, edges)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(drawing_summary(drawing, edges, now))}</p>\n"
        f"{_legend(edges)}\n<figure>{drawing.svg()}</figure>\n"
        f"{_table(edges)}\n</body>\n</html>\n"
    )


def _legend(edges: JoinedEdges) -> str:
    labels = [
        f'<span><svg width="34" height="8"><path class="edge {classes}" d="M1 4H33"/></svg>{escape(says)}</span>'
        for classes, says in legend(edges)
    ]
    return f'<div class="legend">{"".join(labels)}</div>'


def _table(edges: JoinedEdges) -> str:
    if not edges:
        return "<p>Nothing is known to read or to write it.</p>"
    rows = []
    for (source, target, kind), producers in edges.items():
        cells = (
            f"<code>{escape(qualified_name(source))}</code>",
            f"<code>{escape(qualified_name(target))}</code>{f' {escape(kind)}' if kind else ''}",
            escape(", ".join(dict.fromkeys(map(workflow_label, producers)))),
            escape(origin_summary(producers, moment)),
        )
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    head = "".join(f"<th>{name}</th>" for name in ("from", "into", "by", "known from"))
    return f"<table><tr>{head}</tr>\n" + "\n".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
