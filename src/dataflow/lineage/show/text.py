"""Lineage as text: a tree for the terminal, plain data for scripts, Mermaid for documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dataflow.foreign import for_mermaid
from dataflow.lineage.graph import Edge, Node, Traversal, qualified_name
from dataflow.lineage.show.labels import EdgeKind, Times, edge_kind, origin_summary, workflow_label

if TYPE_CHECKING:
    from dataflow.lineage.model import Producer

LIMIT = 400
"""The most lines of a tree."""


def grouped_by_target(found: Traversal, node: Node) -> list[tuple[Node, list[Edge]]]:
    """Return the nodes next to a node, each with all edges to it."""
    by: dict[Node, list[Edge]] = {}
    for edge in found.edges.get(node, ()):
        by.setdefault(found.far_end(edge), []).append(edge)
    return sorted(by.items(), key=lambda item: item[0])


def tree(found: Traversal, times: Times, limit: int = LIMIT) -> Iterator[tuple[str, str, str]]:
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
        label = _edge_label(edges, times, of_columns=bool(found.start[1]))
        again = " · a cycle" if node in path else " · see above" if node in opened and opens else ""
        yield f"{lead}{'└── ' if last else '├── '}", qualified_name(node), f"{label}{again}"
        if node not in opened:
            opened.add(node)
            push(node, f"{lead}{'    ' if last else '│   '}", path)


def _edge_label(edges: Sequence[Edge], times: Times, *, of_columns: bool) -> str:
    """Return the workflows of an edge, what they do, and who says so."""
    by: dict[str, list[Producer]] = {}
    kinds: dict[str, list[EdgeKind]] = {}
    for _, target, indirect, producer in edges:
        name = workflow_label(producer)
        by.setdefault(name, []).append(producer)
        kinds.setdefault(name, []).append(edge_kind(target, indirect=indirect, of_columns=of_columns))
    labels = []
    for name, producers in by.items():
        kind = min(kinds[name], key=list(EdgeKind).index)
        labels.append(f"{name}{f', {kind}' if kind else ''} · {origin_summary(producers, times)}")
    return "; ".join(labels[:3]) + (f"; and {len(labels) - 3:,} more" if len(labels) > 3 else "")


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
