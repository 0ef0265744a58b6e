"""A run: its steps, its audits, what it wrote, and what it printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataflow.ui.page import Asked, Page
from dataflow.ui.read.run import run_page, run_state
from dataflow.ui.read.runs import runs_of
from dataflow.ui.source import Source


def _newest(source: Source) -> Iterable[Mapping[str, object]]:
    return ({"run": it.id} for it in runs_of(source, Asked()).lines)


PAGE = Page("run", "/runs/{run}", "Run", run_page, exported=_newest, state=run_state)
