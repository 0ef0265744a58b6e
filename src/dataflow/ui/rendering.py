"""Pages out of templates: whatever a template is given is text, with its secrets masked, and never markup."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from dataflow.foreign import for_terminal
from dataflow.lineage.show.labels import age
from dataflow.secret import masked
from dataflow.state.utc import now
from dataflow.ui.drawing import graph_of, line_of
from dataflow.ui.read.results import Point
from dataflow.wording import number, plural, seconds_text

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"

Link = Callable[..., str | None]
"""Returns the address of a page by its name and subject, with options; None where there is no such page."""


@cache
def templates() -> jinja2.Environment:
    """Return the templates."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_as_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "as_points": lambda figures: [Point(label, figure, "passed", "") for label, figure in figures],
        "age": lambda when: age(when, now()),
        "graph": graph_of,
        "line": line_of,
        "moment": moment_text,
        "own_style": Markup,  # of a file of ours: what others wrote is never put in there
        "number": number,
        "plural": plural,
        "took": seconds_text,
    }
    return found


def render(template: str, it: object, link: Link, **around: Any) -> str:
    """Return a page.

    Args:
        template: The name of its template.
        it: What it shows.
        link: The addresses of other pages.
        around: What its frame shows.
    """
    return templates().get_template(template).render(it=it, link=link, now=now(), **around)


def moment_text(when: dt.datetime) -> str:
    """Spell a moment: `2026-01-31 18:05 CET`."""
    return f"{when.astimezone():%Y-%m-%d %H:%M %Z}"


def _as_text(value: object) -> object:
    """Return what a template shows of a value; nothing for None."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) or not isinstance(value, str) else masked(for_terminal(value))
