"""A run: its steps, its audits, what it wrote, and what it printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataflow.state.run_records import UNENDED
from dataflow.ui.page import Asked, Page
from dataflow.ui.read.runs import runs_of
from dataflow.ui.source import Source

_EXPORTED = 50
"""How many runs are written as static pages, the newest ones."""


def _read(source: Source, asked: Asked) -> object:
    return source.records.run(asked.subject["run"])


def _state(source: Source, asked: Asked) -> str | None:
    found = source.records.run(asked.subject["run"])
    if found["status"] not in UNENDED:
        return None
    inside = [it["status"] for it in found["children"]]
    return f"{found['status']} {len(found['jobs'])} {len(found['audits'])} {inside}"


def _newest(source: Source) -> Iterable[Mapping[str, str]]:
    return ({"run": it.id} for it in runs_of(source, Asked()).lines[:_EXPORTED])


PAGE = Page("run", "/runs/{run}", "Run", _read, exported=_newest, state=_state)
