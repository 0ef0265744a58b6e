"""Bringing the lineage of what is deployed up to date: after a switch, and before anybody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.cli.console import say
from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry


def sync_deployed_lineage(registry: Registry, *states: str | None) -> None:
    """Make the lineage at state addresses that of the bundles which environments have now.

    Where nothing was switched since, that is one look. Whatever goes wrong is said and nothing more: it undoes no
    deployment, and the next command that comes by here tries again.
    """
    for state in dict.fromkeys(states):
        try:
            _sync(registry, state)
        except Exception as error:  # a switch stands, whatever becomes of what is noted of it
            message = error.message if isinstance(error, DataflowError) else str(error) or type(error).__name__
            cause = message.partition("\n")[0]
            say(f"deployed lineage could not be updated and will be retried: {cause}")


def _sync(registry: Registry, state: str | None) -> None:
    from dataflow.assets.registry import ENVIRONMENTS
    from dataflow.lineage.store.reader import LineageStore

    newest = registry.newest(ENVIRONMENTS)
    known = LineageStore(state).synced_revisions(registry.address) if newest else {}
    behind = {name: number for name, number in newest.items() if known.get(name) != number}
    if not behind:
        return
    from dataflow.cli.project.plan import progress
    from dataflow.deploy.lineage import sync_deployed_lineage as settle_lineage

    with progress("Reading the lineage of what is deployed …") as tell:
        told = settle_lineage(registry, state, behind, tell)
    for line in told:
        say(line)
