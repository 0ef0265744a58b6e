"""Keeping the lineage of what is deployed up to date: after a switch, and before anybody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from dataflow.assets.registry import ENVIRONMENTS
from dataflow.errors import first_line
from dataflow.report import Report

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry

Progress = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""Shows what takes its time, and how many of how many are done."""


def sync_lineage(registry: Registry, *states: str | None, report: Report, progress: Progress) -> None:
    """Make the lineage at state addresses that of the bundles which environments have now.

    Where nothing was switched since, that is one look. A failure is reported and undoes no deployment: the next
    command that comes by here tries again.
    """
    for state in dict.fromkeys(states):
        try:
            _sync(registry, state, report, progress)
        except Exception as error:  # a switch stands, whatever becomes of what is noted of it
            report(f"deployed lineage could not be updated and will be retried: {first_line(error)}")


def _sync(registry: Registry, state: str | None, report: Report, progress: Progress) -> None:
    from dataflow.lineage.store.reader import LineageStore

    newest = registry.newest(ENVIRONMENTS)
    known = LineageStore(state).synced_revisions(registry.address) if newest else {}
    behind = {name: number for name, number in newest.items() if known.get(name) != number}
    if not behind:
        return
    from dataflow.deploy.lineage import sync_deployed_lineage  # with SQLAlchemy, which looking alone does not need

    with progress("Reading the lineage of what is deployed …") as tell:
        notes = sync_deployed_lineage(registry, state, behind, tell)
    for line in notes:
        report(line)
