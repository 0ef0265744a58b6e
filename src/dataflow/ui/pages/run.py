"""A run: its steps, its audits, what it wrote, and what it printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataflow.ui.page import Asked, Page
from dataflow.ui.read.results import inside
from dataflow.ui.read.run import run_page, run_state
from dataflow.ui.read.runs import runs_of
from dataflow.ui.source import Source

_INSIDE = 20
"""How many of the runs in a run are exported with it, the last ones."""


def _newest(source: Source) -> Iterable[Mapping[str, object]]:
    for it in runs_of(source, Asked()).lines:
        yield {"run": it.id}
        yield from ({"run": each["run_id"]} for each in inside(source, it.id)[-_INSIDE:])


PAGE = Page("run", "/runs/{run}", "Run", run_page, exported=_newest, state=run_state)
