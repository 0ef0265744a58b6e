"""Lineage as text: a tree for the terminal, plain data for scripts, Mermaid for documents."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dataflow.foreign import for_mermaid
from dataflow.lineage.graph import Edge, Node, Traversal, qualified_name
from dataflow.lineage.model import Producer

LIMIT = 400
"""The most lines of a tree."""


def age(moment: dt.datetime, now: dt.datetime) -> str:
    """Return the age of something in the largest unit that fits: `3 h ago`."""
    seconds = max(0.0, (now - moment).total_seconds())
    for size, unit in ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def origin_summary(producers: Iterable[Producer], now: dt.datetime) -> str:
    """Return the origins of an edge with their age: `recorded 3 h ago, checkout 2 d ago`."""
    newest: dict[str, dt.datetime] = {}
    for producer in producers:
        name = producer.origin.value
        if producer.bundle:
            name = f"{name} {producer.bundle[:8]}"
        newest[name] = max(newest.get(name, producer.seen), producer.seen)
    freshest = sorted(newest.items(), key=lambda item: item[1], reverse=True)
    return ", ".join(f"{name} {age(moment, now)}" for name, moment in freshest)


def grouped_by_target(found: Traversal, node: Node) -> list[tuple[Node, list[Edge]]]:
    """Return the nodes next to a node, each with all edges to it."""
    by: dict[Node, list[Edge]] = {}
    for edge in found.edges.get(node, ()):
        by.setdefault(found.far_end(edge), []).append(edge)
    return sorted(by.items(), key=lambda item: item[0])


def tree(found: Traversal, now: dt.datetime, limit: int = LIMIT) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of a tree, each as its branches, the name of the node, and a label.

    A node is expanded where it occurs first; further occurrences and cycles are marked.
    """
    yield "", qualified_name(found.start), ""
    opened: set[Node] = set()
    lines = 0
    stack: list[tuple[Node, str, bool, list[Edge], tuple[Node, ...]]] = []

    def push(node: Node, lead: str, path: tuple[Node, ...]) -> None:
        below = grouped_by_target(found, node)
        for place, (child, edges) in reversed(list(enumerate(below))):
            stack.append((child, lead, place == len(below) - 1, edges, (*path, node)))

    opened.add(found.start)
    push(found.start, "", ())
    while stack:
        node, lead, last, edges, path = stack.pop()
        if lines == limit:
            left = len(found.levels) - len(opened)
            yield "", f"… and {left:,} more, not shown: --output json lists all, --depth limits the steps", ""
            return
        lines += 1
        opens = bool(found.edges.get(node))
        again = " · a cycle" if node in path else " · see above" if node in opened and opens else ""
        yield f"{lead}{'└── ' if last else '├── '}", qualified_name(node), f"{_edge_label(edges, now)}{again}"
        if node not in opened:
            opened.add(node)
            push(node, f"{lead}{'    ' if last else '│   '}", path)


def _edge_label(edges: Sequence[Edge], now: dt.datetime) -> str:
    """Return the workflows of an edge, what they do, and the origins."""
    by: dict[tuple[str, str | None], list[Producer]] = {}
    for _, _, _, producer in edges:
        by.setdefault((producer.workflow, producer.owner), []).append(producer)
    only_rows = bool(edges[0][0][1]) and not edges[0][1][1]
    decides = "decides · " if all(edge[2] for edge in edges) else ""
    if only_rows:  # of all edges that go to no column, only those of unknown ones don't decide
        decides = "decides which rows · " if any(edge[2] for edge in edges) else "may read it: columns unknown · "
    labels = [
        f"{workflow}{f' ({owner})' if owner else ''} · {origin_summary(producers, now)}"
        for (workflow, owner), producers in by.items()
    ]
    shown = "; ".join(labels[:3]) + (f"; and {len(labels) - 3} more" if len(labels) > 3 else "")
    return decides + shown


def lineage_data(found: Sequence[Traversal]) -> dict[str, Any]:
    """Return lineage as data for JSON: nodes with their distance, and the edges of each workflow."""
    by: dict[tuple[str, ...], dict[str, Any]] = {}
    for producer, edges in _by_producer(found):
        key = (producer.origin.value, producer.workflow, producer.target)
        row = by.setdefault(
            key,
            {
                "workflow": producer.workflow,
                "owner": producer.owner,
                "writes": producer.target,
                "source": producer.origin.value,
                "seen": producer.seen.isoformat(),
                "environment": producer.environment,
                "bundle": producer.bundle,
                "run": producer.run_id,
                "file": producer.file,
                "takes": [],
            },
        )
        row["takes"] += [_edge_data(edge) for edge in edges]
    return {
        "start": qualified_name(found[0].start),
        **{
            "downstream" if each.downstream else "upstream": {
                qualified_name(node): level for node, level in each.levels.items()
            }
            for each in found
        },
        "workflows": list(by.values()),
    }


def _by_producer(found: Sequence[Traversal]) -> Iterator[tuple[Producer, list[Edge]]]:
    by: dict[int, tuple[Producer, list[Edge]]] = {}
    for each in found:
        for edge in each.all_edges():
            by.setdefault(id(edge[3]), (edge[3], []))[1].append(edge)
    yield from by.values()


def _edge_data(edge: Edge) -> dict[str, Any]:
    source, target, indirect, _ = edge
    if not source[1]:
        return {"from": source[0]}
    return {"from": qualified_name(source), "into": target[1] or None, "decides": indirect}


def mermaid(found: Sequence[Traversal]) -> str:
    """Return lineage as a Mermaid flowchart, with a subgraph for each table."""
    edges = dict.fromkeys(
        (source, target, indirect) for each in found for source, target, indirect, _ in each.all_edges()
    )
    nodes = dict.fromkeys(node for source, target, _ in edges for node in (source, target))
    nodes.setdefault(found[0].start)
    tables: dict[str, list[str]] = {}
    for table, column in nodes:
        tables.setdefault(table, []).append(column)
    lines = ["flowchart LR"]
    columns = any(column for _, column in nodes)
    for table, inside in tables.items():
        if not columns:
            lines.append(f'  {_id((table, ""))}["{for_mermaid(table)}"]')
            continue
        lines.append(f'  subgraph {_id((table, "*"))}["{for_mermaid(table)}"]')
        lines += [f'    {_id((table, column))}["{for_mermaid(column or "rows")}"]' for column in inside]
        lines.append("  end")
    lines += [f"  {_id(source)} {'-.->' if indirect else '-->'} {_id(target)}" for source, target, indirect in edges]
    lines.append(f"  style {_id(found[0].start)} stroke-width:3px")
    return "\n".join(lines)


def _id(node: Node) -> str:
    """Return a unique Mermaid id for a node: letters, digits and underscores."""
    return "n_" + re.sub(r"\W", lambda letter: f"_{ord(letter[0]):x}_", f"{node[0]}:{node[1]}", flags=re.ASCII)
