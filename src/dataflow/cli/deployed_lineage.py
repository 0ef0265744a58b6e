"""Keeping the lineage of what is deployed in step with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.cli.console import say
from dataflow.cli.project_plan import progress

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry


def keep_lineage(registry: Registry, name: str, state: str | None) -> None:
    """Read the lineage of a deployment, just switched; where that fails, say so: what runs has changed all the same."""
    from dataflow.errors import DataflowError
    from dataflow.migration.deployed import follow

    try:
        with progress("Reading lineage …") as tell:
            trouble = follow(registry, name, state, tell)
    except DataflowError as error:
        trouble = [error.message]
    for line in trouble:
        say(f"lineage of {name} is not known, and is read again by the next deployment: {line}")
