"""A run as one page by itself: no script, nothing to fetch, to print or to send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.ui.page import Asked
from dataflow.ui.read.run import run_page
from dataflow.ui.rendering import STATIC, render

if TYPE_CHECKING:
    from dataflow.ui.source import Source


def run_report(source: Source, run_id: str) -> tuple[str, str]:
    """Return a run's id, and its report as an HTML page.

    Args:
        source: Where to look.
        run_id: The run's id, the beginning of one, or `last`.

    Raises:
        UsageError: There is no such run.
    """
    it = run_page(source, Asked({"run": run_id}))
    style = (STATIC / "site.css").read_text("utf-8")
    around = {"style": style, "project": source.project.name, "has_scripts": False, "is_open": True}
    return it.id, render("report.html", it, lambda *_, **__: None, **around)
