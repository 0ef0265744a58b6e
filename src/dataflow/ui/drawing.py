"""Where the marks of small drawings stand; templates draw them, so that names in them are text like all others."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.lineage.show.graph_layout import arrange
from dataflow.ui.read.results import Point
from dataflow.ui.read.run import Bar

_WIDE, _HIGH, _EDGE = 320.0, 64.0, 6.0
_LETTER, _BOX_WIDE, _BOX_HIGH, _LONGEST = 7.4, 164.0, 46.0, 34


@dataclass(frozen=True)
class Dot:
    """A point of a line.

    Attributes:
        x: From the left.
        y: From above.
        label: What it is of.
        figure: Its figure.
        state: How it is.
    """

    x: float
    y: float
    label: str
    figure: float
    state: str


@dataclass(frozen=True)
class Line:
    """Figures as a line.

    Attributes:
        path: Through all points, for SVG; empty for fewer than two.
        dots: The points, each marked where it is the last or is not as it should be.
        least: The least figure.
        most: The greatest.
        width: How wide it is.
        height: How high.
    """

    path: str
    dots: Sequence[Dot]
    least: float
    most: float
    width: float = _WIDE
    height: float = _HIGH


def line_of(points: Sequence[Point]) -> Line | None:
    """Return figures as a line; None where there is none."""
    known = [it for it in points if it.figure is not None]
    if not known:
        return None
    figures = [it.figure or 0.0 for it in known]
    least, most = min(figures), max(figures)
    span, steps = (most - least) or 1.0, max(1, len(known) - 1)

    def place(number: int, figure: float) -> tuple[float, float]:
        high = 0.5 if least == most else (figure - least) / span
        return _EDGE + (_WIDE - 2 * _EDGE) * number / steps, _HIGH - _EDGE - (_HIGH - 2 * _EDGE) * high

    places = [place(number, figure) for number, figure in enumerate(figures)]
    path = " ".join(f"{'L' if number else 'M'}{x:.1f} {y:.1f}" for number, (x, y) in enumerate(places))
    dots = [
        Dot(round(x, 1), round(y, 1), it.label, it.figure or 0.0, it.state)
        for it, (x, y) in zip(known, places, strict=True)
        if it is known[-1] or it.state != "passed"
    ]
    return Line(path if len(known) > 1 else "", dots, least, most)


@dataclass(frozen=True)
class Box:
    """A step.

    Attributes:
        name: Its id.
        shown: The part of it that there is room for.
        status: How it goes, or ended; empty before.
        took: Seconds; None where it has not ended.
        x: From the left.
        y: From above.
        width: How wide it is.
        height: How high.
    """

    name: str
    shown: str
    status: str
    took: float | None
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Graph:
    """Steps, and what each needs.

    Attributes:
        boxes: The steps.
        edges: The arrows, for SVG.
        width: How wide it is.
        height: How high.
    """

    boxes: Sequence[Box]
    edges: Sequence[str]
    width: float
    height: float


def graph_of(needs: Mapping[str, frozenset[str]] | None, jobs: Sequence[Bar]) -> Graph:
    """Return the graph of steps; where it is not known what each needs, one after the other."""
    done: dict[str, list[Bar]] = {}
    for job in jobs:
        done.setdefault(job.name.partition("/")[0], []).append(job)
    names = list(needs or done)
    if needs is None:
        needs = {after: frozenset({before}) for before, after in itertools.pairwise(names)}
    pairs = [(before, after) for after in names for before in sorted(needs.get(after, ())) if before in names]
    sizes = {it: (max(_BOX_WIDE, min(len(it), _LONGEST) * _LETTER + 22), _BOX_HIGH) for it in names}
    layout = arrange(sizes, pairs)
    boxes = [_box(it, done.get(it, ()), layout.boxes[it], sizes[it]) for it in names]
    edges = []
    for before, after in pairs:
        (x, y), (to_x, to_y) = layout.boxes[before], layout.boxes[after]
        points = [(x + sizes[before][0], y + _BOX_HIGH / 2), *layout.routes.get((before, after), [])]
        points.append((to_x - 4, to_y + _BOX_HIGH / 2))
        edges.append(" ".join(f"{'L' if number else 'M'}{px:.1f} {py:.1f}" for number, (px, py) in enumerate(points)))
    return Graph(boxes, edges, layout.width + 8, layout.height + 8)


def _box(name: str, jobs: Sequence[Bar], place: tuple[float, float], size: tuple[float, float]) -> Box:
    shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    states = [it.status for it in jobs]
    last: dict[str, str] = {it.name: it.status for it in jobs}
    worst = next((it for it in ("failed", "running", "cancelled") if it in last.values()), None)
    begun = [it for it in jobs if it.seconds is not None]
    took = sum(it.seconds or 0.0 for it in begun) if begun else None
    return Box(name, shown, worst or (states[-1] if states else ""), took, *place, *size)
