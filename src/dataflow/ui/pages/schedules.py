"""When deployed workflows ran last, and when they run next."""

from __future__ import annotations

from dataflow.state.read_only import ReadOnlyDatabase
from dataflow.ui.page import Asked, Page
from dataflow.ui.read.schedules import Schedules, schedules
from dataflow.ui.source import Source


def read(source: Source, _: Asked) -> Schedules:
    """Return the schedules."""
    return schedules(source.registry, None, ReadOnlyDatabase)


PAGE = Page("schedules", "/schedules", "Schedules", read, listed=True)
